#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/augment/pipeline.hpp>
#include <lotar/augment/rand_augment/bytes.hpp>
#include <lotar/augment/rand_augment/color.hpp>
#include <lotar/augment/rand_augment/geometry.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Changes an image by operations of random kinds, each with a probability, all with one magnitude.
///
/// Operations are those of Pillow to the byte: the image is rounded to 8 bits, and stays so. An image to which no
/// operation is applied is left as it is.
///
/// @cost A few integer operations a pixel; 3 KiB of scratch for histograms.
/// @source Cubuk et al., RandAugment, 2020, arXiv:1909.13719, with the ranges of BCL's code.
struct RandAugment {
  static constexpr std::size_t most_operations = 8;

  std::size_t operations = 1;  ///< drawn for a view, each of any kind
  double probability = 0.5;    ///< that an operation is applied
  double magnitude = 20;       ///< in [0, 30]: from the low to the high end of each kind's range

  /// What is done to an image, and what its value means.
  enum class Kind : std::uint8_t {
    shear_x,        ///< columns a row: +-[0, 0.6]
    shear_y,        ///< rows a column: +-[0, 0.6]
    translate_x,    ///< a part of the width: +-[0, 0.66]
    translate_y,    ///< a part of the height: +-[0, 0.66]
    rotate,         ///< degrees, counter-clockwise: +-[0, 60]
    auto_contrast,  ///< channels stretched to [0, 255]
    invert,
    equalize,    ///< channels' values spread evenly
    solarize,    ///< the lowest value that is inverted: [0, 110]
    posterize,   ///< the bits that stay: [4, 8], cut off
    contrast,    ///< 1 changes nothing, here and in the next three: [0.1, 1.9]
    color,       ///< [0.1, 1.9]
    brightness,  ///< [0.1, 1.9]
    sharpness,   ///< [0.1, 1.9]
    cutout       ///< the side of a grey square, as a part of the width: [0, 0.4]
  };
  static constexpr std::uint32_t kinds = 15;

  struct Step {
    Kind kind = Kind::shear_x;
    bool apply = false;
    float value = 0;     ///< with its sign
    float x = 0, y = 0;  ///< the centre of a cutout, in pixels
  };
  struct Parameters {
    Step step[most_operations];  ///< in this order
  };

  /// @throws ConfigError if the number of operations, the probability or the magnitude is out of range; ShapeError if a
  ///         side is above 2^13.
  void check(ImageSize in) const {
    if (operations == 0 || operations > most_operations)
      throw ConfigError("RandAugment: operations must be 1 to " + std::to_string(most_operations) + ", got " +
                        std::to_string(operations));
    detail::check_probability("RandAugment", probability);
    check_within<float>("RandAugment", "magnitude", 0, 30, magnitude);
    if (in.height > 1 << 13 || in.width > 1 << 13)
      throw ShapeError("RandAugment: images must be at most 8192x8192, got " + to_string(in));
  }
  Footprint footprint(ImageSize in) const { return {in, in.pixels(), scratch_size<std::uint32_t>(3 * 256)}; }

  LOTAR_FN Parameters draw(Random& random, ImageSize size) const {
    const float p = static_cast<float>(probability), m = static_cast<float>(magnitude);
    Parameters parameters;
    for (std::size_t k = 0; k < operations; ++k) {
      Step& step = parameters.step[k];
      step.kind = static_cast<Kind>(random.index(kinds));
      step.apply = random.bernoulli(p);
      const Range range = range_of(step.kind);
      const float sign = random.bernoulli(0.5f) && step.kind <= Kind::rotate ? -1.f : 1.f;
      step.value = sign * fma(m / 30, range.high - range.low, range.low);
      step.x = random.uniform(0, static_cast<float>(size.width));
      step.y = random.uniform(0, static_cast<float>(size.height));
    }
    return parameters;
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    bool any = false;
    for (const Step& step : parameters.step) any = any || step.apply;
    if (!any) return;
    auto* const counts = block.template scratch<std::uint32_t>(3 * 256);
    detail::ByteImage bytes = detail::to_bytes(block, image);
    for (const Step& step : parameters.step)
      if (step.apply) apply_step(block, bytes, counts, step);
    detail::from_bytes(block, bytes, image);
  }

 private:
  struct Range {
    float low, high;
  };
  LOTAR_FN static Range range_of(Kind kind) {
    switch (kind) {
      case Kind::shear_x:
      case Kind::shear_y:
        return {0, 0.6f};
      case Kind::translate_x:
      case Kind::translate_y:
        return {0, 0.66f};
      case Kind::rotate:
        return {0, 60};
      case Kind::solarize:
        return {0, 110};
      case Kind::posterize:
        return {4, 8};
      case Kind::contrast:
      case Kind::color:
      case Kind::brightness:
      case Kind::sharpness:
        return {0.1f, 1.9f};
      case Kind::cutout:
        return {0, 0.4f};
      default:
        return {0, 1};
    }
  }

  /// Applies one step.
  template <class Block>
  LOTAR_FN static void apply_step(Block& block, detail::ByteImage& image, std::uint32_t* counts, const Step& step) {
    const float v = step.value;
    const double height = static_cast<double>(image.size.height), width = static_cast<double>(image.size.width);
    switch (step.kind) {
      case Kind::shear_x:
        return detail::transform(block, image, detail::shear_x(v));
      case Kind::shear_y:
        return detail::transform(block, image, detail::shear_y(v));
      case Kind::translate_x:
        return detail::transform(block, image, detail::translation(v * width, 0));
      case Kind::translate_y:
        return detail::transform(block, image, detail::translation(0, v * height));
      case Kind::rotate:
        return detail::transform(block, image, detail::rotation(v, image.size));
      case Kind::auto_contrast:
        return detail::auto_contrast(block, image, counts);
      case Kind::invert:
        return detail::invert(block, image);
      case Kind::equalize:
        return detail::equalize(block, image, counts);
      case Kind::solarize:
        return detail::solarize(block, image, v);
      case Kind::posterize:
        return detail::posterize(block, image, static_cast<int>(v));
      case Kind::contrast:
        return detail::enhance_contrast(block, image, v);
      case Kind::color:
        return detail::enhance_color(block, image, v);
      case Kind::brightness:
        return detail::enhance_brightness(block, image, v);
      case Kind::sharpness:
        return detail::enhance_sharpness(block, image, v);
      case Kind::cutout:
        return detail::cutout(block, image, v * width, step.x, step.y);
    }
  }
};

}  // namespace lotar
