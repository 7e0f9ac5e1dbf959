#pragma once

#include <cstddef>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/random.hpp>

namespace lotar {
namespace detail {

/// The brightness of a colour (ITU-R 601-2, with the digits that torchvision keeps).
LOTAR_FN inline float luma(float r, float g, float b) { return 0.2989f * r + 0.587f * g + 0.114f * b; }

}  // namespace detail

/// Makes an image grey, in three equal channels, with a probability.
///
/// @cost   5 flops a pixel.
/// @source Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020, appendix A.
struct Grayscale {
  double probability = 0.2;

  struct Parameters {
    bool gray = false;
  };

  /// @throws ConfigError if the probability is not in [0, 1].
  void check(ImageSize) const { detail::check_probability("Grayscale", probability); }

  LOTAR_FN Parameters draw(Random& random, ImageSize) const {
    return {random.bernoulli(static_cast<float>(probability))};
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    if (!parameters.gray) return;
    float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
    block.for_each(image.size.pixels(), [=](std::size_t i) { r[i] = g[i] = b[i] = detail::luma(r[i], g[i], b[i]); });
  }
};

}  // namespace lotar
