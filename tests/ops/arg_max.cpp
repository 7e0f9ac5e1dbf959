#include <lotar/ops/arg_max.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <lotar/core/random.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

using Numbers = std::vector<std::int32_t>;

template <class T>
Numbers run(const std::vector<T>& x, std::size_t rows) {
  TestBackend b;
  const Tensor<T, 2, TestBackend> values(b, {rows, x.size() / rows}, x);
  const Tensor<std::int32_t, 1, TestBackend> columns(b, {rows});
  arg_max<T>(b, values, columns);
  return columns.to_host(b);
}

}  // namespace

TEST_CASE_TEMPLATE("the largest, of equal ones the first", T, float, double) {
  constexpr T inf = std::numeric_limits<T>::infinity();
  CHECK(run<T>({1, 3, 2, -5, -9, -4, 7, 7, 7}, 3) == Numbers{1, 2, 0});
  CHECK(run<T>({-inf, -inf, -inf, inf, 0, 1}, 2) == Numbers{0, 0});
  CHECK(run<T>({4, -4}, 2) == Numbers{0, 0});
}

TEST_CASE_TEMPLATE("NaN is passed over; nothing but NaN has no column", T, float, double) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(run<T>({nan, 1, 2, nan, nan, nan}, 2) == Numbers{2, -1});
}

TEST_CASE_TEMPLATE("random rows agree with std::max_element", T, float, double) {
  for (const std::size_t n : {1u, 5u, 16u, 100u, 1001u}) {
    const std::size_t rows = 7;
    std::vector<T> x(rows * n);
    Random random(1, 2, 3, 4, static_cast<std::uint32_t>(n));
    for (T& v : x) v = static_cast<T>(random.index(50));  // with many ties
    Numbers wanted;
    for (std::size_t r = 0; r < rows; ++r) {
      const auto first = x.begin() + static_cast<std::ptrdiff_t>(r * n);
      wanted.push_back(
          static_cast<std::int32_t>(std::max_element(first, first + static_cast<std::ptrdiff_t>(n)) - first));
    }
    CAPTURE(n);
    CHECK(run(x, rows) == wanted);
  }
}

TEST_CASE("a place for other rows, and more columns than can be told, are refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> x(b, {3, 5});
  const Tensor<std::int32_t, 1, TestBackend> two(b, {2});
  CHECK_THROWS_WITH_AS(arg_max<float>(b, x, two), "arg_max: columns must be [3], got [2]", ShapeError);
  const View<float, 2, TestBackend::Memory> wide(nullptr, {2, 0x7FFFFFFF});
  CHECK_THROWS_WITH_AS(arg_max<float>(b, wide, two),
                       "arg_max: x must be [rows, n] with n < 2^31 - 1, got [2, 2147483647]", ShapeError);
}
