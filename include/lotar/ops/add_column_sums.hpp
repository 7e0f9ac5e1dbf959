#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/columns.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>

namespace lotar {
namespace detail {

/// A few columns a work item, so that a GPU reads a matrix of few columns by many blocks.
template <class A>
struct AddColumnSums {
  static constexpr std::size_t strip = 16;
  Columns<A> from;
  std::size_t rows;
  A* to;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const std::size_t first = i * strip, n = min(strip, from.cols - first);
    A* const sum = block.template scratch<A>(strip);
    block.sum_columns(rows, n, Columns<A>{from.from + first, from.cols}, sum);
    block.for_each(n, [&](std::size_t c) { to[first + c] += sum[c]; });
  }
};

}  // namespace detail

/// to += the sums of the columns.
///
/// @param from  [M, C]
/// @param to    [C]
/// @throws ShapeError if the shapes differ from these.
/// @cost   one pass over the matrix
template <Backend B, class A>
void add_column_sums(B& b, In<A, 2, B> from, Out<A, 1, B> to) {
  const std::size_t rows = from.extent(0), cols = from.extent(1);
  check_shape("add_column_sums", "to", Extents<1>{cols}, to.extents);
  constexpr std::size_t strip = detail::AddColumnSums<A>::strip;
  b.for_each_block((cols + strip - 1) / strip, {rows * strip / pack_width<A>, scratch_size<A>(strip)},
                   detail::AddColumnSums<A>{{from.data, cols}, rows, to.data});
}

}  // namespace lotar
