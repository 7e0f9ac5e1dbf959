#include <lotar/ops/columns.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T, std::size_t N>
using Array = Tensor<T, N, TestBackend>;

template <class T>
struct Sums {
  Columns<T> values;
  std::size_t rows;
  Accum<T>* out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    block.sum_columns(rows, values.cols, values, out);
  }
};

}  // namespace

TEST_CASE_TEMPLATE("the sums of the columns of any type are those of its values", T, bf16, float, double) {
  TestBackend b;
  for (const std::size_t rows : {0u, 1u, 100u})
    for (const std::size_t cols : {1u, 8u, 12u, 72u}) {
      CAPTURE(rows);
      CAPTURE(cols);
      std::vector<T> values(rows * cols);
      std::vector<Accum<T>> wanted(cols), before(cols);
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<T>(static_cast<float>(i * 7 % 31) / 4);  // sums without rounding
        wanted[i % cols] += static_cast<Accum<T>>(values[i]);
      }
      const Array<T, 2> x(b, {rows, cols}, values);
      const Array<Accum<T>, 1> out(b, {cols});
      b.for_each_block(1, Work{values.size()}, Sums<T>{{x.data, cols}, rows, out.data});
      CHECK(out.to_host(b) == wanted);
      if constexpr (std::is_same_v<T, Accum<T>>) {
        for (std::size_t c = 0; c < cols; ++c) before[c] = static_cast<T>(c), wanted[c] += before[c];
        b.upload(before, out.view());
        add_column_sums<TestBackend, T>(b, x, out);
        CHECK(out.to_host(b) == wanted);
        CHECK_THROWS_WITH_AS(
            (add_column_sums<TestBackend, T>(b, x, Array<T, 1>(b, {cols + 1}))),
            ("add_column_sums: to must be [" + std::to_string(cols) + "], got [" + std::to_string(cols + 1) + "]")
                .c_str(),
            ShapeError);
      }
    }
}
