#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/backend/cpu/transpose.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

/// A square of elements, as many as a register has lanes: to[p][l] = element first + p of line l.
/// @param lines  how many there are, at most a square's; the others are zeros
template <class P, std::size_t Bytes = simd_bytes>
void pack_square(const typename P::Stored* from, std::size_t stride, std::size_t lines, typename P::Element* to,
                 std::size_t to_stride) {
  using Element = typename P::Element;
  if constexpr (std::is_same_v<typename P::Stored, Element>) {
    transpose_square(from, stride, lines, to, to_stride);
  } else {
    constexpr std::size_t square = Simd<Element, Bytes>::width;
    Element elements[square * square];
    for (std::size_t l = 0; l < lines; ++l) P::copy(from + l * stride, square, elements + l * square);
    transpose_square(elements, square, lines, to, to_stride);
  }
}

/// Lines of a matrix, each a sum's factors, as panels of Width lines: panel[step][line], a step an element of P, zeros
/// past the last line.
/// @param line_major  the matrix is stored [line][k], else [k][line], what is stored side by side `stride` apart
/// @param depth       values of a line
/// @param to          room for one more vector than the panels have, which may be written
template <class P, std::size_t Width, std::size_t Bytes = simd_bytes>
void pack_panels(const typename P::Stored* from, bool line_major, std::size_t stride, std::size_t lines,
                 std::size_t depth, typename P::Element* to) {
  using Element = typename P::Element;
  constexpr std::size_t square = Simd<Element, Bytes>::width, together = P::together;
  const std::size_t steps = (depth + together - 1) / together;
  for (std::size_t first = 0; first < lines; first += Width, to += Width * steps) {
    const std::size_t n = min(Width, lines - first);
    if (n < Width) std::memset(to, 0, Width * steps * sizeof(Element));
    if (!line_major) {
      for (std::size_t p = 0; p < steps; ++p) {
        const auto* const row = from + p * together * stride + first;
        const std::size_t values = min(together, depth - p * together);
        if (n == Width)
          P::copy_columns(row, values, stride, Width, to + p * Width);
        else
          P::copy_columns(row, values, stride, n, to + p * Width);
      }
      continue;
    }
    const auto* const line = from + first * stride;
    std::size_t p = 0;
    // From the last lines to the first: the zeros that the last squares write beyond their rows are overwritten.
    for (; (p + square) * together <= depth; p += square)
      for (std::size_t l = (n - 1) / square * square;; l -= square) {
        pack_square<P>(line + l * stride + p * together, stride, min(square, n - l), to + p * Width + l, Width);
        if (l == 0) break;
      }
    for (; p < steps; ++p)
      for (std::size_t l = 0; l < n; ++l)
        to[p * Width + l] =
            P::element([&](std::size_t k) { return k < depth ? line[l * stride + k] : typename P::Stored(0); }, p);
  }
}

}  // namespace lotar::detail
