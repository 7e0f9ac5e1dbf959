#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/tile.hpp>

/// Winograd's F(4x4, 3x3): 4x4 outputs of a 3x3 filter over a 6x6 tile d by 36 products instead of 144,
///
///     y = A' [(G g G') . (B' d B)] A,
///
/// and the filter's gradient, the adjoint in g: dg = G' [(A dy A') . (B' d B)] G. Polynomials are evaluated at the
/// points 0, +-3/4, +-3/2 and infinity. The entries of A and B are exact in a float, and the rounding errors of a
/// convolution are about a quarter of those that the usual points 0, +-1, +-2 leave.
///
/// @source  Lavin and Gray 2016, arXiv:1509.09308, section 4; on the choice of points Barabasz et al. 2020,
///          arXiv:1803.10986.
namespace lotar::detail {

inline constexpr int winograd_outputs = 4, winograd_inputs = 6, winograd_products = 36;

/// Products by one of the matrices, of vectors of channels.
template <std::size_t Bytes = simd_bytes>
struct WinogradMatrices {
  using Vector = typename Simd<float, Bytes>::type;
  static constexpr float a = .75f, b = 1.5f, a2 = a * a, b2 = b * b;
  /// The columns of G: its rows are divided by the products of the differences between their point and the others.
  static constexpr float g0 = 1 / (a2 * b2);
  static constexpr float ga0 = 1 / (2 * a2 * (a2 - b2)), ga1 = ga0 * a, ga2 = ga0 * a2;
  static constexpr float gb0 = 1 / (2 * b2 * (b2 - a2)), gb1 = gb0 * b, gb2 = gb0 * b2;
  static constexpr float filter[6][3] = {{g0, 0, 0},      {ga0, ga1, ga2},  {ga0, -ga1, ga2},
                                         {gb0, gb1, gb2}, {gb0, -gb1, gb2}, {0, 0, 1}};  ///< G

  /// v = B' d
  struct Input {
    static constexpr int from = 6, to = 6;
    [[gnu::always_inline]] static inline void apply(const Vector (&d)[6], Vector (&v)[6]) {
      const Vector even_a = d[4] - b2 * d[2], odd_a = d[3] - b2 * d[1];
      const Vector even_b = d[4] - a2 * d[2], odd_b = d[3] - a2 * d[1];
      v[0] = d[4] - (a2 + b2) * d[2] + a2 * b2 * d[0];
      v[1] = even_a + a * odd_a;
      v[2] = even_a - a * odd_a;
      v[3] = even_b + b * odd_b;
      v[4] = even_b - b * odd_b;
      v[5] = d[5] - (a2 + b2) * d[3] + a2 * b2 * d[1];
    }
  };

  /// u = G g
  struct Filter {
    static constexpr int from = 3, to = 6;
    [[gnu::always_inline]] static inline void apply(const Vector (&g)[3], Vector (&u)[6]) {
      const Vector even_a = ga0 * g[0] + ga2 * g[2], even_b = gb0 * g[0] + gb2 * g[2];
      u[0] = g0 * g[0];
      u[1] = even_a + ga1 * g[1];
      u[2] = even_a - ga1 * g[1];
      u[3] = even_b + gb1 * g[1];
      u[4] = even_b - gb1 * g[1];
      u[5] = g[2];
    }
  };

  /// y = A' m
  struct Output {
    static constexpr int from = 6, to = 4;
    [[gnu::always_inline]] static inline void apply(const Vector (&m)[6], Vector (&y)[4]) {
      const Vector even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
      y[0] = m[0] + even_a + even_b;
      y[1] = a * odd_a + b * odd_b;
      y[2] = a2 * even_a + b2 * even_b;
      y[3] = a2 * a * odd_a + b2 * b * odd_b + m[5];
    }
  };

  /// dm = A dy
  struct OutputGradient {
    static constexpr int from = 4, to = 6;
    [[gnu::always_inline]] static inline void apply(const Vector (&y)[4], Vector (&m)[6]) {
      const Vector even_a = y[0] + a2 * y[2], odd_a = y[1] + a2 * y[3];
      const Vector even_b = y[0] + b2 * y[2], odd_b = y[1] + b2 * y[3];
      m[0] = y[0];
      m[1] = even_a + a * odd_a;
      m[2] = even_a - a * odd_a;
      m[3] = even_b + b * odd_b;
      m[4] = even_b - b * odd_b;
      m[5] = y[3];
    }
  };

