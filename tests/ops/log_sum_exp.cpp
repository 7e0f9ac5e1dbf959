#include <lotar/ops/log_sum_exp.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T, class Memory>
struct Rows {
  View<const T, 2, Memory> x;
  View<T, 1, Memory> out;
  T less;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const auto sum = log_sum_exp(block, x.extent(1), [&](std::size_t c) { return x(r, c); });
    if (block.leader()) out(r) = sum.minus(less);
  }
};

template <class T>
std::vector<T> of_rows(const std::vector<T>& x, std::size_t cols, T less = 0) {
  TestBackend b;
  const std::size_t rows = x.size() / cols;
  const Tensor<T, 2, TestBackend> from(b, {rows, cols}, x);
  const Tensor<T, 1, TestBackend> out(b, {rows});
  b.for_each_block(rows, Work{cols}, Rows<T, TestBackend::Memory>{from, out, less});
  return out.to_host(b);
}

}  // namespace

TEST_CASE("n equal values x give x + log n") {
  CHECK(of_rows<double>(std::vector<double>(6, -2.5), 6)[0] == doctest::Approx(-2.5 + std::log(6)).epsilon(1e-14));
  CHECK(of_rows<float>({7}, 1)[0] == 7);
}

TEST_CASE("the difference from a large value keeps its digits") {
  CHECK(of_rows<float>({1e6f, 1e6f}, 2, 1e6f)[0] == doctest::Approx(std::log(2)).epsilon(1e-6));
}

TEST_CASE("nothing overflows, and -infinity leaves out") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(of_rows<float>({-1e30f, 1e30f, 1e30f, -infinity}, 4)[0] == 1e30f);
  CHECK(of_rows<float>({-1e4f, -1e4f, -infinity, -infinity}, 4)[0] ==
        doctest::Approx(-1e4 + std::log(2)).epsilon(1e-6));
}

TEST_CASE_TEMPLATE("rows agree with plain loops", T, float, double) {
  const std::size_t rows = 37, cols = 119;
  std::vector<T> x(rows * cols);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<T>(5 * std::sin(1.7 * static_cast<double>(i)));
  const auto got = of_rows<T>(x, cols);
  for (std::size_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (std::size_t c = 0; c < cols; ++c) sum += std::exp(static_cast<double>(x[r * cols + c]));
    CHECK(static_cast<double>(got[r]) == doctest::Approx(std::log(sum)).epsilon(sizeof(T) == 4 ? 1e-6 : 1e-14));
  }
}

TEST_CASE("NaN comes through") { CHECK(std::isnan(of_rows<float>({1, std::nanf(""), 2}, 3)[0])); }
