#pragma once

#include <cstddef>
#include <cstring>
#include <utility>

#include <lotar/backend/cpu/tile.hpp>

namespace lotar::detail {

/// Exchanges blocks of Half lanes between two registers: the low ones of each pair of blocks go to
/// one, the high ones to the other.
template <int Half, class Vector, int... I>
[[gnu::always_inline]] inline void exchange(Vector& low, Vector& high, std::integer_sequence<int, I...>) {
  constexpr int width = sizeof...(I);
  const Vector a = low, b = high;
  low = __builtin_shufflevector(a, b, ((I & Half) ? width + I - Half : I)...);
  high = __builtin_shufflevector(a, b, ((I & Half) ? width + I : I + Half)...);
}

template <int Half, int Width, class Vector>
[[gnu::always_inline]] inline void transpose_stages(Vector (&rows)[Width]) {
  if constexpr (Half > 0) {
    unrolled<Width>([&](auto i) __attribute__((always_inline)) {
      if constexpr ((i & Half) == 0) exchange<Half>(rows[i], rows[i + Half], std::make_integer_sequence<int, Width>{});
    });
    transpose_stages<Half / 2>(rows);
  }
}

/// Transposes a square of as many lines as a register has lanes: to[p][l] = from[l][p].
/// @param lines  how many there are, at most a square's; the others are zeros
template <class T, std::size_t Bytes = simd_bytes>
void transpose_square(const T* from, std::size_t stride, std::size_t lines, T* to, std::size_t to_stride) {
  using Vector = typename Simd<T, Bytes>::type;
  constexpr int width = Simd<T, Bytes>::width;
  Vector rows[width];
  for (std::size_t l = 0; l < width; ++l) {
    rows[l] = Vector{};
    if (l < lines) std::memcpy(&rows[l], from + l * stride, sizeof(Vector));
  }
  transpose_stages<width / 2>(rows);
  for (std::size_t p = 0; p < width; ++p) std::memcpy(to + p * to_stride, &rows[p], sizeof(Vector));
}

}  // namespace lotar::detail
