#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/pack.hpp>

namespace lotar {

/// The values of a matrix [rows, cols] of T as Accum<T>, for Block::sum_columns.
template <class T>
struct Columns {
  using A = Accum<T>;
  const T* from;
  std::size_t cols;

  LOTAR_FN A operator()(std::size_t r, std::size_t c) const { return static_cast<A>(from[r * cols + c]); }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return cols % width == 0 && are_aligned(from); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [from = from + c, cols = cols](std::size_t r) { return to_accum(load_pack<width>(from + r * cols)); };
  }
};

/// Per column of a matrix [rows, cols]: to += the sum over the rows, by work item i of [0, items()): a few columns each, so
/// that a GPU reads a matrix of few columns with many blocks.
template <class A>
struct AddColumnSums {
  static constexpr std::size_t strip = 16;
  Columns<A> from;
  std::size_t rows;
  A* to;

  std::size_t items() const { return (from.cols + strip - 1) / strip; }
  Work work() const { return {rows * strip / pack_width<A>, scratch_size<A>(strip)}; }

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const std::size_t first = i * strip, n = min(strip, from.cols - first);
    A* const sum = block.template scratch<A>(strip);
    const Columns<A> part{from.from + first, from.cols};
    block.sum_columns(rows, n, part, sum);
    block.for_each(n, [&](std::size_t c) { to[first + c] += sum[c]; });
  }
};

}  // namespace lotar
