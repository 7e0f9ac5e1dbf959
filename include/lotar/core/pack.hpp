#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/core/bf16.hpp>
#include <lotar/core/config.hpp>

/// Neighbours in memory that are read and written at once: a GPU's threads reach its
/// bandwidth by 16 bytes each, not by 2.
namespace lotar {

/// The values of T in 16 bytes.
template <class T>
inline constexpr std::size_t pack_width = 16 / sizeof(T);

/// n neighbours, of a multiple of 16 bytes.
template <class T, std::size_t n>
struct Pack {
  static_assert(n * sizeof(T) % 16 == 0);
  T values[n];

  LOTAR_FN const T& operator[](std::size_t i) const { return values[i]; }
  LOTAR_FN T& operator[](std::size_t i) { return values[i]; }
};

/// The same values as sums are kept.
template <class T, std::size_t n>
LOTAR_FN inline Pack<Accum<T>, n> to_accum(const Pack<T, n>& pack) {
  Pack<Accum<T>, n> values;
  for (std::size_t k = 0; k < n; ++k) values[k] = static_cast<Accum<T>>(pack[k]);
  return values;
}

namespace detail {

/// 16 bytes of anything.
struct __attribute__((may_alias, aligned(16))) PackWords {
  std::uint32_t words[4];
};

}  // namespace detail

/// @param from  aligned to 16 bytes
template <std::size_t n, class T>
LOTAR_FN inline Pack<T, n> load_pack(const T* from) {
  detail::PackWords words[n * sizeof(T) / 16];
  for (std::size_t i = 0; i < n * sizeof(T) / 16; ++i) words[i] = reinterpret_cast<const detail::PackWords*>(from)[i];
  Pack<T, n> pack;
  __builtin_memcpy(&pack, words, sizeof(pack));
  return pack;
}

/// @param to  aligned to 16 bytes
template <class T, std::size_t n>
LOTAR_FN inline void store_pack(const Pack<T, n>& pack, T* to) {
  detail::PackWords words[n * sizeof(T) / 16];
  __builtin_memcpy(words, &pack, sizeof(pack));
  for (std::size_t i = 0; i < n * sizeof(T) / 16; ++i) reinterpret_cast<detail::PackWords*>(to)[i] = words[i];
}

/// Whether each of these is aligned to 16 bytes, or null.
template <class... T>
LOTAR_FN inline bool are_aligned(const T*... arrays) {
  return ((reinterpret_cast<std::uintptr_t>(arrays) | ...) & 15) == 0;
}

/// Two values, such as two sums that are taken at once; or two packs of them.
template <class V>
struct Pair {
  V first, second;
};

/// A kernel f(r, c) that a backend may run `width` columns at a time, where their number is a multiple of width and
/// f.is_aligned(): f.columns(c), for c a multiple of width, reads what depends on the columns alone, and returns a
/// function of the row; f.columns(c)(r) is f(r, c) to f(r, c + width - 1). For Block::sum_columns it returns
/// Pack<T, width>, or Pair<Pack<T, width>>.
template <class F>
concept WideKernel = requires(const F& f, std::size_t i) {
  { F::width } -> std::convertible_to<std::size_t>;
  f.columns(i)(i);
  { f.is_aligned() } -> std::same_as<bool>;
};

namespace detail {

template <class T, std::size_t width>
struct ColumnPack {
  using type = Pack<T, width>;
};
template <class T>
struct ColumnPack<T, 1> {
  using type = T;
};

}  // namespace detail

/// What Block::sum_columns is given at a time for sums of T: of so many columns, for one output or two.
template <class T, std::size_t width, std::size_t outputs>
using ColumnValues = std::conditional_t<outputs == 1, typename detail::ColumnPack<T, width>::type,
                                        Pair<typename detail::ColumnPack<T, width>::type>>;

/// f over groups of columns: (r, group).
template <WideKernel F>
struct Wide {
  F f;
  LOTAR_FN void operator()(std::size_t r, std::size_t group) const { f.columns(group * F::width)(r); }
};

/// Whether a loop over columns may run in groups.
template <WideKernel F>
LOTAR_FN bool is_wide(std::size_t cols, const F& f) {
  return cols % F::width == 0 && f.is_aligned();
}

/// For Block::sum_columns, g by packs where it may be, else by single columns: f(width, groups, columns), with the
/// width as std::integral_constant, and columns(group)(r) the values of row r in a group.
template <class G, class F>
LOTAR_FN void by_column_groups(std::size_t cols, const G& g, const F& f) {
  if constexpr (WideKernel<G>)
    if (is_wide(cols, g))
      return f(std::integral_constant<std::size_t, G::width>(), cols / G::width,
               [&](std::size_t group) { return g.columns(group * G::width); });
  f(std::integral_constant<std::size_t, 1>(), cols,
    [&](std::size_t c) { return [&g, c](std::size_t r) { return g(r, c); }; });
}

}  // namespace lotar
