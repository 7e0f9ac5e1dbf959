#include <lotar/core/columns.hpp>

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"

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

template <class T>
struct Moments {
  Columns<T> values;
  std::size_t rows, cols;
  Accum<T>*mean, *squares;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    take_moments(block, values, rows, cols, mean, squares);
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
      std::vector<Accum<T>> wanted(cols);
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<T>(static_cast<float>(i * 7 % 31) / 4);  // sums without rounding
        wanted[i % cols] += static_cast<Accum<T>>(values[i]);
      }
      const Array<T, 2> x(b, {rows, cols}, values);
      const Array<Accum<T>, 1> out(b, {cols});
      b.for_each_block(1, Work{values.size()}, Sums<T>{{x.data, cols}, rows, out.data});
      CHECK(out.to_host(b) == wanted);
    }
}

TEST_CASE_TEMPLATE("moments of columns, all or some of a matrix's, are those by plain loops", T, bf16, float, double) {
  TestBackend b;
  const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;
  for (const std::size_t rows : {1u, 2u, 100u, 256u})
    for (const std::size_t cols : {1u, 8u, 12u, 72u}) {
      const std::size_t all = cols + 16, first = 8;
      CAPTURE(rows);
      CAPTURE(cols);
      std::vector<T> values(rows * all);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<T>(static_cast<float>(std::sin(.9 * static_cast<double>(i))) +
                                   (i % all % 2 ? 100.f : 0.f));  // every other column of a large mean
      const Array<T, 2> x(b, {rows, all}, values);
      const Array<Accum<T>, 1> mean(b, {cols}), squares(b, {cols});
      b.for_each_block(1, Work{rows * cols}, Moments<T>{{x.data + first, all}, rows, cols, mean.data, squares.data});
      const auto m = mean.to_host(b), sq = squares.to_host(b);
      for (std::size_t c = 0; c < cols; ++c) {
        const auto value = [&](std::size_t r) {
          return static_cast<double>(static_cast<Accum<T>>(values[r * all + first + c]));
        };
        double wanted = 0, square = 0;
        for (std::size_t r = 0; r < rows; ++r) wanted += value(r) / static_cast<double>(rows);
        for (std::size_t r = 0; r < rows; ++r) square += (value(r) - wanted) * (value(r) - wanted);
        CHECK(std::abs(static_cast<double>(m[c]) - wanted) <= tolerance * (1 + std::abs(wanted)));
        CHECK(std::abs(static_cast<double>(sq[c]) - square) <= tolerance * static_cast<double>(rows));
      }
    }
}
