#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/augment/presets.hpp>

// Operations as plain loops over an image, for the benchmark to check its views by.

namespace plain {

/// [height, width, 3]
struct Image {
  std::size_t height, width;
  std::vector<double> values;

  template <class F>
  void for_each_pixel(F f) {
    for (std::size_t i = 0; i < values.size(); i += 3) f(&values[i]);
  }
};

inline double gray(const double* pixel) { return 0.2989 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]; }

inline void turn_hue(double* pixel, double turn) {
  const double r = pixel[0], g = pixel[1], b = pixel[2];
  const double high = std::max({r, g, b}), chroma = high - std::min({r, g, b});
  if (chroma == 0) return;
  const double hue = high == r ? (g - b) / chroma : high == g ? 2 + (b - r) / chroma : 4 + (r - g) / chroma;
  for (std::size_t c = 0; c < 3; ++c) {
    const double k = std::fmod(hue + 6 * turn + (c == 0 ? 5 : c == 1 ? 3 : 1) + 12, 6);
    pixel[c] = high - chroma * std::clamp(std::min(k, 4 - k), 0., 1.);
  }
}

inline void apply(const lotar::HorizontalFlip&, const lotar::HorizontalFlip::Parameters& p, Image& image) {
  if (!p.flip) return;
  const std::vector<double> from = image.values;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t row = i / (3 * image.width), x = i / 3 % image.width;
    image.values[i] = from[3 * (row * image.width + image.width - 1 - x) + i % 3];
  }
}

inline void apply(const lotar::ColorJitter&, const lotar::ColorJitter::Parameters& p, Image& image) {
  if (!p.apply) return;
  const float factors[] = {p.brightness, p.contrast, p.saturation};
  for (const std::uint8_t which : p.order) {
    if (which == 3) {
      image.for_each_pixel([&](double* pixel) { turn_hue(pixel, static_cast<double>(p.hue)); });
      continue;
    }
    double mean = 0;
    image.for_each_pixel([&](const double* pixel) { mean += gray(pixel); });
    mean /= static_cast<double>(image.height * image.width);
    const auto factor = static_cast<double>(factors[which]);
    image.for_each_pixel([&](double* pixel) {
      const double center = which == 0 ? 0 : which == 1 ? mean : gray(pixel);
      for (std::size_t c = 0; c < 3; ++c) pixel[c] = std::clamp(center + factor * (pixel[c] - center), 0., 1.);
    });
  }
}

inline void apply(const lotar::Grayscale&, const lotar::Grayscale::Parameters& p, Image& image) {
  if (!p.gray) return;
  image.for_each_pixel([](double* pixel) { std::fill_n(pixel, 3, gray(pixel)); });
}

inline void apply(const lotar::Normalize& normalize, Image& image) {
  image.for_each_pixel([&](double* pixel) {
    for (std::size_t c = 0; c < 3; ++c) pixel[c] = (pixel[c] - normalize.mean[c]) / normalize.deviation[c];
  });
}

template <class Operation>
concept Fixed = requires(const Operation& operation, Image& image) {
  apply(operation, image);
};
template <class Operation>
concept Drawn = requires(const Operation& operation, lotar::Random& draws, Image& image) {
  apply(operation, operation.draw(draws, lotar::ImageSize{}), image);
};

/// Applies a pipeline from a position on, with what it draws for a key.
/// @return whether there are plain loops for all of it
inline bool apply(const lotar::Pipeline<>&, Image&, const lotar::ViewKey&, std::uint32_t) { return true; }
template <class First, class... Rest>
bool apply(const lotar::Pipeline<First, Rest...>& pipeline, Image& image, const lotar::ViewKey& key,
           std::uint32_t position) {
  if constexpr (Fixed<First>) {
    apply(pipeline.first, image);
  } else if constexpr (Drawn<First>) {
    lotar::Random draws(key.seed, key.epoch, key.sample, key.view, position);
    const auto parameters = pipeline.first.draw(draws, lotar::ImageSize{image.height, image.width});
    apply(pipeline.first, parameters, image);
  } else {
    return false;
  }
  return apply(pipeline.rest, image, key, position + 1);
}

}  // namespace plain
