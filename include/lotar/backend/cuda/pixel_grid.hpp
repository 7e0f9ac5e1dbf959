#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/factors.hpp>
#include <lotar/backend/cuda/mma.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/view.hpp>

/// The order of images' pixels in which 3x3 convolutions by wgmma compute and load them: one after the other, with a
/// zero row before each image and a zero column before each row, so that the pixels of a tap are those of another from
/// a later one on. They are cut in tiles.
namespace lotar::detail {

inline constexpr unsigned tile_pixels = 256;

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

inline PixelGrid pixel_grid(const Extents<4>& x) {
  return {static_cast<unsigned>(x[0]), static_cast<unsigned>(x[1]), static_cast<unsigned>(x[2])};
}

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

/// Of a warpgroup's threads each copies no more than 32 pieces of 8 channels to a stage.
template <unsigned channels>
inline constexpr unsigned most_stage_pixels = 32 * warpgroup / (channels / 8);
/// Pixels of a stage: a tile's and those up to the last tap of its last; and their bytes, so
/// that the next stage may follow.
__host__ __device__ inline unsigned stage_pixels(const PixelGrid& grid) { return tile_pixels + 2 * grid.pitch() + 2; }
template <unsigned channels>
__host__ __device__ unsigned stage_bytes(const PixelGrid& grid) {
  return (stage_pixels(grid) * channels * 2 + 1023) / 1024 * 1024;
}
inline constexpr std::uint32_t no_pixel = ~0u;

/// Where a thread of a warpgroup's i-th piece of 8 channels lies in a stage, of the 32 pixels from `first` on that its
/// warp copies at a time.
template <unsigned channels>
struct PixelPiece {
  static constexpr unsigned pieces = channels / 8;
  unsigned number, piece;  // from the first pixel on; of a pixel
  __device__ PixelPiece(unsigned i, unsigned thread)
      : number((i * 32 + thread % 32) / pieces), piece(thread % pieces) {}
  __device__ std::uint32_t at(std::uint32_t stage, unsigned first) const {
    return stage + (first + number) * channels * 2 + (pieces == 8 ? swizzled(number, piece) : 0);
  }
};

/// Pixels to rows of a stage, by a warpgroup.
/// @param from  of a pixel's number: the piece of x that it begins with, or no_pixel for zeros
/// @param count  at most most_stage_pixels
/// @return       which of the thread's pieces are no zeros, a bit each
template <unsigned channels, class F>
__device__ std::uint32_t copy_pixels(const bf16* x, unsigned count, const F& from, std::uint32_t to, unsigned thread) {
  constexpr unsigned pieces = channels / 8;
  std::uint32_t copied = 0, bit = 1;
  for (unsigned first = thread / 32 * 32; first < count; first += warpgroup) {
    const std::uint32_t mine = from(first + thread % 32);
#pragma unroll
    for (unsigned i = 0; i < pieces; ++i, bit <<= 1) {
      const PixelPiece<channels> place(i, thread);
      const std::uint32_t begin = __shfl_sync(0xFFFFFFFFu, mine, static_cast<int>(place.number));
      const bool read = begin != no_pixel, inside = first + place.number < count;
      if (inside) copy_16_bytes(place.at(to, first), x + std::size_t{read ? begin + place.piece : 0} * 8, read);
      if (inside && read) copied |= bit;
    }
  }
  return copied;
}

/// The pixels that the taps of a tile's results read, by a warpgroup.
/// @return  as copy_pixels
template <unsigned channels>
__device__ std::uint32_t load_tile(const PixelGrid& grid, const bf16* x, std::uint32_t to, unsigned tile,
                                   unsigned thread) {
  const auto from = [&](unsigned i) {
    const PixelPlace at(grid, tile * tile_pixels + i);
    const bool is_pixel = at.row > 0 && at.col > 0 && at.image < grid.images;
    return is_pixel ? (at.pixel - grid.width - 1) * (channels / 8) : no_pixel;
  };
  return copy_pixels<channels>(x, stage_pixels(grid), from, to, thread);
}

}  // namespace lotar::detail
