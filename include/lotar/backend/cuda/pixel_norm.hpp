#pragma once

#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>
#include <lotar/backend/cuda/pixel_grid.hpp>
#include <lotar/backend/cuda/stages.hpp>
#include <lotar/core/backend.hpp>

/// How pixels come into stages: copied, and normalized there if they are to be.
namespace lotar::detail {

/// Normalizes the pieces of 64 channels that a thread of a warpgroup copied, all of the same 8: see ConvInput.
class PixelNorm {
 public:
  /// @param norm  [3, 64], or null
  __device__ PixelNorm(const float* norm, unsigned thread) {
    if (norm == nullptr) return;
#pragma unroll
    for (unsigned k = 0; k < 8; ++k) {
      const unsigned c = thread % 8 * 8 + k;
      mean_[k] = norm[c], factor_[k] = norm[64 + c], beta_[k] = norm[128 + c];
    }
  }

  /// @param copied  of copy_pixels: padding stays 0
  __device__ void apply(std::uint32_t stage, std::uint32_t copied, unsigned thread) const {
    constexpr unsigned at_once = 4;  // pieces that are computed side by side
    for (unsigned first = thread / 32 * 32; copied != 0; first += warpgroup)
#pragma unroll
      for (unsigned i = 0; i < 8; i += at_once, copied >>= at_once) {
        uint4 pieces[at_once] = {};
#pragma unroll
        for (unsigned j = 0; j < at_once; ++j)
          if (copied >> j & 1) pieces[j] = load_shared(PixelPiece<64>(i + j, thread).at(stage, first));
#pragma unroll
        for (unsigned j = 0; j < at_once; ++j) {
          const auto& [x, y, z, w] = pieces[j];
          pieces[j] = {value<0>(x), value<2>(y), value<4>(z), value<6>(w)};
        }
#pragma unroll
        for (unsigned j = 0; j < at_once; ++j)
          if (copied >> j & 1) store_shared(PixelPiece<64>(i + j, thread).at(stage, first), pieces[j]);
      }
  }

 private:
  template <unsigned k>
  __device__ std::uint32_t value(std::uint32_t pair) const {
    const auto one = [this](float x, unsigned i) { return norm_value(x, mean_[i], factor_[i], beta_[i]); };
    return pair_of_relu_bf16(one(first_of_bf16(pair), k), one(second_of_bf16(pair), k + 1));
  }

  float mean_[8], factor_[8], beta_[8];
};

/// Fills a ring's stages for the tiles of a thread block, by a warpgroup.
/// @param norm  [3, 64] for pixels of 64 channels, those of a stage normalized while the next are copied; or null
/// @param copy  copy(tile, stage) begins a tile's copies; returns what copy_pixels does of those to be normalized
template <unsigned count, class F>
__device__ void load_stages(const Stages<count>& ring, unsigned tiles, const float* norm, unsigned thread,
                            const F& copy) {
  static_assert(count >= 2, "a stage is normalized once the next one's copies began");
  const PixelNorm pixel_norm(norm, thread);
  std::uint32_t copied = 0;
  const auto fill_normalized = [&](unsigned filling) {
    pixel_norm.apply(ring.stage(filling), copied, thread);
    ring.fill(filling);
  };
  unsigned i = 0;
  for (unsigned tile = blockIdx.x; tile < tiles; tile += gridDim.x, ++i) {
    ring.wait_for_room(i);
    const std::uint32_t next = copy(tile, ring.stage(i));
    if (norm == nullptr) {
      ring.fill_by_copies(i);
      continue;
    }
    end_copies();
    if (i > 0) {
      wait_for_copies<1>();
      fill_normalized(i - 1);
    }
    copied = next;
  }
  if (norm == nullptr || i == 0) return;
  wait_for_copies<0>();
  fill_normalized(i - 1);
}

}  // namespace lotar::detail
