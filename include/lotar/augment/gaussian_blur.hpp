#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/augment/separable.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// Blurs an image with a Gaussian of random width, with a probability. Beyond its borders an image is its reflection
/// without the border pixels: cb|abc|ba.
///
/// @cost 6 kernel flops a pixel, twice.
struct GaussianBlur {
  std::size_t kernel = 3;                  ///< pixels across, odd
  double sigma_low = 0.1, sigma_high = 2;  ///< the standard deviation in pixels is uniform between these
  double probability = 0.5;

  struct Parameters {
    bool apply = false;
    float sigma = 1;
  };

  /// @throws ConfigError if the kernel is even, the interval empty, or the probability not in [0, 1]; ShapeError if the
  ///         reflection would need more than the image.
  void check(ImageSize in) const {
    detail::check_probability("GaussianBlur", probability);
    detail::check_interval("GaussianBlur", "sigma", sigma_low, sigma_high, 1000);
    if (kernel % 2 == 0) throw ConfigError("GaussianBlur: kernel must be odd, got " + std::to_string(kernel));
    if (kernel / 2 >= in.height || kernel / 2 >= in.width)
      throw ShapeError("GaussianBlur: a kernel of " + std::to_string(kernel) + " needs images larger than " +
                       to_string(ImageSize{kernel / 2, kernel / 2}) + ", got " + to_string(in));
  }
  Footprint footprint(ImageSize in) const {
    return {in, in.pixels(), detail::filter_scratch(detail::padded_taps(kernel) * max(in.height, in.width))};
  }

  LOTAR_FN Parameters draw(Random& random, ImageSize) const {
    const bool apply = random.bernoulli(static_cast<float>(probability));
    return {apply, random.uniform(static_cast<float>(sigma_low), static_cast<float>(sigma_high))};
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    if (!parameters.apply) return;
    const ImageSize size = image.size;
    const std::size_t taps = detail::padded_taps(kernel), table = taps * max(size.height, size.width);
    detail::AxisFilter axis{block.template scratch<float>(table), block.template scratch<std::int32_t>(table), taps,
                            size.height};
    make_filter(block, parameters.sigma, axis);
    detail::filter_columns(block, axis, {image.pixels, size.width, size.pixels()},
                           {image.spare, size.width, size.pixels()}, size.width);
    axis.out = size.width;
    make_filter(block, parameters.sigma, axis);
    detail::filter_rows(block, axis, {image.spare, size.width, size.pixels()},
                        {image.pixels, size.width, size.pixels()}, size.height);
  }

 private:
  template <class Block>
  LOTAR_FN void make_filter(Block& block, float sigma, const detail::AxisFilter& axis) const {
    const auto radius = static_cast<std::int32_t>(kernel / 2), last = static_cast<std::int32_t>(axis.out) - 1;
    const std::size_t across = kernel;
    const auto density = [=](std::size_t k) {
      const float x = (static_cast<float>(k) - static_cast<float>(radius)) / sigma;
      return exp(-0.5f * x * x);
    };
    float sum = 0;
    for (std::size_t k = 0; k < across; ++k) sum += density(k);
    const float unit = 1.f / sum;
    block.for_each(axis.taps, axis.out, [=](std::size_t k, std::size_t i) {
      const std::int32_t at = abs(static_cast<std::int32_t>(i + k) - radius);
      axis.weight[k * axis.out + i] = k < across ? unit * density(k) : 0.f;
      axis.index[k * axis.out + i] = k < across ? (at <= last ? at : 2 * last - at) : 0;
    });
  }
};

}  // namespace lotar
