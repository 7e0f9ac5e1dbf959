#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/wgmma.hpp>
#include <lotar/core/bf16.hpp>

/// 3x3 convolutions of stride 1 and padding 1 of bf16 to 64 channels, as Hopper's tensor cores like them: a network's
/// first and those of its first stage, where it has most pixels and fewest channels.
///
/// A product is of the filter, whose 64 rows are the channels of the result, with a column for each of 256 pixels; its
/// factors are read from shared memory: the filter, which stays there, 2 KiB, and pixels, 8 KiB, in the 128 cycles that
/// the product takes, of the 16 KiB that could be. Pixels lie there in planes of 8 channels, one after the other in the
/// order of the images with a zero row before each image and a zero column before each row, so the pixels of a tap are
/// those of another from a later one on; of the results those of zero pixels are left out, 6 % for images of 32 x 32.
namespace lotar::detail {

inline constexpr unsigned tile_pixels = 256, warpgroup = 128, conv_channels = 64;
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

/// Divides numbers below 2^31 by a constant of at least 1.
class Divider {
 public:
  explicit Divider(unsigned by)
      : bits_(31 + static_cast<unsigned>(std::bit_width(by - 1))),
        factor_(static_cast<unsigned>(((std::uint64_t{1} << bits_) + by - 1) / by)) {}
  __device__ unsigned operator()(unsigned n) const {
    return static_cast<unsigned>(std::uint64_t{n} * factor_ >> bits_);
  }

 private:
  unsigned bits_, factor_;
};

/// The places of images' pixels in the order of rows and columns, with one more before the first of each.
struct PixelGrid {
  unsigned images, height, width;
  Divider by_pitch, by_rows;

  PixelGrid(unsigned images_, unsigned height_, unsigned width_)
      : images(images_), height(height_), width(width_), by_pitch(width_ + 1), by_rows(height_ + 1) {}
  __host__ __device__ unsigned pitch() const { return width + 1; }
  std::size_t size() const { return std::size_t{images} * (height + 1) * pitch(); }
  unsigned tiles() const { return static_cast<unsigned>((size() + tile_pixels - 1) / tile_pixels); }
};

/// A place, and the pixel of a result there; that of an image lies a row and a column before, if they are not 0.
struct PixelPlace {
  unsigned image, row, col;
  bool is_pixel;
  unsigned pixel;

