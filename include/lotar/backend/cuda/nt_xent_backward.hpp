#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/nt_xent_tile.hpp>
#include <lotar/core/math.hpp>

/// The gradient of NT-Xent, see nt_xent.hpp.
namespace lotar::detail {

/// Row blocks x parts. The coefficients are multiplied by a power of 2 that makes the largest value of a block's matrix
/// one for which halves have exponents enough: no more than 2^-36 of it is lost of any.
template <unsigned width>
struct NtXentBackward {
  const std::uint32_t* halves;
  const float* inverse_temperature;
  AnchorPairs anchors;
  unsigned span, cols;
  bool only_negatives;
  const float *log_sum_exp, *coefficients, *of_positives;
  float* results;  // [parts, 2N, cols]

  using Tile = HalvesTile<width>;
  /// Columns as halves, then the logs of their sums, then their coefficients.
  static constexpr unsigned tile_bytes = nt_xent_columns * Tile::row_bytes;
  static constexpr unsigned facts_bytes = 2 * nt_xent_columns * sizeof(float);
  static constexpr unsigned facts_at = nt_xent_rows * Tile::row_bytes + 2 * tile_bytes;
  static constexpr unsigned shared_bytes = facts_at + 2 * facts_bytes;

  __device__ void operator()(std::byte* shared) const {
    const unsigned lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 32;
    const unsigned first = blockIdx.x * nt_xent_rows, row = first + warp_row;
    const unsigned begin = blockIdx.y * span, end = min(begin + span, anchors.count);
    const std::uint32_t rows = shared_address(shared), columns = rows + nt_xent_rows * Tile::row_bytes;
    const float* const facts = reinterpret_cast<const float*>(shared + facts_at);
    Tile::template copy<nt_xent_rows>(rows, halves, first);
    copy_columns(columns, rows + facts_at, begin);

    const float power = coefficient_power(shared + facts_at + facts_bytes, first, begin, end);
    const float scale2 = inverse_temperature[0] * nt_xent_cosine * log2_e;
    float logs[4], weights[4];
#pragma unroll
    for (unsigned slot = 0; slot < 4; ++slot) {
      const unsigned r = row + 8 * slot + lane / 4;
      logs[slot] = r < anchors.count ? log_sum_exp[r] * log2_e : 0;
      weights[slot] = r < anchors.count ? coefficients[r] * power : 0;
    }
    const std::uint32_t left = Tile::left(rows, warp_row), right = Tile::right(columns, 0),
                        transposed = Tile::left(columns, 0);

    SumFragment sums[2][width / 8] = {};
    for (unsigned column = begin, odd = 0; column < end; column += nt_xent_columns, odd ^= 1) {
      copies_done();
      __syncthreads();  // for others' copies, and until others have read what the next overwrites
      if (column + nt_xent_columns < end)
        copy_columns(columns + (odd ^ 1) * tile_bytes, rows + facts_at + (odd ^ 1) * facts_bytes,
                     column + nt_xent_columns);
      WarpTile tile;
#pragma unroll
      for (unsigned step = 0; step < width / 16; ++step) {
        LeftFragment a[2][2];
        RightFragments b[2][2];
        load_factors<width>(a, left, step);
        load_factors<width>(b, right + odd * tile_bytes, step);
        tile.add(a, b);
      }

      // cosines become ds_ab, but for the temperature
      const float* const column_logs = facts + odd * 2 * nt_xent_columns;
      tile.for_each([&](unsigned slot, unsigned c, float& value) {
        const float s = value, log_b = column_logs[c] * log2_e, weight_b = column_logs[nt_xent_columns + c] * power;
        value = weights[slot] * exp2_near(fma(s, scale2, -logs[slot])) + weight_b * exp2_near(fma(s, scale2, -log_b));
      });
      if (anchors.are_in(row, column))
        tile.for_each([&](unsigned slot, unsigned c, float& value) {
          const unsigned r = row + 8 * slot + lane / 4;
          c += column;
          if (c == r || c >= anchors.count) value = 0;
          if (c != anchors.positive(r) || r >= anchors.count) return;
          if (only_negatives) value = 0;
          value -= of_positives[r] * power + of_positives[c] * power;
        });
      add_gradient(sums, tile, transposed + odd * tile_bytes);
    }

    const float unscale = inverse_temperature[0] / nt_xent_magnitude / power;
#pragma unroll
    for (unsigned n = 0; n < width / 8; ++n)
#pragma unroll
      for (unsigned slot = 0; slot < 4; ++slot) {
        const unsigned r = row + 8 * slot + lane / 4, c = 8 * n + lane % 4 * 2;
        if (r >= anchors.count || c >= cols) continue;
        float* const to = results + (std::size_t{blockIdx.y} * anchors.count + r) * cols + c;
#pragma unroll
        for (unsigned j = 0; j < 2; ++j) to[j] = sums[slot / 2][n].values[slot % 2 * 2 + j] * unscale;
      }
  }

