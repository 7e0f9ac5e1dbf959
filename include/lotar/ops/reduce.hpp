#pragma once

#include <cstddef>
#include <limits>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>

namespace lotar {
namespace detail {

/// A variable, since kernels cannot call the standard library's functions.
template <class T>
inline constexpr T infinity = std::numeric_limits<T>::infinity();

}  // namespace detail

/// The sum, the largest and the smallest of g(i) over i < n, by all threads of a block, each of which gets it.
///
/// Without items these are 0, -infinity and infinity. block_max and block_min pass over NaN.
template <class Block, class G>
LOTAR_FN auto block_sum(Block& block, std::size_t n, const G& g) {
  using T = decltype(g(n));
  return block.reduce(n, T(0), g, [](T a, T b) { return a + b; });
}
template <class Block, class G>
LOTAR_FN auto block_max(Block& block, std::size_t n, const G& g) {
  using T = decltype(g(n));
  return block.reduce(n, -detail::infinity<T>, g, [](T a, T b) { return max(a, b); });
}
template <class Block, class G>
LOTAR_FN auto block_min(Block& block, std::size_t n, const G& g) {
  using T = decltype(g(n));
  return block.reduce(n, detail::infinity<T>, g, [](T a, T b) { return min(a, b); });
}

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
template <Backend B, class T>
void dot(B& b, In<T, 1, B> x, In<T, 1, B> y, Out<T, 1, B> out) {
  check_shape("dot", "y", x.extents, y.extents);
  check_shape("dot", "out", Extents<1>{1}, out.extents);
  b.for_each_block(1, Work{x.size()}, detail::Dot<T, typename B::Memory>{x, y, out});
}

}  // namespace lotar
