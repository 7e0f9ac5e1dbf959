#include <lotar/ops/normalize_rows.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T>
struct Rows {
  std::vector<T> u, inverse_norms, dx;
};

/// Forward, and backward of du if there is any.
template <class T>
Rows<T> run(const std::vector<T>& x, std::size_t cols, const std::vector<T>& du = {}) {
  TestBackend b;
  const std::size_t rows = x.size() / cols;
  const Tensor<T, 2, TestBackend> from(b, {rows, cols}, x), u(b, {rows, cols});
  const Tensor<T, 1, TestBackend> inverse_norms(b, {rows});
  normalize_rows(b, from, u, inverse_norms);
  Rows<T> result{u.to_host(b), inverse_norms.to_host(b), {}};
  if (du.empty()) return result;
  const Tensor<T, 2, TestBackend> gradient(b, {rows, cols}, du), dx(b, {rows, cols});
  normalize_rows_backward(b, u, inverse_norms, gradient, dx);
  result.dx = dx.to_host(b);
  normalize_rows_backward(b, u, inverse_norms, gradient, gradient);
  CHECK(gradient.to_host(b) == result.dx);  // in place
  normalize_rows(b, from, from, inverse_norms);
  CHECK(from.to_host(b) == result.u);
  return result;
}

}  // namespace

TEST_CASE_TEMPLATE("a row of 3, 4 has length 5", T, float, double) {
  const auto r = run<T>({3, -4, 0, 2}, 2, {1, 0, 1, 1});
  const T wanted_u[] = {T(.6), T(-.8), 0, 1}, wanted_dx[] = {T(.128), T(.096), T(.5), 0};  // (I - u u^T) du / 5
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(r.u[i] == doctest::Approx(wanted_u[i]));
    CHECK(r.dx[i] == doctest::Approx(wanted_dx[i]));
  }
  CHECK(r.inverse_norms == std::vector<T>{T(.2), T(.5)});
}

TEST_CASE_TEMPLATE("rows shorter than 1e-12 stay short and have no gradient", T, float, double) {
  const auto r = run<T>({0, 0, T(3e-13), T(-4e-13)}, 2, {5, 7, 5, 7});
  CHECK(r.u[0] == 0);
  CHECK(r.u[1] == 0);
  CHECK(r.u[2] == doctest::Approx(.3));
  CHECK(r.u[3] == doctest::Approx(-.4));
  CHECK(r.inverse_norms == std::vector<T>(2));
  CHECK(r.dx == std::vector<T>(4));
}

TEST_CASE("the gradient matches central differences") {
  const std::size_t rows = 5, cols = 19;
  std::vector<double> x(rows * cols), du(rows * cols);
  for (std::size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(1.3 * static_cast<double>(i) + 1);
    du[i] = std::cos(.7 * static_cast<double>(i));
  }
  const auto value = [&](const std::vector<double>& at) {
    const auto u = run(at, cols).u;
    double sum = 0;
    for (std::size_t i = 0; i < u.size(); ++i) sum += u[i] * du[i];
    return sum;
  };
  const auto dx = run(x, cols, du).dx;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto up = x, down = x;
    up[i] += 1e-5, down[i] -= 1e-5;
    CHECK(dx[i] == doctest::Approx((value(up) - value(down)) / 2e-5).epsilon(1e-7));
  }
}

TEST_CASE("an infinite value shows") {
  const auto u = run<float>({1, INFINITY}, 2).u;
  CHECK(std::isnan(u[1]));
}

TEST_CASE_TEMPLATE("a row whose squares overflow shows", T, float, double) {
  const auto r = run<T>({std::sqrt(std::numeric_limits<T>::max()) * 2, 0, 3, 4}, 2);
  CHECK(std::isnan(r.u[0]));
  CHECK(std::isnan(r.u[1]));
  CHECK(std::isnan(r.inverse_norms[0]));
  CHECK(r.u[2] == doctest::Approx(.6));
}

TEST_CASE("shapes that do not fit are refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> x(b, {3, 2}), wrong(b, {2, 3});
  const Tensor<float, 1, TestBackend> norms(b, {3}), short_norms(b, {2});
  CHECK_THROWS_WITH_AS(normalize_rows(b, x, wrong, norms), "normalize_rows: u must be [3, 2], got [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(normalize_rows(b, x, x, short_norms), "normalize_rows: inverse_norms must be [3], got [2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(normalize_rows_backward(b, x, short_norms, x, x),
                       "normalize_rows_backward: inverse_norms must be [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(normalize_rows_backward(b, x, norms, wrong, x),
                       "normalize_rows_backward: du must be [3, 2], got [2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(normalize_rows_backward(b, x, norms, x, wrong),
                       "normalize_rows_backward: dx must be [3, 2], got [2, 3]", ShapeError);
}
