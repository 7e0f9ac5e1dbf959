#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/augment/separable.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

namespace lotar {

/// How an image is resampled: with a triangle, or with Keys' cubic (a = -1/2). Both are stretched when they shrink an
/// image, so that no pixel is skipped (as PIL does, and torchvision with antialias=True).
enum class Interpolation { bilinear, bicubic };

/// A part of an image, in pixels.
struct Crop {
  std::size_t top = 0, left = 0, height = 0, width = 0;
};

namespace detail {

LOTAR_FN inline float resize_filter(Interpolation interpolation, float x) {
  x = abs(x);
  if (interpolation == Interpolation::bilinear) return max(1.f - x, 0.f);
  if (x < 1) return (1.5f * x - 2.5f) * x * x + 1.f;
  return x < 2 ? ((-0.5f * x + 2.5f) * x - 4.f) * x + 2.f : 0.f;
}

/// The taps with which an axis of extent `in` becomes one of `out`. They grow with `in`.
LOTAR_FN constexpr std::size_t resize_taps(Interpolation interpolation, std::size_t in, std::size_t out) {
  const std::size_t support = interpolation == Interpolation::bilinear ? 2 : 4;
  return padded_taps(in <= out ? support : (support * in + out - 1) / out);
}

template <class Block>
LOTAR_FN void make_resize_filter(Block& block, Interpolation interpolation, std::size_t in, const AxisFilter& axis) {
  const float scale = static_cast<float>(in) / static_cast<float>(axis.out), stretch = max(scale, 1.f);
  const float support = (interpolation == Interpolation::bilinear ? 1.f : 2.f) * stretch;
  const auto end = static_cast<std::int32_t>(in);
  block.for_each(axis.out, [=](std::size_t i) {
    const float center = scale * (static_cast<float>(i) + 0.5f);
    const std::int32_t first = max(static_cast<std::int32_t>(center - support + 0.5f), 0);
    const std::int32_t last = min(static_cast<std::int32_t>(center + support + 0.5f), end);
    float* const weight = axis.weight + i;
    float sum = 0;
    for (std::size_t k = 0; k < axis.taps; ++k) {
      const std::int32_t at = first + static_cast<std::int32_t>(k);
      const float x = (static_cast<float>(at) + 0.5f - center) / stretch;
      const float w = at < last ? resize_filter(interpolation, x) : 0.f;
      sum += w;
      weight[k * axis.out] = w;
      axis.index[k * axis.out + i] = min(at, end - 1);
    }
    for (std::size_t k = 0; k < axis.taps; ++k) weight[k * axis.out] /= sum;
  });
}

/// The entries of the larger of the two axes' tables.
LOTAR_FN constexpr std::size_t resize_table(Interpolation interpolation, ImageSize in, ImageSize out) {
  return max(resize_taps(interpolation, in.height, out.height) * out.height,
             resize_taps(interpolation, in.width, out.width) * out.width);
}

inline Footprint resize_footprint(Interpolation interpolation, ImageSize in, ImageSize out) {
  return {out, max(max(in.pixels(), out.pixels()), out.height * in.width),
          filter_scratch(resize_table(interpolation, in, out))};
}

/// Makes the image the crop of it, resampled to the size `out`: first along columns, then along rows.
template <class Block>
LOTAR_FN void resize_crop(Block& block, Image& image, const Crop& crop, ImageSize out, Interpolation interpolation) {
  const std::size_t table = resize_table(interpolation, image.size, out);
  AxisFilter axis{block.template scratch<float>(table), block.template scratch<std::int32_t>(table),
                  resize_taps(interpolation, crop.height, out.height), out.height};
  make_resize_filter(block, interpolation, crop.height, axis);
  const std::size_t row = image.size.width, tall = out.height * crop.width;
  filter_columns(block, axis, {image.pixels + crop.top * row + crop.left, row, image.size.pixels()},
                 {image.spare, crop.width, tall}, crop.width);

  axis.taps = resize_taps(interpolation, crop.width, out.width);
  axis.out = out.width;
  make_resize_filter(block, interpolation, crop.width, axis);
  filter_rows(block, axis, {image.spare, crop.width, tall}, {image.pixels, out.width, out.pixels()}, out.height);
  image.size = out;

  if (interpolation == Interpolation::bicubic) {  // the cubic overshoots
    float* const p = image.pixels;
    block.for_each(3 * out.pixels(), [=](std::size_t i) { p[i] = clamp(p[i], 0.f, 1.f); });
  }
}

}  // namespace detail

/// Resamples the whole image to a size; bicubic results are limited to [0, 1].
///
/// @cost 6 flops a tap and output pixel of each of two passes.
struct Resize {
  std::size_t height = 32, width = 32;
  Interpolation interpolation = Interpolation::bilinear;

  /// @throws ConfigError if the output has no pixel.
  void check(ImageSize) const { detail::check_output("Resize", {height, width}); }
  Footprint footprint(ImageSize in) const { return detail::resize_footprint(interpolation, in, {height, width}); }
  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image) const {
    if (image.size == ImageSize{height, width}) return;
    detail::resize_crop(block, image, {0, 0, image.size.height, image.size.width}, {height, width}, interpolation);
  }
};

}  // namespace lotar
