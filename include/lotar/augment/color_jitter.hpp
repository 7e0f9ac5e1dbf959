#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/grayscale.hpp>
#include <lotar/augment/image.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Multiplies all channels. Like the three below, results are limited to [0, 1] and the factor 1 changes nothing.
/// @param factor  >= 0
template <class Block>
LOTAR_FN void adjust_brightness(Block& block, const Image& image, float factor) {
  float* const p = image.pixels;
  block.for_each(3 * image.size.pixels(), [=](std::size_t i) { p[i] = clamp(factor * p[i], 0.f, 1.f); });
}

/// Moves all channels away from the mean brightness of the image (factor > 1) or towards it.
/// @param factor  >= 0
template <class Block>
LOTAR_FN void adjust_contrast(Block& block, const Image& image, float factor) {
  const std::size_t n = image.size.pixels();
  const float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  const float sum = block.reduce(
      n, 0.f, [=](std::size_t i) { return detail::luma(r[i], g[i], b[i]); }, [](float x, float y) { return x + y; });
  const float rest = (1.f - factor) * (sum / static_cast<float>(n));
  float* const p = image.pixels;
  block.for_each(3 * n, [=](std::size_t i) { p[i] = clamp(factor * p[i] + rest, 0.f, 1.f); });
}

/// Moves each pixel away from its grey value (factor > 1) or towards it.
/// @param factor  >= 0
template <class Block>
LOTAR_FN void adjust_saturation(Block& block, const Image& image, float factor) {
  float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  block.for_each(image.size.pixels(), [=](std::size_t i) {
    const float rest = (1.f - factor) * detail::luma(r[i], g[i], b[i]);
    r[i] = clamp(factor * r[i] + rest, 0.f, 1.f);
    g[i] = clamp(factor * g[i] + rest, 0.f, 1.f);
    b[i] = clamp(factor * b[i] + rest, 0.f, 1.f);
  });
}

/// Turns the hue, keeping HSV's saturation and value.
/// @param turn  in [-1/2, 1/2]: 1 is all the way round
template <class Block>
LOTAR_FN void adjust_hue(Block& block, const Image& image, float turn) {
  float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  block.for_each(image.size.pixels(), [=](std::size_t i) {
    const float red = r[i], green = g[i], blue = b[i];
    const float high = max(max(red, green), blue), low = min(min(red, green), blue), chroma = high - low;
    // The hue in sixths of the circle: 0 is red, 2 green, 4 blue. Comparisons enter as 0 or 1, and angles are wrapped
    // by rounding: without conditions the loop vectorises on every processor.
    const auto is_red = static_cast<float>(high == red);
    const float is_green = (1.f - is_red) * static_cast<float>(high == green), is_blue = 1.f - is_red - is_green;
    const float ahead = is_red * (green - blue) + is_green * (blue - red) + is_blue * (red - green);
    const float hue = 2.f * is_green + 4.f * is_blue + ahead / (chroma + 1e-20f) + 6.f * turn;
    // A channel is low within one sixth of the angle opposite to its own, and rises to high in the next sixth.
    const auto channel = [=](float opposite) {
      constexpr float rounding = 0x1.8p23f;  // x + rounding - rounding is x rounded to an integer
      const float angle = hue - opposite, turns = angle * (1.f / 6.f) + rounding - rounding;
      return min(max(low + chroma * (abs(angle - 6.f * turns) - 1.f), low), high);
    };
    r[i] = channel(3.f);
    g[i] = channel(5.f);
    b[i] = channel(1.f);
  });
}

/// Changes brightness, contrast, saturation and hue, in random order, each by its own random amount.
///
/// @cost   at most some 60 flops a pixel in four passes, and one sum over the pixels.
/// @source Howard, Some improvements on deep convolutional neural network based image classification, 2013; formulas
///         as torchvision's for float images.
struct ColorJitter {
  /// Factors are uniform in [max(0, 1 - x), 1 + x].
  double brightness = 0.4, contrast = 0.4, saturation = 0.4;
  double hue = 0.1;          ///< turns are uniform in [-hue, hue]
  double probability = 0.8;  ///< that anything is changed

  struct Parameters {
    bool apply = false;
    float brightness = 1, contrast = 1, saturation = 1, hue = 0;
    std::uint8_t order[4] = {0, 1, 2, 3};  ///< of brightness 0, contrast 1, saturation 2, hue 3
  };

  /// @throws ConfigError if a strength is negative or, as a float, not finite, hue not in [0, 1/2], or the probability
  ///         not in [0, 1].
  void check(ImageSize) const {
    detail::check_probability("ColorJitter", probability);
    check_not_negative<float>("ColorJitter", "brightness", brightness);
    check_not_negative<float>("ColorJitter", "contrast", contrast);
    check_not_negative<float>("ColorJitter", "saturation", saturation);
    check_within<float>("ColorJitter", "hue", 0, 0.5, hue);
  }

  LOTAR_FN Parameters draw(Random& random, ImageSize) const {
    Parameters p;
    p.apply = random.bernoulli(static_cast<float>(probability));
    if (!p.apply) return p;
    for (std::uint32_t i = 3; i > 0; --i) {  // a uniform permutation
      const std::uint32_t j = random.index(i + 1);
      const std::uint8_t other = p.order[j];
      p.order[j] = p.order[i];
      p.order[i] = other;
    }
    p.brightness = factor(random, brightness);
    p.contrast = factor(random, contrast);
    p.saturation = factor(random, saturation);
    p.hue = random.uniform(-static_cast<float>(hue), static_cast<float>(hue));
    return p;
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& p) const {
    if (!p.apply) return;
    for (const std::uint8_t which : p.order) {
      if (which == 0 && p.brightness != 1) adjust_brightness(block, image, p.brightness);
      if (which == 1 && p.contrast != 1) adjust_contrast(block, image, p.contrast);
      if (which == 2 && p.saturation != 1) adjust_saturation(block, image, p.saturation);
      if (which == 3 && p.hue != 0) adjust_hue(block, image, p.hue);
    }
  }

 private:
  LOTAR_FN static float factor(Random& random, double strength) {
    const auto s = static_cast<float>(strength);
    return random.uniform(max(0.f, 1.f - s), 1.f + s);
  }
};

}  // namespace lotar
