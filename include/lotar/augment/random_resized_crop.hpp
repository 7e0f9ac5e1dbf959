#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/augment/resize.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Cuts a part of random area, aspect ratio and place out of an image and resamples it to one size.
///
/// Ten times an area, uniform in [scale_low, scale_high] of the image's, and a ratio of width to height, its logarithm
/// uniform, are drawn, until a part of that shape fits; then its place is uniform. If none fits, the largest central
/// part of a permitted ratio is taken.
///
/// @cost 6 flops a tap and output pixel of each of two passes; bilinear enlarging takes 2 taps, bicubic 4.
/// @source Szegedy et al., Going deeper with convolutions, CVPR 2015; the sampling is torchvision's.
struct RandomResizedCrop {
  std::size_t height = 32, width = 32;
  double scale_low = 0.08, scale_high = 1;
  double ratio_low = 3. / 4, ratio_high = 4. / 3;
  Interpolation interpolation = Interpolation::bilinear;

  /// @throws ConfigError if the output has no pixel, or an interval is empty or out of its range.
  void check(ImageSize) const {
    detail::check_output("RandomResizedCrop", {height, width});
    detail::check_interval("RandomResizedCrop", "scale", scale_low, scale_high, 1);
    detail::check_interval("RandomResizedCrop", "ratio", ratio_low, ratio_high, 1000);
  }
  Footprint footprint(ImageSize in) const { return detail::resize_footprint(interpolation, in, {height, width}); }

  LOTAR_FN Crop draw(Random& random, ImageSize in) const {
    const auto in_height = static_cast<float>(in.height), in_width = static_cast<float>(in.width);
    const auto low = static_cast<float>(ratio_low), high = static_cast<float>(ratio_high);
    const float log_low = log(low), log_high = log(high), area = in_height * in_width;
    for (int attempt = 0; attempt < 10; ++attempt) {
      const float target = area * random.uniform(static_cast<float>(scale_low), static_cast<float>(scale_high));
      const float ratio = exp(random.uniform(log_low, log_high));
      const float w = floor(sqrt(target * ratio) + 0.5f), h = floor(sqrt(target / ratio) + 0.5f);
      if (w < 1 || w > in_width || h < 1 || h > in_height) continue;
      Crop crop{0, 0, static_cast<std::size_t>(h), static_cast<std::size_t>(w)};
      crop.top = random.index(static_cast<std::uint32_t>(in.height - crop.height + 1));
      crop.left = random.index(static_cast<std::uint32_t>(in.width - crop.width + 1));
      return crop;
    }
    Crop crop{0, 0, in.height, in.width};
    if (in_width < in_height * low)
      crop.height = fitting(in_width / low, in.height);
    else if (in_width > in_height * high)
      crop.width = fitting(in_height * high, in.width);
    crop.top = (in.height - crop.height) / 2;
    crop.left = (in.width - crop.width) / 2;
    return crop;
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Crop& crop) const {
    detail::resize_crop(block, image, crop, {height, width}, interpolation);
  }

 private:
  /// x rounded, within [1, limit].
  LOTAR_FN static std::size_t fitting(float x, std::size_t limit) {
    return min(max(static_cast<std::size_t>(x + 0.5f), std::size_t{1}), limit);
  }
};

}  // namespace lotar
