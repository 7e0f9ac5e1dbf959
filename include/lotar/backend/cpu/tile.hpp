#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include <lotar/core/config.hpp>

namespace lotar::detail {

#if defined(__AVX512F__)
inline constexpr std::size_t simd_bytes = 64;
inline constexpr int tile_rows = 12;
#elif defined(__AVX__)
inline constexpr std::size_t simd_bytes = 32;
inline constexpr int tile_rows = 6;
#else
inline constexpr std::size_t simd_bytes = 16;
inline constexpr int tile_rows = 6;
#endif

/// As many T as one vector register holds. What depends on the registers has Bytes among its template parameters: so
/// translation units that were compiled for different processors do not share it.
template <class T, std::size_t Bytes = simd_bytes>
struct Simd {
  typedef T type __attribute__((vector_size(Bytes)));
  static constexpr int width = Bytes / sizeof(T);
};

/// Columns of the widest tile: two registers.
template <class T>
inline constexpr std::size_t tile_cols = 2 * Simd<T>::width;

/// f(0), ..., f(N - 1) with constant arguments, so that arrays they index live in registers at any level of
/// optimisation.
template <int N, class F>
[[gnu::always_inline]] inline void unrolled(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, I>{}), ...);
  }
  (std::make_integer_sequence<int, N>{});
}

/// out = alpha values + beta out; beta = 0 does not read what was there.
template <class T, class Out>
[[gnu::always_inline]] inline void store_scaled(const T* values, std::size_t n, T alpha, T beta, Out* out) {
  if (beta == T(0))
    for (std::size_t c = 0; c < n; ++c) out[c] = static_cast<Out>(alpha * values[c]);
  else
    for (std::size_t c = 0; c < n; ++c) out[c] = static_cast<Out>(alpha * values[c] + beta * static_cast<T>(out[c]));
}

/// out = beta out; beta = 0 does not read what was there.
template <class T, class Out>
void scale(std::size_t n, T beta, Out* out) {
  for (std::size_t c = 0; c < n; ++c) out[c] = static_cast<Out>(beta == T(0) ? T(0) : beta * static_cast<T>(out[c]));
}

/// A tile of a matrix product that stays in registers: Rows rows by Vectors registers of columns.
///
/// Each element is one sum over k in order, so its bits depend on neither the tile's place nor the number of threads.
template <class T, int Vectors, std::size_t Bytes = simd_bytes, int Rows = tile_rows>
class Tile {
 public:
  using Vector = typename Simd<T, Bytes>::type;
  static constexpr int width = Simd<T, Bytes>::width, rows = Rows;

  /// Adds the product over `depth` steps of a(row, k) and row k of b, whose rows lie b_stride elements apart.
  template <class A>
  [[gnu::always_inline]] inline void multiply(std::size_t depth, const A& a, const T* b, std::size_t b_stride) {
    Vector sum[Rows][Vectors];
    std::memcpy(sum, sum_, sizeof(sum));
    for (std::size_t k = 0; k < depth; ++k) {
      Vector row[Vectors];
      unrolled<Vectors>([&](auto v) __attribute__((always_inline)) {
        std::memcpy(&row[v], b + k * b_stride + v * width, sizeof(Vector));
      });
      unrolled<Rows>([&](auto m) __attribute__((always_inline)) {
        const T factor = a(static_cast<int>(m), k);
        unrolled<Vectors>([&](auto v) __attribute__((always_inline)) { sum[m][v] += factor * row[v]; });
      });
    }
    std::memcpy(sum_, sum, sizeof(sum));
  }

  /// All rows and columns to memory, rows `stride` elements apart.
  [[gnu::always_inline]] inline void store(T* out, std::size_t stride) const {
    unrolled<Rows>([&](auto m) __attribute__((always_inline)) {
      std::memcpy(out + static_cast<std::size_t>(m) * stride, sum_[m], sizeof(sum_[m]));
    });
  }

  /// Adds all rows and columns to memory, likewise.
  [[gnu::always_inline]] inline void add_to(T* out, std::size_t stride) const {
    unrolled<Rows>([&](auto m) __attribute__((always_inline)) {
      unrolled<Vectors>([&](auto v) __attribute__((always_inline)) {
        Vector sum;
        std::memcpy(&sum, out + static_cast<std::size_t>(m) * stride + v * width, sizeof(Vector));
        sum += sum_[m][v];
        std::memcpy(out + static_cast<std::size_t>(m) * stride + v * width, &sum, sizeof(Vector));
      });
    });
  }

  /// The first `cols` columns of row m: out = alpha sum + beta out; beta = 0 does not read what was there.
  template <class Out>
  [[gnu::always_inline]] inline void store_row(int m, std::size_t cols, T alpha, T beta, Out* out) const {
    constexpr std::size_t all = Vectors * width;
    T values[all];
    std::memcpy(values, sum_[m], sizeof(values));
    if (cols == all)
      store_scaled(values, all, alpha, beta, out);
    else
      store_scaled(values, cols, alpha, beta, out);
  }

 private:
  Vector sum_[Rows][Vectors] = {};
};

/// Calls f with a Tile of the fewest registers that hold `cols` columns. f is to be inlined always, as a lambda with
/// that attribute is: a tile passed on by reference lies in memory.
template <class T, int Rows = tile_rows, class F, std::size_t Bytes = simd_bytes>
[[gnu::always_inline]] inline void with_tile(std::size_t cols, const F& f) {
  if (cols > static_cast<std::size_t>(Simd<T, Bytes>::width)) {
    Tile<T, 2, Bytes, Rows> tile;
    f(tile);
  } else {
    Tile<T, 1, Bytes, Rows> tile;
    f(tile);
  }
}

/// Likewise, of the fewest thirds of tile_rows that hold `rows`. A third divides a vector's width.
template <class T, class F, std::size_t Bytes = simd_bytes>
[[gnu::always_inline]] inline void with_tile(std::size_t rows, std::size_t cols, const F& f) {
  constexpr int third = tile_rows / 3;
  static_assert(tile_rows % 3 == 0 && Simd<T, Bytes>::width % third == 0);
  if (rows <= third)
    with_tile<T, third>(cols, f);
  else if (rows <= 2 * third)
    with_tile<T, 2 * third>(cols, f);
  else
    with_tile<T>(cols, f);
}

}  // namespace lotar::detail
