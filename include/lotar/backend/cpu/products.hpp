#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/dot_tile.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

/// What products of matrices, direct convolutions and NT-Xent multiply. An Element holds the factors of `together`
/// products; tiles sum those of `rows` lines of elements with `cols` columns.
namespace lotar::detail {

template <class T>
void copy_values(const T* from, std::size_t n, Accum<T>* to) {
  if constexpr (std::is_same_v<T, Accum<T>>)
    std::memcpy(to, from, n * sizeof(T));
  else
    for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<Accum<T>>(from[i]);
}

/// One value an element, as it is summed.
template <class T, std::size_t Bytes = simd_bytes>
struct SingleProducts {
  using Stored = T;
  using Element = Accum<T>;
  static constexpr std::size_t together = 1, cols = tile_cols<Element>;
  static constexpr int rows = tile_rows;

  template <class F>
  [[gnu::always_inline]] static void with_tile(std::size_t n, const F& f) {
    detail::with_tile<Element>(n, f);
  }

  /// The i-th element of the values f(0), f(1), ...
  template <class F>
  static Element element(const F& f, std::size_t i) {
    return static_cast<Element>(f(i));
  }

  /// n elements of a line of values.
  static void copy(const T* from, std::size_t n, Element* to) { copy_values(from, n, to); }

  /// A line of pixels of c channels each, which are summed over.
  static void copy_pixels(const T* from, std::size_t pixels, std::size_t, std::size_t, std::size_t c, Element* to) {
    copy_values(from, pixels * c, to);
  }

  /// The first n channels of a pixel.
  static void copy_columns(const T* from, std::size_t, std::size_t, std::size_t n, Element* to) {
    copy_values(from, n, to);
  }
};

/// Two neighbours of a sum an element, for the processor's dot products.
struct PairProducts {
  using Stored = bf16;
  using Element = Bf16Pair;
  static constexpr std::size_t together = 2, cols = 2 * dot_width;
  static constexpr int rows = dot_rows;

  template <class F>
  [[gnu::always_inline]] static void with_tile(std::size_t n, const F& f) {
    if (n > static_cast<std::size_t>(dot_width)) {
      DotTile<2> tile;
      f(tile);
    } else {
      DotTile<1> tile;
      f(tile);
    }
  }

  template <class F>
  static Element element(const F& f, std::size_t i) {
    return bf16_pair(f(2 * i), f(2 * i + 1));
  }

  static void copy(const bf16* from, std::size_t n, Element* to) { std::memcpy(to, from, n * sizeof(Element)); }

  /// Each pixel beside the one `step` further on, zeros where there is none; so also the pixels of the border before
  /// the line, `border` wide.
  static void copy_pixels(const bf16* from, std::size_t pixels, std::size_t border, std::size_t step, std::size_t c,
                          Element* to) {
    const std::size_t paired = (pixels - min(pixels, step)) * c, all = pixels * c;
    for (std::size_t i = 0; i < paired; ++i) to[i] = bf16_pair(from[i], from[i + step * c]);
    for (std::size_t i = paired; i < all; ++i) to[i] = from[i].bits;
    for (std::size_t before = 1; before <= min(border, step); ++before)
      for (std::size_t i = 0; i < c && before + pixels > step; ++i)
        *(to + i - before * c) = bf16_pair(bf16(0.f), from[(step - before) * c + i]);
  }

  /// The first n channels of a pixel beside those of the next, c further on, or beside zeros if there is one pixel.
  static void copy_columns(const bf16* from, std::size_t pixels, std::size_t c, std::size_t n, Element* to) {
    if (pixels == 2)
      for (std::size_t i = 0; i < n; ++i) to[i] = bf16_pair(from[i], from[c + i]);
    else
      for (std::size_t i = 0; i < n; ++i) to[i] = from[i].bits;
  }
};

/// Whether the sums of T are taken by PairProducts.
/// @param allowed  by CpuOptions
/// @param even     whether they are sums over an even number of values
template <class T>
bool by_pairs(bool allowed, bool even) {
  return std::is_same_v<T, bf16> && allowed && even && has_bf16_products();
}

/// f(products): PairProducts or SingleProducts<T>.
template <class T, class F>
void with_products(bool pairs, const F& f) {
  if constexpr (std::is_same_v<T, bf16>)
    if (pairs) return f(PairProducts());
  f(SingleProducts<T>());
}

}  // namespace lotar::detail