  __device__ PixelPlace(const PixelGrid& grid, unsigned number) {
    const unsigned rows = grid.by_pitch(number);
    image = grid.by_rows(rows);
    row = rows - image * (grid.height + 1);
    col = number - rows * grid.pitch();
    is_pixel = image < grid.images && row < grid.height && col < grid.width;
    pixel = (rows - image) * grid.width + col;
  }
};

/// Pixels of a stage: a tile's and those up to the last tap of its last; and their bytes, so that the next stage may follow.
__host__ __device__ inline unsigned stage_pixels(const PixelGrid& grid) { return tile_pixels + 2 * grid.pitch() + 2; }
template <unsigned channels>
__host__ __device__ unsigned stage_bytes(const PixelGrid& grid) {
  return (stage_pixels(grid) * channels * 2 + 1023) / 1024 * 1024;
}
inline constexpr std::uint32_t no_pixel = ~0u;

#if LOTAR_HAS_WGMMA
/// Pixels to rows of a stage, by a warpgroup: 32 at a time by a warp.
/// @param from  of a pixel's number: the 16 bytes of x that it begins with, or no_pixel for zeros
template <unsigned channels, class F>
__device__ void copy_pixels(const bf16* x, unsigned count, const F& from, std::uint32_t to, unsigned thread) {
  constexpr unsigned parts = channels / 8;  // of 16 bytes
  const unsigned lane = thread % 32;
  for (unsigned first = thread / 32 * 32; first < count; first += warpgroup) {
    const std::uint32_t mine = from(first + lane);
#pragma unroll
    for (unsigned i = 0; i < parts; ++i) {
      const unsigned number = (i * 32 + lane) / parts, part = lane % parts;
      const std::uint32_t sixteen = __shfl_sync(0xFFFFFFFFu, mine, static_cast<int>(number));
      const bool read = sixteen != no_pixel;
      if (first + number < count)
        copy_16_bytes_or_zeros(to + (first + number) * channels * 2 + (parts == 8 ? swizzled(number, part) : 0),
                               x + std::size_t{read ? sixteen + part : 0} * 8, read);
    }
  }
}

/// The pixels that the taps of a tile's results read, by a warpgroup.
template <unsigned channels>
__device__ void load_tile(const PixelGrid& grid, const bf16* x, std::uint32_t to, unsigned tile, unsigned thread) {
  const auto from = [&](unsigned i) {
    const PixelPlace at(grid, tile * tile_pixels + i);
    const bool is_pixel = at.row > 0 && at.col > 0 && at.image < grid.images;
    return is_pixel ? (at.pixel - grid.width - 1) * (channels / 8) : no_pixel;
  };
  copy_pixels<channels>(x, stage_pixels(grid), from, to, thread);
}
#endif

/// A convolution of 64 channels.
/// @tparam turned  the gradient of the input from that of the output, which is a convolution by the filter turned by 180
///                 degrees, with in and out exchanged
template <bool turned>
struct Taps64 {
  static constexpr bool counts = !turned;    // whether moments are wanted
  static constexpr bool takes_turns = true;  // whether the products of a warpgroup wait for the other's
  static constexpr unsigned channels = 64, stages = 3, filter_bytes = 9 * 8 * filter_plane;
  const bf16 *x, *filter;  // [N, H, W, 64], [64, 3, 3, 64]
  PixelGrid grid;

#if LOTAR_HAS_WGMMA
  /// Planes [tap][8 channels c][64 k]: of the filter's 8 c of each k. Rows of products are k, or c where it is turned.
  __device__ void load_filter(std::uint32_t to, unsigned thread) const {
    for (unsigned i = thread; i < 9 * 8 * conv_channels; i += conv_threads) {
      const unsigned k = i / 72, c = i % 8 * 8;
      const uint4 eight = *reinterpret_cast<const uint4*>(filter + i * 8);
      const std::uint32_t tap = to + i % 72 / 8 * 8 * filter_plane;
      if constexpr (!turned) {
        store_words(tap + c / 8 * filter_plane + product_row(k) * 16, eight.x, eight.y, eight.z, eight.w);
      } else {
        const unsigned words[] = {eight.x, eight.y, eight.z, eight.w};
#pragma unroll
        for (unsigned j = 0; j < 4; ++j) {
          const unsigned row = product_row(c + 2 * j);
          store_word(tap + row / 8 * filter_plane + k * 16 + row % 8 * 2, words[j]);
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
        const std::uint64_t left = turned ? matrix_of_parts(taken + step * 16 * 16, 8 * 16, filter_plane)
                                          : matrix_of_parts(taken + step * 2 * filter_plane, filter_plane, 8 * 16);
        const std::uint32_t right = stage + (tap / 3 * grid.pitch() + tap % 3) * 128 + step * 32;
        multiply_64x256<turned>(sums, left, matrix_of_rows(right), tap + step > 0);
      }
    }
  }
#endif
};

/// A convolution of 8 channels. A step of a product takes those of two taps, as if they were planes.
struct Taps8 {
  static constexpr bool counts = true, takes_turns = false;
  static constexpr unsigned channels = 8, stages = 8, filter_bytes = 10 * filter_plane;
  const bf16 *x, *filter;  // [N, H, W, 8], [64, 3, 3, 8]
  PixelGrid grid;

#if LOTAR_HAS_WGMMA
  /// Planes [tap][64 k], and one of zeros.
  __device__ void load_filter(std::uint32_t to, unsigned thread) const {
    for (unsigned i = thread; i < 10 * conv_channels; i += conv_threads) {
      const unsigned k = i / 10, tap = i % 10;
      const uint4 eight = tap < 9 ? *reinterpret_cast<const uint4*>(filter + (k * 9 + tap) * 8) : uint4{};
      store_words(to + tap * filter_plane + product_row(k) * 16, eight.x, eight.y, eight.z, eight.w);
    }
  }
  __device__ void multiply(float (&sums)[tile_pixels / 2], std::uint32_t filter_at, std::uint32_t stage) const {
#pragma unroll
    for (unsigned tap = 0; tap < 9; tap += 2) {
      const unsigned next = tap == 8 ? 0 : tap % 3 == 2 ? grid.pitch() - 2 : 1;  // in pixels; of zeros, the same ones
      multiply_64x256<false>(sums, matrix_of_parts(filter_at + tap * filter_plane, filter_plane, 8 * 16),
                             matrix_of_parts(stage + (tap / 3 * grid.pitch() + tap % 3) * 16, next * 16, 8 * 16),
                             tap > 0);
    }
  }
#endif
};

/// Where the moments of the result go, a part for each warpgroup that multiplies (see ColumnMoments); null for none.
struct ConvolutionMoments {
  float *mean, *squares, *counts;  // [parts, 64], [parts, 64], [parts]
};

/// y = the convolution + y if it is to be added to, in tiles of 256 pixels.
template <class Source, bool add>
struct Convolution64 {
  static constexpr unsigned threads = conv_threads;
  Source source;
  bf16* y;  // [N, H, W, 64]
  ConvolutionMoments moments;
  unsigned tiles;

