#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {
namespace detail {

template <class A, class Memory>
struct ArgMaxRow {
  View<const A, 2, Memory> x;
  View<std::int32_t, 1, Memory> columns;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t n = x.extent(1);
    const A* row = x.data + r * n;
    constexpr std::int32_t none = 0x7FFFFFFF;  // above every column
    const A top = block_max(block, n, [row](std::size_t c) { return row[c]; });
    const std::int32_t first = block.reduce(
        n, none, [=](std::size_t c) { return row[c] == top ? static_cast<std::int32_t>(c) : none; },
        [](std::int32_t a, std::int32_t b) { return min(a, b); });
    if (block.leader()) columns(r) = first == none ? -1 : first;
  }
};

}  // namespace detail

/// The column of each row's largest value: of equal ones the first; -1 where all are NaN.
///
/// @tparam A       float or double
/// @param x        [rows, n], n < 2^31 - 1
/// @param columns  [rows] out
/// @throws ShapeError if the shapes differ from these.
/// @cost   2 passes over x
template <class A, Backend B>
void arg_max(B& b, In<A, 2, B> x, Out<std::int32_t, 1, B> columns) {
  if (x.extent(1) >= 0x7FFFFFFF)
    throw ShapeError("arg_max: x must be [rows, n] with n < 2^31 - 1, got " + to_string(x.extents));
  check_shape("arg_max", "columns", Extents<1>{x.extent(0)}, columns.extents);
  b.for_each_block(x.extent(0), Work{x.extent(1)}, detail::ArgMaxRow<A, typename B::Memory>{x, columns});
}

}  // namespace lotar
