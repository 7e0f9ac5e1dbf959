#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/backend/cuda/convolution_64.hpp>
#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/pixel_grid.hpp>
#include <lotar/backend/cuda/pixel_norm.hpp>
#include <lotar/backend/cuda/stages.hpp>
#include <lotar/backend/cuda/wgmma.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/columns.hpp>

/// The gradients of the filters of convolution_64.hpp.
namespace lotar::detail {

/// The gradient of a filter [64, 3, 3, C], a part of the pixels a thread block: sums over pixels of dy's 64 channels,
/// from registers, with those of the pixels of each tap, which lie in shared memory as in Convolution64. A product is
/// of a tap, or of a row of taps of 8 channels, which lie side by side; two warpgroups share them.
/// @tparam channels  C: 64 or 8
template <unsigned channels>
struct FilterGradient64 {
  static constexpr unsigned threads = 3 * warpgroup, stages = channels == 64 ? 3 : 5;
  static constexpr unsigned size = conv_channels * 9 * channels;
  static constexpr unsigned products = channels == 64 ? 9 : 3, columns = 9 * channels / products;
  /// Two warpgroups share the products, where there are many, or else the pixels.
  static constexpr unsigned parts_of_block = channels == 64 ? 1 : 2;

  const bf16 *x, *dy;  // [N, H, W, C], [N, H, W, 64]
  PixelGrid grid;
  float* parts;       // [thread blocks times parts_of_block, 64, 3, 3, C]
  const float* norm;  // of x, [3, 64], see ConvInput; null for none, as for 8 channels
  unsigned tiles;

  FilterGradient64(const bf16* x_, const bf16* dy_, const PixelGrid& grid_, float* parts_, const float* norm_ = nullptr)
      : x(x_), dy(dy_), grid(grid_), parts(parts_), norm(norm_), tiles(grid_.tiles()) {}

  static std::size_t shared_bytes_of(const PixelGrid& grid) {
    return stages * (stage_bytes<channels>(grid) + tile_pixels * 128) + Stages<stages>::barrier_bytes;
  }
  std::size_t shared_bytes() const { return shared_bytes_of(grid); }

  __device__ unsigned x_bytes() const { return stage_bytes<channels>(grid); }
  __device__ unsigned bytes() const { return x_bytes() + tile_pixels * 128; }

  __device__ void operator()(std::uint32_t memory) const {
    const Stages<stages> ring{memory, bytes(), memory + stages * bytes()};
    if (threadIdx.x == 0) ring.begin(warpgroup, 2 * warpgroup);
    __syncthreads();
    const unsigned thread = threadIdx.x % warpgroup, group = threadIdx.x / warpgroup;
    if (group == 2) {
      fewer_registers<load_registers>();
      load(ring, thread);
    } else {
      more_registers<multiply_registers>();
      if constexpr (parts_of_block == 2) {
        compute<0, products>(ring, group, thread);
      } else {
        constexpr unsigned half = (products + 1) / 2;
        if (group == 0)
          compute<0, half>(ring, 0, thread);
        else
          compute<half, products - half>(ring, 0, thread);
      }
    }
  }

  __device__ void load(const Stages<stages>& ring, unsigned thread) const {
    load_stages(ring, tiles, channels == 64 ? norm : nullptr, thread, [&](unsigned tile, std::uint32_t stage) {
      const auto from = [&](unsigned j) {
        const PixelPlace place(grid, tile * tile_pixels + j);
        return place.is_pixel ? place.pixel * 8 : no_pixel;
      };
      copy_pixels<conv_channels>(dy, tile_pixels, from, stage + x_bytes(), thread);
      return load_tile<channels>(grid, x, stage, tile, thread);
    });
  }

  /// Products of taps, or rows of them, from `first` on.
  template <unsigned first, unsigned count>
  __device__ void compute(const Stages<stages>& ring, unsigned part, unsigned thread) const {
    constexpr unsigned at_once = channels == 64 ? 2 : 4, steps = tile_pixels / 16 / parts_of_block;
    const unsigned lane = thread % 32, warp = thread / 32, row = lane / 16 * 8 + lane % 8;
    const std::uint32_t begin = part * steps * 16;  // the first pixel
    float sums[count][columns / 2] = {};
    unsigned i = 0;
    for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x, ++i) {
      const std::uint32_t stage = ring.stage(i);
      const std::uint32_t pixels = stage + begin * channels * 2;
      const std::uint32_t gradients = stage + x_bytes() + (begin + row) * 128 + swizzled(row, 2 * warp + lane / 8 % 2);
      ring.wait_until_filled(i);
      std::uint32_t left[at_once][4];
#pragma unroll
      for (unsigned step = 0; step < steps; ++step) {
        std::uint32_t(&fragment)[4] = left[step % at_once];
        if (step >= at_once) wait_for_products<at_once - 1>();
        load_transposed(fragment, gradients + step * 16 * 128);
        begin_products();
#pragma unroll
        for (unsigned p = 0; p < count; ++p) {
          const unsigned tap = first + p;
          if constexpr (channels == 64)
            multiply_64x64(sums[p], fragment,
                           descriptor_of_rows(pixels + (step * 16 + tap / 3 * grid.pitch() + tap % 3) * 128));
          else
            multiply_64x24(sums[p], fragment,
                           descriptor_of_core_matrices(pixels + (step * 16 + tap * grid.pitch()) * 16, 8 * 16, 16));
        }
        end_products();
      }
      for (auto& sum : sums) products_done(sum);
      ring.was_read(i);
    }
    float* const to = parts + (std::size_t{blockIdx.x} * parts_of_block + part) * size + first * columns;
#pragma unroll
    for (unsigned p = 0; p < count; ++p)
#pragma unroll
      for (unsigned j = 0; j < columns / 8; ++j)
#pragma unroll
        for (unsigned half = 0; half < 2; ++half)
          *reinterpret_cast<float2*>(to + (warp * 16 + half * 8 + lane / 4) * 9 * channels + p * columns + j * 8 +
                                     lane % 4 * 2) = {sums[p][4 * j + 2 * half], sums[p][4 * j + 2 * half + 1]};
  }
};

/// to = the sum of the parts + beta to, of the first `kept` of each `channels`; a strip of values a block.
struct AddFilterParts {
  static constexpr unsigned most_threads = 128;
  static constexpr std::size_t strip = 32;
  Columns<float> parts;  // [count, 64, 3, 3, channels]
  std::size_t count, channels, kept;
  double beta;
  float* to;

  Work work() const { return {count * strip / Columns<float>::width, scratch_size<float>(strip)}; }
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t item) const {
    const std::size_t first = item * strip;
    float* const sums = block.template scratch<float>(strip);
    block.sum_columns(count, strip, Columns<float>{parts.from + first, parts.cols}, sums);
    block.for_each(strip, [&](std::size_t i) {
      const std::size_t at = (first + i) / channels, c = (first + i) % channels;
      if (c < kept) add_scaled(sums[i], beta, to[at * kept + c]);
    });
  }
};

}  // namespace lotar::detail
