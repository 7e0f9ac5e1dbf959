#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/random.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/host_array.hpp>

namespace lotar {

/// A data set that needs no files.
struct SyntheticOptions {
  std::size_t classes = 10;     // 2 to 1000
  std::size_t per_class = 500;  // images of each class
  std::size_t side = 32;        // pixels
  double noise = 24;            // each channel of each pixel is off by up to this, 0 to 255
  std::uint64_t seed = 1;
};

/// Makes images of stripes: a class has a direction, a width and two colours, an image its own phase, brightness and
/// noise. Train and test images differ. The same on every machine: integers only.
///
/// @throws ConfigError for options out of range.
inline Dataset make_synthetic(Part part, const SyntheticOptions& options = {}) {
  if (options.classes < 2 || options.classes > 1000)
    throw ConfigError("make_synthetic: wanted 2 to 1000 classes, got " + std::to_string(options.classes));
  if (options.per_class < 1 || options.per_class > 1000000)
    throw ConfigError("make_synthetic: wanted 1 to 1000000 images a class, got " + std::to_string(options.per_class));
  if (options.side < 1 || options.side > 1024)
    throw ConfigError("make_synthetic: wanted 1 to 1024 pixels a side, got " + std::to_string(options.side));
  if (!(options.noise >= 0 && options.noise <= 255))
    throw ConfigError("make_synthetic: wanted noise of 0 to 255, got " + number_text(options.noise));

  struct Look {
    std::array<int, 2> step;  // 1/256 periods a pixel, across and down
    std::array<std::array<int, 3>, 2> colour;
  };
  std::vector<Look> looks;
  for (std::size_t c = 0; c < options.classes; ++c) {
    Random random(options.seed, 0, static_cast<std::uint32_t>(c), 0, operation::synthetic_class);
    Look look;
    for (int& step : look.step) step = static_cast<int>(random.index(129)) - 64;
    for (auto& colour : look.colour)
      for (int& channel : colour) channel = 32 + static_cast<int>(random.index(192));
    looks.push_back(look);
  }

  const std::size_t images = options.classes * options.per_class, side = options.side;
  const auto noise = static_cast<int>(options.noise);
  Dataset dataset{"synthetic", {}, make_host_array<std::uint8_t, 4>({images, side, side, 3}), {}};
  for (std::size_t c = 0; c < options.classes; ++c) dataset.classes.push_back("texture " + std::to_string(c));
  std::uint8_t* to = dataset.images.data();
  for (std::size_t i = 0; i < images; ++i) {
    const std::size_t label = i % options.classes;
    dataset.labels.push_back(static_cast<std::int32_t>(label));
    const Look& look = looks[label];
    Random random(options.seed, 0, static_cast<std::uint32_t>(i), part == Part::train ? 0 : 1,
                  operation::synthetic_image);
    const int phase = static_cast<int>(random.index(256)), brightness = static_cast<int>(random.index(65)) - 32;
    for (std::size_t y = 0; y < side; ++y)
      for (std::size_t x = 0; x < side; ++x) {
        const int at = phase + look.step[0] * static_cast<int>(x) + look.step[1] * static_cast<int>(y);
        const int wave = std::abs((at & 255) - 128);  // 0 to 128, a triangle
        for (std::size_t channel = 0; channel < 3; ++channel) {
          const int first = look.colour[0][channel], second = look.colour[1][channel];
          const int off = static_cast<int>(random.index(static_cast<std::uint32_t>(2 * noise + 1))) - noise;
          const int value = first + (second - first) * wave / 128 + brightness + off;
          *to++ = static_cast<std::uint8_t>(std::clamp(value, 0, 255));
        }
      }
  }
  return dataset;
}

}  // namespace lotar