  Convolution64(const Source& from, bf16* to, const ConvolutionMoments& to_moments)
      : source(from), y(to), moments(to_moments), tiles(from.grid.tiles()) {}

  static std::size_t shared_bytes_of(const PixelGrid& grid) {
    return Source::filter_bytes + Source::stages * (stage_bytes<Source::channels>(grid) + 16);
  }
  std::size_t shared_bytes() const { return shared_bytes_of(source.grid); }

#if LOTAR_HAS_WGMMA
  struct Shared {
    std::uint32_t filter, stages, full, empty;
  };

  __device__ void operator()(std::uint32_t memory) const {
    const std::uint32_t barriers = memory + Source::stages * stage_bytes<Source::channels>(source.grid);
    const Shared shared{barriers + Source::stages * 16, memory, barriers, barriers + Source::stages * 8};
    source.load_filter(shared.filter, threadIdx.x);
    if (threadIdx.x == 0)
      for (unsigned i = 0; i < Source::stages; ++i) {
        begin_barrier(shared.full + 8 * i, warpgroup);
        begin_barrier(shared.empty + 8 * i, warpgroup);
      }
    __syncthreads();
    if (threadIdx.x >= conv_multipliers * warpgroup) {
      fewer_registers<72>();
      load(shared, threadIdx.x - conv_multipliers * warpgroup);
    } else {
      more_registers<208>();
      compute(shared, threadIdx.x / warpgroup, threadIdx.x % warpgroup);
    }
  }

  __device__ void load(const Shared& shared, unsigned thread) const {
    unsigned i = 0;
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x, ++i) {
      const unsigned stage = i % Source::stages;
      wait_for_phase(shared.empty + 8 * stage, (i / Source::stages + 1) % 2);
      load_tile<Source::channels>(source.grid, source.x,
                                  shared.stages + stage * stage_bytes<Source::channels>(source.grid), tile, thread);
      arrive_after_copies(shared.full + 8 * stage);
    }
  }

  /// Sums of a thread's four channels: of values less the first, and of their squares.
  struct Sums {
    float first[4] = {}, sum[4] = {}, squares[4] = {};
    unsigned counted = 0;
  };

  __device__ void compute(const Shared& shared, unsigned group, unsigned thread) const {
    Sums all;
    if (Source::takes_turns && group == 1) give_turn(0);
    unsigned i = group;
    for (unsigned tile = blockIdx.x + group * gridDim.x; tile < tiles;
         tile += conv_multipliers * gridDim.x, i += conv_multipliers) {
      const unsigned stage = i % Source::stages;
      float sums[tile_pixels / 2];
      wait_for_phase(shared.full + 8 * stage, i / Source::stages % 2);
      writes_for_products();
      if (Source::takes_turns) wait_for_turn(group);
      begin_products();
      source.multiply(sums, shared.filter, shared.stages + stage * stage_bytes<Source::channels>(source.grid));
      end_products();
      if (Source::takes_turns) give_turn(1 - group);
      Results results(*this, tile, thread);
      products_done();
      arrive(shared.empty + 8 * stage);
      store(sums, results, i == group, all);
    }
    if constexpr (Source::counts)
      if (moments.mean != nullptr) finish(all, blockIdx.x * conv_multipliers + group, thread);
  }

  /// Where a tile's results go, and what is there: known while the products are computed. A thread has 4 channels of a
  /// pixel, its neighbours 16, and a warp 8 pixels at once.
  struct Results {
    static constexpr unsigned ahead = add ? 16 : 1;
    std::uint64_t y;                          // an address in global memory
    unsigned lane, pixels[tile_pixels / 32];  // of 32 each this lane's
    uint2 before[ahead];                      // of the next

