#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

/// What convolutions to 64 channels sum of their results while they have them, in a part for each warpgroup that
/// multiplies. A thread has four channels of some pixels, from result_channel() on: lanes l, l + 4, ... have the same.
///
/// Each kind has Own, a thread's sums: begin(values) with its first results, be they of a pixel or not, then
/// add(values, x) for each pixel, x its four values of an array that is read along, if `reads`; and finish(), by all
/// threads, writes a part.
namespace lotar::detail {

__device__ inline unsigned result_channel(unsigned thread) { return thread / 32 * 16 + thread % 4 * 4; }

/// The sum over the lanes that have the same channels.
template <class T>
__device__ T over_lanes(T sum) {
  for (unsigned other = 4; other < 32; other *= 2) sum += __shfl_xor_sync(0xFFFFFFFFu, sum, static_cast<int>(other));
  return sum;
}

struct NoSums {
  static constexpr bool reads = false;
  struct Own {
    __device__ Own(const NoSums&, unsigned) {}
    __device__ void begin(const float (&)[4]) {}
    __device__ void add(const float (&)[4], const uint2&) {}
  };
  __device__ void finish(const Own&, unsigned, unsigned) const {}
};

/// The results' moments: see ColumnMoments.
struct ResultMoments64 {
  static constexpr bool reads = false;
  float *mean, *squares, *counts;  // [parts, 64], [parts, 64], [parts]; null for none

  /// Of values less the first, and of their squares.
  struct Own {
    float first[4] = {}, sum[4] = {}, squares[4] = {};
    unsigned lane, counted = 0;

    __device__ Own(const ResultMoments64&, unsigned thread) : lane(thread % 32) {}
    /// The first lane's, for all that have the same channels.
    __device__ void begin(const float (&values)[4]) {
      for (unsigned c = 0; c < 4; ++c) first[c] = __shfl_sync(0xFFFFFFFFu, values[c], static_cast<int>(lane % 4));
    }
    __device__ void add(const float (&values)[4], const uint2&) {
      ++counted;
#pragma unroll
      for (unsigned c = 0; c < 4; ++c) {
        const float d = values[c] - first[c];
        sum[c] += d;
        squares[c] += d * d;
      }
    }
  };

  __device__ void finish(const Own& own, unsigned part, unsigned thread) const {
    if (mean == nullptr) return;
    const unsigned counted = over_lanes(own.counted), to = part * 64 + result_channel(thread);
    const float n = static_cast<float>(counted);
    for (unsigned c = 0; c < 4; ++c) {
      const float sum = over_lanes(own.sum[c]), about_first = over_lanes(own.squares[c]);
      if (thread % 32 >= 4) continue;
      const float shift = counted > 0 ? sum / n : 0.f;
      mean[to + c] = counted > 0 ? own.first[c] + shift : 0.f;
      squares[to + c] = max(fma(-shift, sum, about_first), 0.f);
    }
    if (thread == 0) counts[part] = n;
  }
};

/// Of the gradient of a normalized x, which the results are: see NormSums.
struct NormSums64 {
  static constexpr bool reads = true;  // x
  const bf16* x;                       // [N, H, W, 64]
  const float* norm;                   // [3, 64], see ConvInput
  float *sum, *product;                // [parts, 64]

  struct Own {
    float mean[4], factor[4], beta[4], sum[4] = {}, product[4] = {};

    __device__ Own(const NormSums64& sums, unsigned thread) {
      for (unsigned c = 0; c < 4; ++c) {
        const float* const norm = sums.norm + result_channel(thread) + c;
        mean[c] = norm[0], factor[c] = norm[64], beta[c] = norm[128];
      }
    }
    __device__ void begin(const float (&)[4]) {}
    __device__ void add(const float (&values)[4], const uint2& x) {
      const float from[4] = {first_of_bf16(x.x), second_of_bf16(x.x), first_of_bf16(x.y), second_of_bf16(x.y)};
#pragma unroll
      for (unsigned c = 0; c < 4; ++c) {
        const float d = norm_value(from[c], mean[c], factor[c], beta[c]) > 0.f ? values[c] : 0.f;
        sum[c] += d;
        product[c] += d * (from[c] - mean[c]);
      }
    }
  };

  __device__ void finish(const Own& own, unsigned part, unsigned thread) const {
    const unsigned to = part * 64 + result_channel(thread);
    for (unsigned c = 0; c < 4; ++c) {
      const float all = over_lanes(own.sum[c]), all_products = over_lanes(own.product[c]);
      if (thread % 32 >= 4) continue;
      sum[to + c] = all;
      product[to + c] = all_products;
    }
  }
};

}  // namespace lotar::detail
