#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/pixel_grid.hpp>
#include <lotar/backend/cuda/pixel_norm.hpp>
#include <lotar/backend/cuda/result_sums.hpp>
#include <lotar/backend/cuda/stages.hpp>
#include <lotar/backend/cuda/wgmma.hpp>
#include <lotar/core/bf16.hpp>

/// 3x3 convolutions of stride 1 and padding 1 of bf16 to 64 channels, as Hopper's tensor cores like them: a network's
/// first and those of its first stage, where it has most pixels and fewest channels.
///
/// A product is of the filter, whose 64 rows are the channels of the result, with a column for each of 256 pixels; its
/// factors are read from shared memory: the filter, which stays there, 2 KiB, and pixels, 8 KiB, in the 128 cycles that
/// the product takes, of the 16 KiB that could be. Of the results, those at pixel_grid.hpp's zeros are left out, 6 %
/// for images of 32 x 32.
namespace lotar::detail {

inline constexpr unsigned conv_channels = 64;  // of the result
/// Warpgroups that multiply, each a tile of its own, one while the other stores.
inline constexpr unsigned conv_multipliers = 2;
/// With one that loads.
inline constexpr unsigned conv_threads = (conv_multipliers + 1) * warpgroup;
/// Bytes of 8 channels of the filter's rows.
inline constexpr unsigned filter_plane = conv_channels * 16;

/// The row of a product's left factor that is a channel: so that a thread, which has rows 2 q, 2 q + 1, 8 + 2 q and
/// 9 + 2 q of 16 of a pixel once they are transposed, has four channels side by side.
__host__ __device__ constexpr unsigned product_row(unsigned channel) {
  return channel / 16 * 16 + channel % 4 / 2 * 8 + channel % 16 / 4 * 2 + channel % 2;
}

/// A convolution of 64 channels.
/// @tparam turned  the gradient of the input from that of the output, which is a convolution by the filter turned by
///                 180 degrees, with in and out exchanged
template <bool turned>
struct Taps64 {
  static constexpr bool takes_norm = !turned;  // of x
  static constexpr bool takes_turns = true;    // whether the products of a warpgroup wait for the other's
  static constexpr unsigned channels = 64, stages = 3, filter_bytes = 9 * 8 * filter_plane;
  const bf16 *x, *filter;  // [N, H, W, 64], [64, 3, 3, 64]
  PixelGrid grid;
  const float* norm = nullptr;  // [3, 64], see ConvInput; null for none

  /// Planes [tap][8 channels c][64 k]: of the filter's 8 c of each k. Rows of products are k, or c where it is turned.
  __device__ void load_filter(std::uint32_t to, unsigned thread) const {
    for (unsigned i = thread; i < 9 * 8 * conv_channels; i += conv_threads) {
      // A warp's are of four neighbouring places and of eight k: those whose rows are neighbours, so that no two lanes
      // store to a bank at once; where the filter is turned, neighbours themselves, and two do.
      const unsigned lane = i % 32, group = i / 32 % 8, place = i / 256 * 4 + lane / 8;  // of a k's 72: [tap][8 c]
      const unsigned k = turned ? group * 8 + lane % 8 : group / 2 * 16 + group % 2 * 2 + lane % 8 / 2 * 4 + lane % 2;
      const unsigned c = place % 8 * 8;
      const uint4 eight = *reinterpret_cast<const uint4*>(filter + (k * 72 + place) * 8);
      const std::uint32_t tap = to + place / 8 * 8 * filter_plane;
      if constexpr (!turned) {
        store_shared(tap + c / 8 * filter_plane + product_row(k) * 16, eight);
      } else {
        const unsigned words[] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) {
          const unsigned row = product_row(c + 2 * j);
          store_shared(tap + row / 8 * filter_plane + k * 16 + row % 8 * 2, words[j]);
        }
      }
    }
  }
  __device__ void multiply(float (&sums)[tile_pixels / 2], std::uint32_t filter_at, std::uint32_t stage) const {
#pragma unroll
    for (unsigned tap = 0; tap < 9; ++tap) {
      const std::uint32_t taken = filter_at + (turned ? 8 - tap : tap) * 8 * filter_plane;
#pragma unroll
      for (unsigned step = 0; step < 4; ++step) {
        const std::uint64_t left =
            turned ? descriptor_of_core_matrices(taken + step * 16 * 16, 8 * 16, filter_plane)
                   : descriptor_of_core_matrices(taken + step * 2 * filter_plane, filter_plane, 8 * 16);
        const std::uint32_t right = stage + (tap / 3 * grid.pitch() + tap % 3) * 128 + step * 32;
        multiply_64x256<turned>(sums, left, descriptor_of_rows(right), tap + step > 0);
      }
    }
  }
};

