#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {
namespace detail {

template <class T, class Memory>
struct Dot {
  View<const T, 1, Memory> x, y;
  View<T, 1, Memory> out;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const T sum = block_sum(block, x.size(), [this](std::size_t i) { return x(i) * y(i); });
    if (block.leader()) out(0) = sum;
  }
};

}  // namespace detail

/// out = sum of x_i y_i, by one block: a batch's loss from its coefficients and per-anchor losses.
///
/// @param x    [n]
/// @param y    [n]
/// @param out  [1]
/// @throws ShapeError if the shapes differ from these.
/// @cost   one pass over x and y
template <Backend B, class T>
void dot(B& b, In<T, 1, B> x, In<T, 1, B> y, Out<T, 1, B> out) {
  check_shape("dot", "y", x.extents, y.extents);
  check_shape("dot", "out", Extents<1>{1}, out.extents);
  b.for_each_block(1, Work{x.size()}, detail::Dot<T, typename B::Memory>{x, y, out});
}

}  // namespace lotar
