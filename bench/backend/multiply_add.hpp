#pragma once

#include <cstddef>
#include <cstring>

#include <lotar/backend/cpu/dot_tile.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/core/bf16.hpp>

// Multiply-adds that stay in registers. There are as many sums as registers hold beside what is added to them, so that
// every unit that adds has one to go on with while others are not finished.

/// Multiply-adds of floats, in the widest registers that the compiler knows of.
struct SingleAdds {
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int registers = 24;  // of 32
#else
  static constexpr int registers = 12;  // of 16
#endif
  static constexpr std::size_t products = 1;  // that are added to a sum in a step
  static constexpr std::size_t sums = registers * lotar::detail::Simd<float>::width;

  /// to = to * one + one, `steps` times
  static void run(std::size_t steps, float one, float* to) {
    lotar::detail::Simd<float>::type sum[registers];
    std::memcpy(sum, to, sizeof(sum));
    for (std::size_t step = 0; step < steps; ++step)
#pragma GCC unroll 24
      for (int i = 0; i < registers; ++i) sum[i] = sum[i] * one + one;
    std::memcpy(to, sum, sizeof(sum));
  }
};

#if defined(__x86_64__)

/// Those of pairs of bf16, where lotar::detail::has_bf16_products().
struct PairAdds {
  static constexpr int registers = 24;
  static constexpr std::size_t products = 2;
  static constexpr std::size_t sums = registers * lotar::detail::dot_width;

  /// to += one * one + one * one, `steps` times
  [[gnu::target("avx512f,avx512bf16")]] static void run(std::size_t steps, float one, float* to) {
    const auto half = static_cast<lotar::bf16>(one);
    const auto pair =
        reinterpret_cast<__m512bh>(_mm512_set1_epi32(static_cast<int>(lotar::detail::bf16_pair(half, half))));
    __m512 sum[registers];
    std::memcpy(sum, to, sizeof(sum));
    for (std::size_t step = 0; step < steps; ++step)
#pragma GCC unroll 24
      for (int i = 0; i < registers; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], pair, pair);
    std::memcpy(to, sum, sizeof(sum));
  }
};

#else

using PairAdds = SingleAdds;

#endif
