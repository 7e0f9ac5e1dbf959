#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/nt_xent_tile.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/math.hpp>

/// NT-Xent by tensor cores, with no similarity in memory: a thread block keeps rows and passes over columns, as
/// FlashAttention does. Factors are sums of two halves, of whose four products the least is left out, so a product is
/// off by 2^-20 of its factors at most; tensor cores cut the bits that their sums of at most 24 products [16, 8, 16]
/// lose, 2^-23 of the sum for each: a cosine is off by 4e-6 at most. Gradients are summed further in floats.
///
/// @source Dao et al., FlashAttention, NeurIPS 2022; Ootomo and Yokota, Recovering single precision accuracy from tensor
/// cores while surpassing the FP32 theoretical peak performance, IJHPCA 2022 (two halves; sums outside of the cores).
namespace lotar::detail {

/// A thread block of f, which gets its shared memory.
template <class F>
__global__ void __launch_bounds__(nt_xent_threads, 2) nt_xent_kernel(const __grid_constant__ F f) {
  extern __shared__ __align__(128) std::byte shared_tiles[];
  f(shared_tiles);
}

/// The similarity of what a denominator leaves out.
inline constexpr float left_out = -static_cast<float>(__builtin_inf());

/// The largest cosine that an anchor's denominator has in a part of the columns, and the sum of exp(s_ab - s) there, with
/// s of that cosine. The cosine is multiplied by the factors' magnitudes.
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
    const float scale = inverse_temperature[0] * nt_xent_cosine, scale2 = scale * 0x1.715476p0f;  // log2 e
    Tile::template copy<nt_xent_rows>(rows, halves, first);
    Tile::template copy<nt_xent_columns>(columns, halves, begin);
    copies_done();
    __syncthreads();

    constexpr unsigned steps = width / 16;
    LeftFragment a[steps][2][2];
#pragma unroll
    for (unsigned step = 0; step < steps; ++step) load_left<width>(a[step], Tile::left(rows, warp_row), step);
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
        load_right<width>(b, right + other, step);
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

/// Row blocks x parts. The coefficients are multiplied by a power of 2 that makes the largest value of a block's matrix one
/// for which halves have exponents enough: no more than 2^-36 of it is lost of any.
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
    constexpr float log2e = 0x1.715476p0f;
    const unsigned lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 * 32;
    const unsigned first = blockIdx.x * nt_xent_rows, row = first + warp_row;
    const unsigned begin = blockIdx.y * span, end = min(begin + span, anchors.count);
    const std::uint32_t rows = shared_address(shared), columns = rows + nt_xent_rows * Tile::row_bytes;
    const float* const facts = reinterpret_cast<const float*>(shared + facts_at);
    Tile::template copy<nt_xent_rows>(rows, halves, first);
    copy_columns(columns, rows + facts_at, begin);

    const float power = coefficient_power(shared + facts_at + facts_bytes, first, begin, end);
    const float scale2 = inverse_temperature[0] * nt_xent_cosine * log2e;
    float logs[4], weights[4];
#pragma unroll
    for (unsigned slot = 0; slot < 4; ++slot) {
      const unsigned r = row + 8 * slot + lane / 4;
      logs[slot] = r < anchors.count ? log_sum_exp[r] * log2e : 0;
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
        load_left<width>(a, left, step);
        load_right<width>(b, right + odd * tile_bytes, step);
        tile.add(a, b);
      }

      // cosines become ds_ab, but for the temperature
      const float* const column_logs = facts + odd * 2 * nt_xent_columns;
      tile.for_each([&](unsigned slot, unsigned c, float& value) {
        const float s = value, log_b = column_logs[c] * log2e, weight_b = column_logs[nt_xent_columns + c] * power;
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

  /// A power of 2 with 2^12 <= the largest coefficient times it < 2^13, of those that the block's rows and columns have.
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

template <class F>
void launch_nt_xent(const char* call, CudaStream& stream, const NtXentCut& cut, const F& f) {
  check(cudaFuncSetAttribute(nt_xent_kernel<F>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(F::shared_bytes)),
        "cudaFuncSetAttribute");
  launch(call, stream.get(), nt_xent_kernel<F>, dim3(cut.row_blocks, cut.parts), dim3(nt_xent_threads), F::shared_bytes,
         f);
}

inline unsigned halves_width(std::size_t cols) { return cols <= 32 ? 32 : cols <= 64 ? 64 : 128; }

/// f with the width of rows of halves, as a constant.
template <class F>
void with_halves_width(std::size_t cols, const F& f) {
  const unsigned width = halves_width(cols);
  if (width == 32)
    f(std::integral_constant<unsigned, 32>());
  else if (width == 64)
    f(std::integral_constant<unsigned, 64>());
  else
    f(std::integral_constant<unsigned, 128>());
}

inline std::size_t padded_rows(std::size_t rows) { return (rows + nt_xent_rows - 1) / nt_xent_rows * nt_xent_rows; }

/// How many words nt_xent_forward keeps of unit rows for nt_xent_backward; 0 if these are not for rows of this shape.
inline std::size_t nt_xent_halves(std::size_t rows, std::size_t cols) {
  constexpr std::size_t most_rows = std::size_t{1} << 30;  // their numbers are unsigned
  if (rows == 0 || rows > most_rows || cols == 0 || cols > 128 || cols % 16 != 0) return 0;
  return padded_rows(rows) * halves_width(cols);
}

/// @see Cuda::nt_xent_forward
template <class Memory>
void nt_xent_forward(CudaStream& stream, const View<const float, 2, Memory>& u, const float* inverse_temperature,
                     bool only_negatives, std::uint32_t* halves, float* positives, float* log_sum_exp, float* losses) {
  const std::size_t m = u.extent(0), cols = u.extent(1);
  const NtXentCut cut(m);
  const auto results = stream.allocate<NtXentPart>(cut.parts * m);
  with_halves_width(cols, [&](auto width) {
    launch_loop(stream.get(), padded_rows(m), width / 2, SplitRows{u.data, m, cols, width, halves});
    launch_nt_xent("nt_xent_forward", stream, cut,
                   NtXentForward<width>{halves,
                                        inverse_temperature,
                                        {static_cast<unsigned>(m)},
                                        cut.span,
                                        only_negatives,
                                        positives,
                                        results.get()});
  });
  launch_loop(stream.get(), m,
              NtXentMerge{results.get(), cut.parts, m, inverse_temperature, positives, log_sum_exp, losses});
}

/// @see Cuda::nt_xent_backward
template <class Memory>
void nt_xent_backward(CudaStream& stream, const std::uint32_t* halves, const float* inverse_temperature,
                      bool only_negatives, const float* log_sum_exp, const float* coefficients,
                      const float* of_positives, const View<float, 2, Memory>& du) {
  const std::size_t m = du.extent(0), cols = du.extent(1);
  const NtXentCut cut(m);
  const bool whole = cut.parts == 1;
  const auto results = stream.allocate<float>(whole ? 0 : cut.parts * du.size());
  with_halves_width(cols, [&](auto width) {
    launch_nt_xent("nt_xent_backward", stream, cut,
                   NtXentBackward<width>{halves,
                                         inverse_temperature,
                                         {static_cast<unsigned>(m)},
                                         cut.span,
                                         static_cast<unsigned>(cols),
                                         only_negatives,
                                         log_sum_exp,
                                         coefficients,
                                         of_positives,
                                         whole ? du.data : results.get()});
  });
  if (!whole) launch_loop(stream.get(), du.size(), NtXentMergeBackward{results.get(), cut.parts, du.size(), du.data});
}

}  // namespace lotar::detail
