#pragma once

#include <cstddef>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Exchanges left and right with a probability.
///
/// @cost one copy of the image.
struct HorizontalFlip {
  double probability = 0.5;

  struct Parameters {
    bool flip = false;
  };

  /// @throws ConfigError if the probability is not in [0, 1].
  void check(ImageSize) const { detail::check_probability("HorizontalFlip", probability); }

  LOTAR_FN Parameters draw(Random& random, ImageSize) const {
    return {random.bernoulli(static_cast<float>(probability))};
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    if (!parameters.flip) return;
    const std::size_t width = image.size.width;
    const float* const from = image.pixels;
    float* const to = image.spare;
    block.for_each(3 * image.size.height, width,
                   [=](std::size_t y, std::size_t x) { to[y * width + x] = from[y * width + (width - 1 - x)]; });
    image.take_spare(image.size);
  }
};

}  // namespace lotar
