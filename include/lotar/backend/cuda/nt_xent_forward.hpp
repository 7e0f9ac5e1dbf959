#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/nt_xent_tile.hpp>
#include <lotar/core/math.hpp>

/// NT-Xent's losses, see nt_xent.hpp.
namespace lotar::detail {

/// The similarity of what a denominator leaves out.
inline constexpr float left_out = -static_cast<float>(__builtin_inf());

/// The largest cosine that an anchor's denominator has in a part of the columns, and the sum of exp(s_ab - s) there,
/// with s of that cosine. The cosine is multiplied by the factors' magnitudes.
struct NtXentPart {
  float top, sum;
};

/// Row blocks x parts.
template <unsigned width>
struct NtXentForward {
  const std::uint32_t* halves;
  const float* inverse_temperature;
  AnchorPairs anchors;
  unsigned span;
  bool only_negatives;
  float* positives;
  NtXentPart* results;  // [parts, 2N]

  using Tile = HalvesTile<width>;
  static constexpr unsigned tile_bytes = nt_xent_columns * Tile::row_bytes;
  static constexpr unsigned shared_bytes = nt_xent_rows * Tile::row_bytes + 2 * tile_bytes;

  __device__ void operator()(std::byte* shared) const {
    const unsigned lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 32;
    const unsigned first = blockIdx.x * nt_xent_rows, row = first + warp_row;
    const unsigned begin = blockIdx.y * span, end = min(begin + span, anchors.count);
    const std::uint32_t rows = shared_address(shared), columns = rows + nt_xent_rows * Tile::row_bytes;
    const float scale = inverse_temperature[0] * nt_xent_cosine, scale2 = scale * log2_e;
    Tile::template copy<nt_xent_rows>(rows, halves, first);
    Tile::template copy<nt_xent_columns>(columns, halves, begin);
    copies_done();
    __syncthreads();

    constexpr unsigned steps = width / 16;
    LeftFragment a[steps][2][2];
#pragma unroll
    for (unsigned step = 0; step < steps; ++step) load_factors<width>(a[step], Tile::left(rows, warp_row), step);
    const std::uint32_t right = Tile::right(columns, 0);

    float tops[4], lane_sums[4] = {};
    for (float& top : tops) top = left_out;
    for (unsigned column = begin, other = 0; column < end; column += nt_xent_columns, other ^= tile_bytes) {
      if (column > begin) {
        copies_done();
        __syncthreads();  // for others' copies, and until others have read what the next overwrites
      }
      if (column + nt_xent_columns < end)
        Tile::template copy<nt_xent_columns>(columns + (other ^ tile_bytes), halves, column + nt_xent_columns);
      WarpTile cosines;
#pragma unroll
      for (unsigned step = 0; step < steps; ++step) {
        RightFragments b[2][2];
        load_factors<width>(b, right + other, step);
        cosines.add(a[step], b);
      }
      if (anchors.are_in(row, column))
        cosines.for_each([&](unsigned slot, unsigned c, float& cosine) {
          const unsigned r = row + 8 * slot + lane / 4, positive = anchors.positive(r);
          c += column;
          if (c == positive && r < anchors.count) positives[r] = product(scale, cosine);
          if (c == r || c >= anchors.count || (only_negatives && c == positive)) cosine = left_out;
        });
      float before[4];
#pragma unroll
      for (unsigned slot = 0; slot < 4; ++slot) before[slot] = tops[slot];
      cosines.for_each([&](unsigned slot, unsigned, float& cosine) { tops[slot] = fmaxf(tops[slot], cosine); });
      float bases[4];
#pragma unroll
      for (unsigned slot = 0; slot < 4; ++slot) {
        bases[slot] = finite_base(tops[slot]);
        lane_sums[slot] *= exp2_near((before[slot] - bases[slot]) * scale2);
      }
      cosines.for_each([&](unsigned slot, unsigned, float& cosine) {
        lane_sums[slot] += exp2_near((cosine - bases[slot]) * scale2);
      });
    }

#pragma unroll
    for (unsigned slot = 0; slot < 4; ++slot) {
      float top = tops[slot], sum = lane_sums[slot];
#pragma unroll
      for (unsigned step = 1; step < 4; step *= 2) {  // over the lanes of the row
        const float top2 = __shfl_xor_sync(0xFFFFFFFFu, top, step), sum2 = __shfl_xor_sync(0xFFFFFFFFu, sum, step);
        const float both = fmaxf(top, top2), base = finite_base(both);
        sum = sum * exp2_near((top - base) * scale2) + sum2 * exp2_near((top2 - base) * scale2);
        top = both;
      }
      const unsigned r = row + 8 * slot + lane / 4;
      if (lane % 4 == 0 && r < anchors.count) results[std::size_t{blockIdx.y} * anchors.count + r] = {top, sum};
    }
  }

  /// Where all terms so far are left out, they are 0 by any base.
  __device__ static float finite_base(float top) { return top == left_out ? 0 : top; }
};

/// f(anchor): its parts together, in order.
struct NtXentMerge {
  const NtXentPart* results;
  unsigned parts;
  std::size_t count;
  const float* inverse_temperature;
  const float* positives;
  float *log_sum_exp, *losses;

  __device__ void operator()(std::size_t a) const {
    const float scale = inverse_temperature[0] * nt_xent_cosine;
    float top = left_out, sum = 0;
    for (unsigned p = 0; p < parts; ++p) top = fmaxf(top, results[p * count + a].top);
    for (unsigned p = 0; p < parts; ++p) {
      const NtXentPart part = results[p * count + a];
      sum += part.sum * exp((part.top - top) * scale);
    }
    const float highest = product(scale, top), rest = log(sum);
    log_sum_exp[a] = highest + rest;
    losses[a] = (highest - positives[a]) + rest;
  }
};

}  // namespace lotar::detail
