#pragma once

#include <cstddef>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/number_text.hpp>

namespace lotar {

/// (x - mean) / deviation, channel by channel; by default it changes nothing.
///
/// @cost 2 flops a value.
struct Normalize {
  double mean[3] = {0, 0, 0};
  double deviation[3] = {1, 1, 1};

  /// @throws ConfigError if a mean is not finite, or a deviation not finite and positive, or so small that a pixel in
  ///         [0, 1] could become more than a float holds.
  void check(ImageSize) const {
    for (std::size_t c = 0; c < 3; ++c) {
      const auto most = static_cast<float>((1 + abs(mean[c])) / deviation[c]);
      if (!(deviation[c] > 0) || !is_finite(deviation[c]) || !is_finite(most))
        throw ConfigError("Normalize: mean and deviation must be finite, deviation > 0, and (1 + |mean|) / deviation " +
                          ("a finite float, got " + number_text(mean[c])) + " and " + number_text(deviation[c]) +
                          " for channel " + std::to_string(c));
    }
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