  /// dg = G' du
  struct FilterGradient {
    static constexpr int from = 6, to = 3;
    [[gnu::always_inline]] static inline void apply(const Vector (&u)[6], Vector (&g)[3]) {
      const Vector even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
      g[0] = g0 * u[0] + ga0 * even_a + gb0 * even_b;
      g[1] = ga1 * odd_a + gb1 * odd_b;
      g[2] = ga2 * even_a + gb2 * even_b + u[5];
    }
  };
};

/// The product by a matrix from the left and by its transpose from the right, of a small image of vectors.
/// @param load   load(i, j, vector): the vector at row i and column j; called up to twice for each, the second time
///               after some of the result is stored
/// @param store  store(i, j, vector), likewise, once for each
template <class Matrix, class Load, class Store, std::size_t Bytes = simd_bytes>
[[gnu::always_inline]] inline void winograd_transform(const Load& load, const Store& store) {
  using Vector = typename Simd<float, Bytes>::type;
  // Half of the rows at a time, or all three of them: at most 18 vectors between the two
  // products, which 32 registers hold.
  constexpr int parts = Matrix::to % 2 == 0 ? 2 : 1, rows = Matrix::to / parts;
  unrolled<parts>([&](auto part) __attribute__((always_inline)) {
    constexpr int first = part * rows;
    Vector half[rows][Matrix::from];
    unrolled<Matrix::from>([&](auto j) __attribute__((always_inline)) {
      Vector in[Matrix::from], out[Matrix::to];
      unrolled<Matrix::from>([&](auto i) __attribute__((always_inline)) { load(int(i), int(j), in[i]); });
      Matrix::apply(in, out);
      unrolled<rows>([&](auto i) __attribute__((always_inline)) { half[i][j] = out[first + i]; });
    });
    unrolled<rows>([&](auto i) __attribute__((always_inline)) {
      Vector out[Matrix::to];
      Matrix::apply(half[i], out);
      unrolled<Matrix::to>([&](auto j) __attribute__((always_inline)) { store(first + i, int(j), out[j]); });
    });
  });
}

/// The first n of a vector's values from memory, n <= its width; zeros behind them. All: n is the width.
template <bool All, class T, class Vector>
[[gnu::always_inline]] inline void load_channels(const T* from, std::size_t n, Vector& to) {
  constexpr std::size_t width = sizeof(Vector) / sizeof(float);
  if constexpr (All && std::is_same_v<T, float>) {
    std::memcpy(&to, from, sizeof(Vector));
  } else {
    float values[width] = {};
    for (std::size_t i = 0; i < (All ? width : n); ++i) values[i] = static_cast<float>(from[i]);
    std::memcpy(&to, values, sizeof(Vector));
  }
}

/// Rounds the first n of a vector's values to memory, plus beta times what is there; beta = 0 does not read that.
template <bool All, class T, class Vector>
[[gnu::always_inline]] inline void store_channels(const Vector& from, std::size_t n, float beta, T* to) {
  constexpr std::size_t width = sizeof(Vector) / sizeof(float);
  Vector sum = from;
  if (beta != 0) {
    Vector old;
    load_channels<All>(to, n, old);
    sum += beta * old;
  }
  if constexpr (All && std::is_same_v<T, float>) {
    std::memcpy(to, &sum, sizeof(Vector));
  } else {
    float values[width];
    std::memcpy(values, &sum, sizeof(Vector));
    for (std::size_t i = 0; i < (All ? width : n); ++i) to[i] = static_cast<T>(values[i]);
  }
}

/// f(channel, n, All) for vectors of n channels that cover `channels`; All is a constant: whether n is the width.
template <class F, std::size_t Bytes = simd_bytes>
[[gnu::always_inline]] inline void for_each_vector(std::size_t channels, const F& f) {
  constexpr std::size_t width = Simd<float, Bytes>::width;
  std::size_t c = 0;
  for (; c + width <= channels; c += width) f(c, width, std::true_type());
  if (c < channels) f(c, channels - c, std::false_type());
}

}  // namespace lotar::detail