/// A convolution of 8 channels. A step of a product takes those of two taps, as if they were planes.
struct Taps8 {
  static constexpr bool takes_norm = false, takes_turns = false;
  static constexpr unsigned channels = 8, stages = 8, filter_bytes = 10 * filter_plane;
  const bf16 *x, *filter;  // [N, H, W, 8], [64, 3, 3, 8]
  PixelGrid grid;

  /// Planes [tap][64 k], and one of zeros.
  __device__ void load_filter(std::uint32_t to, unsigned thread) const {
    for (unsigned i = thread; i < 10 * conv_channels; i += conv_threads) {
      const unsigned k = i / 10, tap = i % 10;
      const uint4 eight = tap < 9 ? *reinterpret_cast<const uint4*>(filter + (k * 9 + tap) * 8) : uint4{};
      store_shared(to + tap * filter_plane + product_row(k) * 16, eight);
    }
  }
  __device__ void multiply(float (&sums)[tile_pixels / 2], std::uint32_t filter_at, std::uint32_t stage) const {
#pragma unroll
    for (unsigned tap = 0; tap < 9; tap += 2) {
      const unsigned next = tap == 8 ? 0 : tap % 3 == 2 ? grid.pitch() - 2 : 1;  // in pixels; of zeros, the same ones
      multiply_64x256<false>(
          sums, descriptor_of_core_matrices(filter_at + tap * filter_plane, filter_plane, 8 * 16),
          descriptor_of_core_matrices(stage + (tap / 3 * grid.pitch() + tap % 3) * 16, next * 16, 8 * 16), tap > 0);
    }
  }
};

/// y = the convolution, + y if it is to be added to, in tiles of 256 pixels; and sums of y as it is stored, of those in
/// result_sums.hpp.
template <class Taps, bool add, class Sums = NoSums>
struct Convolution64 {
  static constexpr unsigned threads = conv_threads;
  Taps taps;
  bf16* y;  // [N, H, W, 64]
  Sums sums;
  unsigned tiles;

  Convolution64(const Taps& from, bf16* to, const Sums& sums_ = {})
      : taps(from), y(to), sums(sums_), tiles(from.grid.tiles()) {}

  static std::size_t shared_bytes_of(const PixelGrid& grid) {
    return Taps::filter_bytes + Taps::stages * stage_bytes<Taps::channels>(grid) + Stages<Taps::stages>::barrier_bytes;
  }
  std::size_t shared_bytes() const { return shared_bytes_of(taps.grid); }

  /// Addresses in shared memory.
  struct Shared {
    std::uint32_t filter;
    Stages<Taps::stages> stages;
  };

  __device__ void operator()(std::uint32_t memory) const {
    const unsigned bytes = stage_bytes<Taps::channels>(taps.grid);
    const std::uint32_t filter = memory + Taps::stages * bytes;
    const Shared shared{filter, {memory, bytes, filter + Taps::filter_bytes}};
    taps.load_filter(shared.filter, threadIdx.x);
    if (threadIdx.x == 0) shared.stages.begin(warpgroup, warpgroup);
    __syncthreads();
    if (threadIdx.x >= conv_multipliers * warpgroup) {
      fewer_registers<load_registers>();
      load(shared, threadIdx.x % warpgroup);
    } else {
      more_registers<multiply_registers>();
      compute(shared, threadIdx.x / warpgroup, threadIdx.x % warpgroup);
    }
  }

  __device__ void load(const Shared& shared, unsigned thread) const {
    const float* norm = nullptr;
    if constexpr (Taps::takes_norm) norm = taps.norm;
    load_stages(shared.stages, tiles, norm, thread, [&](unsigned tile, std::uint32_t stage) {
      return load_tile<Taps::channels>(taps.grid, taps.x, stage, tile, thread);
    });
  }

