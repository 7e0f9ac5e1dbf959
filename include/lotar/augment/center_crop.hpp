#pragma once

#include <cstddef>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>

namespace lotar {

/// Cuts the middle out of an image; where the margins cannot be equal, the top or left one is the smaller.
///
/// @cost one copy of the output; nothing if the image has its size.
struct CenterCrop {
  std::size_t height = 32, width = 32;

  /// @throws ConfigError if the output has no pixel; ShapeError if it is larger than the input.
  void check(ImageSize in) const {
    detail::check_output("CenterCrop", {height, width});
    if (height > in.height || width > in.width)
      throw ShapeError("CenterCrop: images must be at least " + to_string(ImageSize{height, width}) + ", got " +
                       to_string(in));
  }
  Footprint footprint(ImageSize in) const { return {{height, width}, in.pixels(), 0}; }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image) const {
    const ImageSize in = image.size, out{height, width};
    if (in == out) return;
    const float* const from = image.pixels + (in.height - out.height) / 2 * in.width + (in.width - out.width) / 2;
    float* const to = image.spare;
    block.for_each(out.height, out.width, [=](std::size_t y, std::size_t x) {
      for (std::size_t c = 0; c < 3; ++c)
        to[c * out.pixels() + y * out.width + x] = from[c * in.pixels() + y * in.width + x];
    });
    image.take_spare(out);
  }
};

}  // namespace lotar
