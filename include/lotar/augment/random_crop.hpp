#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Surrounds an image with black and cuts a part of one size out of that; every place is as likely as any other.
///
/// @cost   one copy of the output.
/// @source Krizhevsky, Sutskever and Hinton, ImageNet classification with deep convolutional neural networks, 2012; the
///         padding is that of Lee et al., Deeply-supervised nets, 2015.
struct RandomCrop {
  std::size_t height = 0, width = 0;  ///< 0: the image's own
  std::size_t padding = 4;            ///< pixels on each side

  struct Parameters {
    std::size_t top = 0, left = 0;  ///< within the padded image
  };

  /// @throws ConfigError if the padding is above 2^15; ShapeError if the output is larger than the padded image.
  void check(ImageSize in) const {
    if (padding > 1 << 15)
      throw ConfigError("RandomCrop: padding must be at most 32768, got " + std::to_string(padding));
    const ImageSize out = output(in), padded{in.height + 2 * padding, in.width + 2 * padding};
    if (out.height > padded.height || out.width > padded.width)
      throw ShapeError("RandomCrop: padded images must be at least " + to_string(out) + ", got " + to_string(padded));
  }
  Footprint footprint(ImageSize in) const { return {output(in), max(in.pixels(), output(in).pixels()), 0}; }

  LOTAR_FN Parameters draw(Random& random, ImageSize in) const {
    const ImageSize out = output(in);
    Parameters p;
    p.top = random.index(static_cast<std::uint32_t>(in.height + 2 * padding - out.height + 1));
    p.left = random.index(static_cast<std::uint32_t>(in.width + 2 * padding - out.width + 1));
    return p;
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    const ImageSize in = image.size, out = output(in);
    const std::size_t top = parameters.top - padding, left = parameters.left - padding;  // modulo 2^64
    const float* const from = image.pixels;
    float* const to = image.spare;
    for (std::size_t c = 0; c < 3; ++c)
      block.for_each(out.height, out.width, [=](std::size_t y, std::size_t x) {
        const bool inside = y + top < in.height && x + left < in.width;
        to[c * out.pixels() + y * out.width + x] =
            inside ? from[c * in.pixels() + (y + top) * in.width + x + left] : 0.f;
      });
    image.take_spare(out);
  }

 private:
  LOTAR_FN ImageSize output(ImageSize in) const {
    return {height == 0 ? in.height : height, width == 0 ? in.width : width};
  }
};

}  // namespace lotar
