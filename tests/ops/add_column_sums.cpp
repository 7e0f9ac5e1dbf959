#include <lotar/ops/add_column_sums.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T, std::size_t N>
using Array = Tensor<T, N, TestBackend>;

}  // namespace

TEST_CASE_TEMPLATE("the sums of the columns are added to what is there", T, float, double) {
  TestBackend b;
  for (const std::size_t rows : {0u, 1u, 100u})
    for (const std::size_t cols : {1u, 8u, 12u, 72u}) {
      CAPTURE(rows);
      CAPTURE(cols);
      std::vector<T> values(rows * cols), before(cols), wanted(cols);
      for (std::size_t c = 0; c < cols; ++c) before[c] = wanted[c] = static_cast<T>(c);
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<T>(i * 7 % 31) / 4;  // sums without rounding
        wanted[i % cols] += values[i];
      }
      const Array<T, 2> x(b, {rows, cols}, values);
      const Array<T, 1> out(b, {cols}, before);
      add_column_sums<TestBackend, T>(b, x, out);
      CHECK(out.to_host(b) == wanted);
      CHECK_THROWS_WITH_AS(
          (add_column_sums<TestBackend, T>(b, x, Array<T, 1>(b, {cols + 1}))),
          ("add_column_sums: to must be [" + std::to_string(cols) + "], got [" + std::to_string(cols + 1) + "]")
              .c_str(),
          ShapeError);
    }
}
