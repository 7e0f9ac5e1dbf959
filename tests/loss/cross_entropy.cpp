#include <lotar/loss/cross_entropy.hpp>

#include <cmath>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../reference/loss.hpp"
#include "../test.hpp"

using namespace lotar;

namespace {

template <class T>
struct Result {
  std::vector<T> losses, dlogits;
};

template <class T>
Result<T> run(const std::vector<T>& logits, const std::vector<std::int32_t>& labels,
              const std::vector<T>& coefficients = {}) {
  TestBackend b;
  const std::size_t n = labels.size(), classes = logits.size() / n;
  const Tensor<T, 2, TestBackend> x(b, {n, classes}, logits), dx(b, {n, classes});
  const Tensor<std::int32_t, 1, TestBackend> y(b, {n}, labels);
  const Tensor<T, 1, TestBackend> losses(b, {n}), again(b, {n});
  if (coefficients.empty()) {
    cross_entropy(b, x, y, losses, dx);
  } else {
    const Tensor<T, 1, TestBackend> c(b, {n}, coefficients);
    cross_entropy(b, x, y, c, losses, dx);
  }
  Result<T> result{losses.to_host(b), dx.to_host(b)};
  cross_entropy(b, x, y, again);  // the losses alone
  const auto alone = again.to_host(b);
  for (std::size_t i = 0; i < n; ++i)
    CHECK((alone[i] == result.losses[i] || (std::isnan(alone[i]) && std::isnan(result.losses[i]))));
  if (coefficients.empty()) {
    cross_entropy(b, x, y, again, x);  // in place
    const auto in_place = x.to_host(b);
    for (std::size_t i = 0; i < in_place.size(); ++i)
      CHECK((in_place[i] == result.dlogits[i] || (std::isnan(in_place[i]) && std::isnan(result.dlogits[i]))));
  }
  return result;
}

/// 3 sin(1 + 0.7 i + 1.3 j + 0.11 i j) (1 + 0.1 i), as in tests/reference/loss.py.
template <class T>
std::vector<T> wave(std::size_t rows, std::size_t cols) {
  std::vector<T> x;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) {
      const double i = static_cast<double>(r), j = static_cast<double>(c);
      x.push_back(static_cast<T>(3 * std::sin(1 + .7 * i + 1.3 * j + .11 * i * j) * (1 + .1 * i)));
    }
  return x;
}

}  // namespace

TEST_CASE_TEMPLATE("equal logits give log C", T, float, double) {
  const auto r = run<T>(std::vector<T>(8, T(1000)), {2, 0});
  for (const T l : r.losses) CHECK(l == doctest::Approx(std::log(4)).epsilon(1e-6));
  const double wanted[] = {.125, .125, -.375, .125, -.375, .125, .125, .125};
  for (std::size_t i = 0; i < 8; ++i) CHECK(r.dlogits[i] == doctest::Approx(wanted[i]));
}

TEST_CASE_TEMPLATE("losses and gradients are PyTorch's", T, float, double) {
  const double epsilon = sizeof(T) == 4 ? 1e-5 : 1e-11;
  const auto r = run<T>(wave<T>(5, 4), {0, 1, 2, 3, 0});
  for (std::size_t i = 0; i < 5; ++i)
    CHECK(r.losses[i] == doctest::Approx(expected::cross_entropy_losses[i]).epsilon(epsilon));
  for (std::size_t i = 0; i < 20; ++i)
    CHECK(r.dlogits[i] == doctest::Approx(expected::cross_entropy_gradient[i]).epsilon(epsilon));
}

TEST_CASE("the gradient matches central differences, whatever the coefficients") {
  const std::size_t n = 3, classes = 37;
  const auto x = wave<double>(n, classes);
  const std::vector<std::int32_t> labels{36, 0, 17};
  const std::vector<double> c{.5, -2, 3};
  const auto value = [&](const std::vector<double>& at) {
    const auto l = run(at, labels, c).losses;
    return c[0] * l[0] + c[1] * l[1] + c[2] * l[2];
  };
  const auto dx = run(x, labels, c).dlogits;
  for (std::size_t i = 0; i < x.size(); ++i) {
    auto up = x, down = x;
    up[i] += 1e-5, down[i] -= 1e-5;
    CHECK(dx[i] == doctest::Approx((value(up) - value(down)) / 2e-5).epsilon(1e-7));
  }
}

TEST_CASE("huge logits do not overflow") {
  const auto r = run<float>({1e4f, -1e4f, -1e4f, 1e4f}, {0, 0});
  CHECK(r.losses == std::vector<float>{0, 2e4f});
  CHECK(r.dlogits == std::vector<float>{0, 0, -.5f, .5f});
}

TEST_CASE("a label outside the classes is NaN in its row alone") {
  const auto r = run<float>({1, 1, 1, 1, 1, 1}, {-1, 1, 2});
  CHECK(std::isnan(r.losses[0]));
  CHECK(r.losses[1] == doctest::Approx(std::log(2)));
  CHECK(std::isnan(r.losses[2]));
  for (const std::size_t i : {0u, 1u, 4u, 5u}) CHECK(std::isnan(r.dlogits[i]));
  CHECK(r.dlogits[2] == doctest::Approx(1 / 6.));
}

TEST_CASE("shapes that do not fit are refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> x(b, {3, 2}), none(b, {3, 0}), wrong(b, {2, 2});
  const Tensor<std::int32_t, 1, TestBackend> labels(b, {3}), few(b, {2});
  const Tensor<float, 1, TestBackend> losses(b, {3}), short_losses(b, {1});
  CHECK_THROWS_WITH_AS(cross_entropy(b, none, labels, losses),
                       "cross_entropy: logits must be [N, C] with C >= 1, got [3, 0]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(b, x, few, losses), "cross_entropy: labels must be [3], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(b, x, labels, short_losses), "cross_entropy: losses must be [3], got [1]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(b, x, labels, losses, wrong), "cross_entropy: dlogits must be [3, 2], got [2, 2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(b, x, labels, short_losses, losses, x),
                       "cross_entropy: coefficients must be [3], got [1]", ShapeError);
  CHECK_THROWS_WITH_AS(cross_entropy(b, x, labels, losses, losses, wrong),
                       "cross_entropy: dlogits must be [3, 2], got [2, 2]", ShapeError);
}
