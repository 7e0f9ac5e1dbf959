#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/core/math.hpp>

/// How NT-Xent is cut in tiles for tensor cores, and what a warp computes of one.
namespace lotar::detail {

/// Rows of a block, 32 of them a warp's; columns that it takes at a time.
inline constexpr unsigned nt_xent_rows = 128, nt_xent_columns = 32, nt_xent_threads = 128;
/// Unit rows are multiplied by this before they are split, so that halves do not run out of exponents; and what a
/// cosine then has to be multiplied by.
inline constexpr float nt_xent_magnitude = 0x1p10f, nt_xent_cosine = 0x1p-20f;

inline constexpr float log2_e = 0x1.715476p0f;

/// How the work is cut, by the number of rows alone, so the order of sums is the same on every device.
struct NtXentCut {
  unsigned row_blocks;
  unsigned parts;     ///< of the columns, to whose sums blocks of their own come
  unsigned span = 0;  ///< columns of a part

  explicit NtXentCut(std::size_t rows) {
    constexpr unsigned at_once = 256;    // blocks, where there are 128 multiprocessors
    constexpr unsigned beginning = 2;    // what a block takes to begin and to end, in steps
    constexpr unsigned most_parts = 16;  // memory is linear in the rows
    const auto ceil_div = [](std::size_t a, std::size_t b) { return static_cast<unsigned>((a + b - 1) / b); };
    row_blocks = ceil_div(rows, nt_xent_rows);
    const unsigned steps = ceil_div(rows, nt_xent_columns);
    std::size_t least = SIZE_MAX;
    for (unsigned p = 1; p <= min(most_parts, steps); ++p) {
      const std::size_t time =
          std::size_t{ceil_div(std::size_t{row_blocks} * p, at_once)} * (ceil_div(steps, p) + beginning);
      if (time >= least) continue;
      least = time;
      span = ceil_div(steps, p) * nt_xent_columns;
    }
    parts = ceil_div(rows, span);
  }
};

/// f(row, pair of columns): the halves of u, a row's first ones and then its second ones; 0 beyond u.
struct SplitRows {
  const float* u;
  std::size_t rows, cols, width;
  std::uint32_t* halves;

  __device__ void operator()(std::size_t r, std::size_t pair) const {
    const bool inside = r < rows && 2 * pair < cols;
    const float* const from = u + r * cols + 2 * pair;
    std::uint32_t* const to = halves + r * width + pair;
    split_pair(inside ? from[0] * nt_xent_magnitude : 0, inside ? from[1] * nt_xent_magnitude : 0, to[0],
               to[width / 2]);
  }
};

/// Rows of halves in shared memory, in pieces of 16 bytes, which are permuted so that eight rows' pieces of one number
/// lie in different banks.
template <unsigned width>
struct HalvesTile {
  static constexpr unsigned pieces = 2 * width / 8, row_bytes = 16 * pieces;

  /// Copies rows from the first on.
  template <unsigned rows>
  __device__ static void copy(std::uint32_t to, const std::uint32_t* halves, unsigned first) {
    const auto* const from = reinterpret_cast<const std::byte*>(halves + std::size_t{first} * width);
    static_assert(rows * pieces % nt_xent_threads == 0);
#pragma unroll
    for (unsigned n = 0; n < rows * pieces / nt_xent_threads; ++n) {
      const unsigned i = n * nt_xent_threads + threadIdx.x, row = i / pieces;
      copy_16_bytes(to + row * row_bytes + (i % pieces ^ row % 8) * 16, from + std::size_t{i} * 16);
    }
  }

  /// What ldmatrix reads from a lane for two pieces, the first of an even number, of 16 rows, the first a
  /// multiple of 8: for a left factor whose rows these are (or the transpose of right ones), and for
  /// right ones whose columns they are.
  __device__ static std::uint32_t left(std::uint32_t tile, unsigned row) {
    const unsigned lane = threadIdx.x % 32;
    return tile + (row + lane % 16) * row_bytes + (lane / 16 ^ lane % 8) * 16;
  }
  __device__ static std::uint32_t right(std::uint32_t tile, unsigned row) {
    const unsigned lane = threadIdx.x % 32;
    return tile + (row + lane % 8 + lane / 16 * 8) * row_bytes + (lane / 8 % 2 ^ lane % 8) * 16;
  }
  /// From the address for the first two pieces to that for others; tiles begin at multiples of 128 bytes.
  __device__ static std::uint32_t at(std::uint32_t address, unsigned row, unsigned pair) {
    return (address ^ pair % 4 * 32) + pair / 4 * 128 + row * row_bytes;
  }
};

/// The sums of a warp's tile [32, 32]. A lane has four rows, a slot each: 8 slot + lane / 4.
struct WarpTile {
  SumFragment sums[2][4] = {};

  /// f(slot, column, sum) for a lane's columns, counted from the tile's first.
  template <class F>
  __device__ void for_each(const F& f) {
    const unsigned lane = threadIdx.x % 32;
#pragma unroll
    for (unsigned n = 0; n < 4; ++n)
#pragma unroll
      for (unsigned slot = 0; slot < 4; ++slot)
#pragma unroll
        for (unsigned j = 0; j < 2; ++j) f(slot, 8 * n + lane % 4 * 2 + j, sums[slot / 2][n].values[slot % 2 * 2 + j]);
  }

  /// Adds a step of 16 of the products of 32 rows and 32 columns, given in halves; the small ones first.
  __device__ void add(const LeftFragment (&a)[2][2], const RightFragments (&b)[2][2]) {
#pragma unroll
    for (unsigned product = 0; product < 3; ++product)
#pragma unroll
      for (unsigned n = 0; n < 4; ++n)
#pragma unroll
        for (unsigned i = 0; i < 2; ++i) multiply_add(sums[i][n], a[product == 0][i], b[product == 1][n / 2], n % 2);
  }
};

/// The factors of a step from a tile in shared memory, in halves: left ones are rows, right ones columns.
template <unsigned width, class Fragment>
__device__ void load_factors(Fragment (&fragments)[2][2], std::uint32_t address, unsigned step) {
#pragma unroll
  for (unsigned half = 0; half < 2; ++half)
#pragma unroll
    for (unsigned i = 0; i < 2; ++i)
      load_matrices(fragments[half][i].words, HalvesTile<width>::at(address, 16 * i, half * width / 16 + step));
}

/// Of 2N anchors.
struct AnchorPairs {
  unsigned count;

  /// The other view of the same image.
  __device__ unsigned positive(unsigned a) const { return a < count / 2 ? a + count / 2 : a - count / 2; }
  /// Whether a tile [32, 32] at multiples of 32 may have an anchor with itself or its
  /// positive, or columns beyond the last.
  __device__ bool are_in(unsigned first_row, unsigned first_column) const {
    const unsigned half = count / 2, ahead = first_column + 31 - first_row;
    return first_row == first_column || ahead - half < 63 || ahead + half < 63 || first_column + 32 > count;
  }
};

}  // namespace lotar::detail
