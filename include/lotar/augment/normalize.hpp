#pragma once

#include <cstddef>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>

namespace lotar {

/// (x - mean) / deviation, channel by channel; by default it changes nothing.
///
/// @cost 2 flops a value.
struct Normalize {
  double mean[3] = {0, 0, 0};
  double deviation[3] = {1, 1, 1};

  /// @throws ConfigError if a mean is not finite, or a deviation not finite and positive.
  void check(ImageSize) const {
    for (std::size_t c = 0; c < 3; ++c)
      if (!is_finite(mean[c]) || !is_finite(deviation[c]) || !(deviation[c] > 0))
        throw ConfigError("Normalize: mean must be finite and deviation > 0, got " + std::to_string(mean[c]) + " and " +
                          std::to_string(deviation[c]) + " for channel " + std::to_string(c));
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image) const {
    float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
    const auto scale = [this](std::size_t c) { return static_cast<float>(1 / deviation[c]); };
    const auto shift = [this](std::size_t c) { return static_cast<float>(-mean[c] / deviation[c]); };
    const float r_scale = scale(0), g_scale = scale(1), b_scale = scale(2);
    const float r_shift = shift(0), g_shift = shift(1), b_shift = shift(2);
    block.for_each(image.size.pixels(), [=](std::size_t i) {
      r[i] = r_scale * r[i] + r_shift;
      g[i] = g_scale * g[i] + g_shift;
      b[i] = b_scale * b[i] + b_shift;
    });
  }
};

/// The statistics of ImageNet's pixels, with which the reference implementations normalise CIFAR too.
inline constexpr Normalize imagenet_normalize{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};

}  // namespace lotar