    __device__ Results(const Convolution64& c, unsigned tile, unsigned thread)
        : y(__cvta_generic_to_global(c.y + thread / 32 * 16 + thread % 4 * 4)), lane(thread % 32) {
#pragma unroll
      for (unsigned block = 0; block < tile_pixels / 32; ++block) {
        const PixelPlace at(c.source.grid, tile * tile_pixels + block * 32 + lane);
        pixels[block] = at.is_pixel ? at.pixel : no_pixel;
        asm volatile("" : "+r"(pixels[block]));  // now, not when it is used
      }
      if constexpr (add)
#pragma unroll
        for (unsigned i = 0; i < ahead; ++i) read(i);
    }
    /// The one of the i-th 8 pixels that is this thread's.
    __device__ unsigned pixel(unsigned i) const {
      return __shfl_sync(0xFFFFFFFFu, pixels[i / 4], static_cast<int>(i % 4 * 8 + lane / 4));
    }
    __device__ std::uint64_t address(unsigned pixel) const {
      return y + std::uint64_t{pixel} * (conv_channels * sizeof(bf16));
    }
    __device__ void read(unsigned i) {
      const unsigned from = pixel(i);
      uint2& to = before[i % ahead] = {};
      if (from != no_pixel)
        asm volatile("ld.global.v2.b32 {%0, %1}, [%2];" : "=r"(to.x), "=r"(to.y) : "l"(address(from)));
    }
    __device__ void write(unsigned to, const std::uint32_t (&words)[2]) const {
      asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(address(to)), "r"(words[0]), "r"(words[1]) : "memory");
    }
  };

  /// The sums, rounded, to y.
  __device__ void store(const float (&sums)[tile_pixels / 2], Results& results, bool is_first, Sums& all) const {
#pragma unroll
    for (unsigned i = 0; i < tile_pixels / 8; ++i) {
      std::uint32_t words[2];
#pragma unroll
      for (unsigned r = 0; r < 2; ++r) {
        float first = sums[i * 4 + 2 * r], second = sums[i * 4 + 2 * r + 1];
        if constexpr (add) {
          const uint2& before = results.before[i % Results::ahead];
          const std::uint32_t old = transposed(r == 0 ? before.x : before.y);
          first += first_of_bf16(old);
          second += second_of_bf16(old);
        }
        words[r] = transposed(pair_of_bf16(first, second));
      }
      if constexpr (add)
        if (i + Results::ahead < tile_pixels / 8) results.read(i + Results::ahead);
      const unsigned to = results.pixel(i);
      if constexpr (Source::counts) {
        const float values[4] = {first_of_bf16(words[0]), second_of_bf16(words[0]), first_of_bf16(words[1]),
                                 second_of_bf16(words[1])};
        if (i == 0 && is_first)
          for (unsigned c = 0; c < 4; ++c)
            all.first[c] = __shfl_sync(0xFFFFFFFFu, values[c], static_cast<int>(results.lane % 4));
        if (to != no_pixel) {
          ++all.counted;
#pragma unroll
          for (unsigned c = 0; c < 4; ++c) {
            const float d = values[c] - all.first[c];
            all.sum[c] += d;
            all.squares[c] += d * d;
          }
        }
      }
      if (to != no_pixel) results.write(to, words);
    }
  }

  /// The moments of a warpgroup's results: lanes l, l + 4 ... have the same channels.
  __device__ void finish(Sums& all, unsigned part, unsigned thread) const {
    for (unsigned other = 4; other < 32; other *= 2) {
      all.counted += __shfl_xor_sync(0xFFFFFFFFu, all.counted, static_cast<int>(other));
      for (unsigned c = 0; c < 4; ++c) {
        all.sum[c] += __shfl_xor_sync(0xFFFFFFFFu, all.sum[c], static_cast<int>(other));
        all.squares[c] += __shfl_xor_sync(0xFFFFFFFFu, all.squares[c], static_cast<int>(other));
      }
    }
    if (thread % 32 >= 4) return;
    const float n = static_cast<float>(all.counted);
    const unsigned to = part * conv_channels + thread / 32 * 16 + thread % 4 * 4;
    for (unsigned c = 0; c < 4; ++c) {
      const float shift = all.counted > 0 ? all.sum[c] / n : 0.f;
      moments.mean[to + c] = all.first[c] + shift;
      moments.squares[to + c] = fmaxf(fmaf(-shift, all.sum[c], all.squares[c]), 0.f);
    }
    if (thread == 0) moments.counts[part] = n;
  }
#endif
};

}  // namespace lotar::detail
