#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cpu/tile.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// Products of bf16 by the processor's own instruction, where it has one, whatever the program was compiled for.
namespace lotar::detail {

/// Two bf16 that are multiplied with two others, both products added to one float: the first in the low half.
using Bf16Pair = std::uint32_t;

inline Bf16Pair bf16_pair(bf16 first, bf16 second) { return Bf16Pair{second.bits} << 16 | first.bits; }

inline constexpr int dot_rows = 12, dot_width = 16;

#if defined(__x86_64__)

/// Whether the processor has AVX-512 BF16.
inline bool has_bf16_products() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
  return has;
}

/// sums [dot_rows, Vectors * dot_width] += over k < depth: a(row, k) times row k of b. A lambda in here would not be
/// compiled for this processor.
template <int Vectors, class A>
[[gnu::target("avx512f,avx512bf16")]] void add_dot_products(std::size_t depth, const A& a, const Bf16Pair* b,
                                                            std::size_t b_stride, float* sums) {
  __m512 sum[dot_rows][Vectors];
#pragma GCC unroll 12
  for (int i = 0; i < dot_rows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) sum[i][v] = _mm512_loadu_ps(sums + (i * Vectors + v) * dot_width);
  for (std::size_t k = 0; k < depth; ++k) {
    __m512bh row[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v)
      row[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(b + k * b_stride + v * dot_width));
#pragma GCC unroll 12
    for (int i = 0; i < dot_rows; ++i) {
      const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(a(i, k))));
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) sum[i][v] = _mm512_dpbf16_ps(sum[i][v], factor, row[v]);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < dot_rows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) _mm512_storeu_ps(sums + (i * Vectors + v) * dot_width, sum[i][v]);
}

#else

inline bool has_bf16_products() { return false; }

#endif

/// The same without the instruction: for tests of what is built upon it.
template <int Vectors, class A>
void add_dot_products_plainly(std::size_t depth, const A& a, const Bf16Pair* b, std::size_t b_stride, float* sums) {
  const auto half = [](Bf16Pair pair, int which) {
    return bits_as<float>(which == 0 ? pair << 16 : pair & 0xFFFF0000u);
  };
  for (std::size_t k = 0; k < depth; ++k)
    for (int i = 0; i < dot_rows; ++i)
      for (int c = 0; c < Vectors * dot_width; ++c)
        for (int which = 0; which < 2; ++which)
          sums[i * Vectors * dot_width + c] +=
              half(a(i, k), which) * half(b[k * b_stride + static_cast<std::size_t>(c)], which);
}

/// A tile of a product of pairs: see Tile.
template <int Vectors>
class DotTile {
 public:
  template <class A>
  void multiply(std::size_t depth, const A& a, const Bf16Pair* b, std::size_t b_stride) {
#if defined(__x86_64__)
    if (has_bf16_products()) return add_dot_products<Vectors>(depth, a, b, b_stride, sum_);
#endif
    add_dot_products_plainly<Vectors>(depth, a, b, b_stride, sum_);
  }

  template <class Out>
  void store_row(int m, std::size_t cols, float alpha, float beta, Out* out) const {
    store_scaled(sum_ + m * Vectors * dot_width, cols, alpha, beta, out);
  }

 private:
  alignas(64) float sum_[dot_rows * Vectors * dot_width] = {};
};

}  // namespace lotar::detail