  __device__ void copy_columns(std::uint32_t to, std::uint32_t facts_to, unsigned column) const {
    Tile::template copy<nt_xent_columns>(to, halves, column);
    if (threadIdx.x >= 2 * nt_xent_columns) return;
    const unsigned c = column + threadIdx.x % nt_xent_columns;
    const float* const from = threadIdx.x < nt_xent_columns ? log_sum_exp : coefficients;
    copy_float(facts_to + threadIdx.x * 4, from + min(c, anchors.count - 1), c < anchors.count);
  }

  /// A power of 2 with 2^12 <= the largest coefficient times it < 2^13, of those that the
  /// block's rows and columns have.
  __device__ float coefficient_power(std::byte* scratch, unsigned first, unsigned begin, unsigned end) const {
    float most = 0;
    const auto look = [&](unsigned from, unsigned to) {
#pragma unroll 8
      for (unsigned i = from + threadIdx.x; i < to; i += nt_xent_threads)
        most = fmaxf(most, fmaxf(fabsf(coefficients[i]), fabsf(of_positives[i])));
    };
    look(first, min(first + nt_xent_rows, anchors.count));
    look(begin, end);
    for (unsigned step = 1; step < 32; step *= 2) most = fmaxf(most, __shfl_xor_sync(0xFFFFFFFFu, most, step));
    float* const warps = reinterpret_cast<float*>(scratch);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = most;
    __syncthreads();
    most = fmaxf(fmaxf(warps[0], warps[1]), fmaxf(warps[2], warps[3]));
    const unsigned exponent = bits_as<std::uint32_t>(most) >> 23;  // plus 127
    return power_of_two<float>(12 + 127 - max(exponent, 27u));
  }

  /// sums += ds u: a tile's sums are what a left factor is of two steps.
  __device__ static void add_gradient(SumFragment (&sums)[2][width / 8], const WarpTile& tile, std::uint32_t columns) {
    LeftFragment a[2][2][2];
#pragma unroll
    for (unsigned step = 0; step < 2; ++step)
#pragma unroll
      for (unsigned i = 0; i < 2; ++i)
#pragma unroll
        for (unsigned word = 0; word < 4; ++word) {
          const float* const pair = tile.sums[i][2 * step + word / 2].values + word % 2 * 2;
          split_pair(pair[0], pair[1], a[step][0][i].words[word], a[step][1][i].words[word]);
        }
#pragma unroll
    for (unsigned n = 0; n < width / 16; ++n) {
      SumFragment part[2][2] = {};
#pragma unroll
      for (unsigned step = 0; step < 2; ++step) {
        RightFragments b[2];
#pragma unroll
        for (unsigned half = 0; half < 2; ++half)
          load_transposed(b[half].words, Tile::at(columns, 16 * step, half * width / 16 + n));
#pragma unroll
        for (unsigned product = 0; product < 3; ++product)
#pragma unroll
          for (unsigned j = 0; j < 2; ++j)
#pragma unroll
            for (unsigned i = 0; i < 2; ++i) multiply_add(part[i][j], a[step][product == 0][i], b[product == 1], j);
      }
#pragma unroll
      for (unsigned j = 0; j < 2; ++j)
#pragma unroll
        for (unsigned i = 0; i < 2; ++i)
#pragma unroll
          for (unsigned k = 0; k < 4; ++k) sums[i][2 * n + j].values[k] += part[i][j].values[k];
    }
  }
};

/// f(i): the parts' gradients together, in order.
struct NtXentMergeBackward {
  const float* results;
  unsigned parts;
  std::size_t size;
  float* du;
  __device__ void operator()(std::size_t i) const {
    float sum = results[i];
    for (unsigned p = 1; p < parts; ++p) sum += results[p * size + i];
    du[i] = sum;
  }
};

}  // namespace lotar::detail
