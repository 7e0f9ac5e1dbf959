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
  static_assert(std::numeric_limits<T>::has_infinity, "of integers, use reduce with the neutral element that is meant");
  return block.reduce(n, -detail::infinity<T>, g, [](T a, T b) { return max(a, b); });
}
template <class Block, class G>
LOTAR_FN auto block_min(Block& block, std::size_t n, const G& g) {
  using T = decltype(g(n));
  static_assert(std::numeric_limits<T>::has_infinity, "of integers, use reduce with the neutral element that is meant");
  return block.reduce(n, detail::infinity<T>, g, [](T a, T b) { return min(a, b); });
}

}  // namespace lotar