  __device__ void compute(const Shared& shared, unsigned group, unsigned thread) const {
    // A group skips the other's fillings: its turn, or its own filling of the same stage, tells that they were read.
    static_assert(Taps::takes_turns || Taps::stages % conv_multipliers == 0);
    typename Sums::Own own(sums, thread);
    if (Taps::takes_turns && group == 1) give_turn(0);
    unsigned i = group;
    for (unsigned tile = blockIdx.x + group * gridDim.x; tile < tiles;
         tile += conv_multipliers * gridDim.x, i += conv_multipliers) {
      float products[tile_pixels / 2];
      shared.stages.wait_until_filled(i);
      if (Taps::takes_turns) wait_for_turn(group);
      begin_products();
      taps.multiply(products, shared.filter, shared.stages.stage(i));
      end_products();
      if (Taps::takes_turns && tile + gridDim.x < tiles) give_turn(1 - group);
      Results results(*this, tile, thread);
      products_done(products);
      shared.stages.was_read(i);
      store(products, results, i == group, own);
    }
    sums.finish(own, blockIdx.x * conv_multipliers + group, thread);
  }

  /// Where a tile's results go, and what is read there: known while the products are computed. A thread has 4 channels
  /// of a pixel, its neighbours 16, and a warp 8 pixels at once.
  struct Results {
    static constexpr bool reads = add || Sums::reads;
    static constexpr unsigned ahead = add ? 16 : reads ? 8 : 1;
    std::uint64_t y, from;                    // addresses in global memory
    unsigned lane, pixels[tile_pixels / 32];  // of 32 each this lane's
    uint2 there[ahead];                       // what is read of the next

    __device__ Results(const Convolution64& c, unsigned tile, unsigned thread)
        : y(global_address(c.y + result_channel(thread))), from(y), lane(thread % 32) {
      static_assert(!(add && Sums::reads));
      if constexpr (Sums::reads) from = global_address(c.sums.x + result_channel(thread));
#pragma unroll
      for (unsigned block = 0; block < tile_pixels / 32; ++block) {
        const PixelPlace at(c.taps.grid, tile * tile_pixels + block * 32 + lane);
        pixels[block] = at.is_pixel ? at.pixel : no_pixel;
        compute_now(pixels[block]);
      }
      if constexpr (reads)
#pragma unroll
        for (unsigned i = 0; i < ahead; ++i) read(i);
    }
    /// The one of the i-th 8 pixels that is this thread's.
    __device__ unsigned pixel(unsigned i) const {
      return __shfl_sync(0xFFFFFFFFu, pixels[i / 4], static_cast<int>(i % 4 * 8 + lane / 4));
    }
    __device__ static std::uint64_t offset(unsigned pixel) {
      return std::uint64_t{pixel} * (conv_channels * sizeof(bf16));
    }
    __device__ void read(unsigned i) {
      const unsigned number = pixel(i);
      uint2& to = there[i % ahead] = {};
      if (number != no_pixel) load_global(from + offset(number), to);
    }
    __device__ void write(unsigned number, const std::uint32_t (&words)[2]) const {
      store_global(y + offset(number), words[0], words[1]);
    }
  };

  /// The products, rounded, to y, and to the sums.
  __device__ void store(const float (&products)[tile_pixels / 2], Results& results, bool is_first,
                        typename Sums::Own& own) const {
#pragma unroll
    for (unsigned i = 0; i < tile_pixels / 8; ++i) {
      std::uint32_t words[2];
#pragma unroll
      for (unsigned r = 0; r < 2; ++r) {
        float first = products[i * 4 + 2 * r], second = products[i * 4 + 2 * r + 1];
        if constexpr (add) {
          const uint2& before = results.there[i % Results::ahead];
          const std::uint32_t old = transposed(r == 0 ? before.x : before.y);
          first += first_of_bf16(old);
          second += second_of_bf16(old);
        }
        words[r] = transposed(pair_of_bf16(first, second));
      }
      uint2 there{};
      if constexpr (Results::reads) {
        there = results.there[i % Results::ahead];
        if (i + Results::ahead < tile_pixels / 8) results.read(i + Results::ahead);
      }
      const unsigned to = results.pixel(i);
      const float values[4] = {first_of_bf16(words[0]), second_of_bf16(words[0]), first_of_bf16(words[1]),
                               second_of_bf16(words[1])};
      if (i == 0 && is_first) own.begin(values);
      if (to != no_pixel) {
        own.add(values, there);
        results.write(to, words);
      }
    }
  }
};

}  // namespace lotar::detail
