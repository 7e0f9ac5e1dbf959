#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/png.hpp>

namespace examples {

/// Images to be shown: [count, height, width, channels], 0 to 255, of 1 or 3 channels.
struct Images {
  std::size_t count, height, width, channels;
  std::span<const std::uint8_t> pixels;
};

/// 0 to 255 for 0 to 1; what lies outside goes to the nearer end, NaN to 0.
inline std::vector<std::uint8_t> to_bytes(std::span<const float> values) {
  std::vector<std::uint8_t> bytes(values.size());
  std::transform(values.begin(), values.end(), bytes.begin(), [](float v) {
    return static_cast<std::uint8_t>(v >= 1 ? 255 : v > 0 ? v * 255 + 0.5f : 0);
  });
  return bytes;
}

namespace detail {

/// A white picture that images are painted on.
struct Canvas {
  std::size_t height, width;
  std::vector<std::uint8_t> pixels;

  Canvas(std::size_t height_, std::size_t width_) : height(height_), width(width_), pixels(height_ * width_ * 3, 255) {}

  /// Paints image n, every pixel a square of `scale`, with its upper left corner at (top, left).
  void paint(const Images& images, std::size_t n, std::size_t scale, std::size_t top, std::size_t left) {
    const std::uint8_t* image = images.pixels.data() + n * images.height * images.width * images.channels;
    for (std::size_t y = 0; y < images.height * scale; ++y)
      for (std::size_t x = 0; x < images.width * scale; ++x) {
        const std::uint8_t* from = image + (y / scale * images.width + x / scale) * images.channels;
        std::uint8_t* to = pixels.data() + ((top + y) * width + left + x) * 3;
        for (std::size_t c = 0; c < 3; ++c) to[c] = from[images.channels == 3 ? c : 0];
      }
  }
};

}  // namespace detail

/// Writes a PNG of samples: each its image, its first and its second view, side by side; four samples a row.
///
/// Small images are enlarged by a whole factor, pixel by pixel, to about 96 pixels.
/// @param originals, first, second  as many images in each.
/// @throws lotar::ShapeError if there are none, their numbers differ, or pixels are missing.
/// @throws lotar::IoError if the file cannot be written.
inline void write_view_grid(const std::string& path, const Images& originals, const Images& first,
                            const Images& second) {
  constexpr std::size_t cell = 96, inner_gap = 4, outer_gap = 16, samples_a_row = 4;
  const std::array<const Images*, 3> sources{&originals, &first, &second};
  std::array<std::size_t, 3> scale{}, left{};
  std::size_t tile_height = 0, tile_width = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const Images& s = *sources[i];
    if (s.count == 0 || s.count != originals.count || s.height == 0 || s.width == 0 ||
        (s.channels != 1 && s.channels != 3) || s.pixels.size() != s.count * s.height * s.width * s.channels)
      throw lotar::ShapeError("write_view_grid: wanted " + std::to_string(std::max<std::size_t>(originals.count, 1)) +
                              " images of 1 or 3 channels, got [" + std::to_string(s.count) + ", " +
                              std::to_string(s.height) + ", " + std::to_string(s.width) + ", " +
                              std::to_string(s.channels) + "] and " + std::to_string(s.pixels.size()) + " values");
    scale[i] = std::max<std::size_t>(1, cell / std::max(s.height, s.width));
    left[i] = tile_width + (i > 0 ? inner_gap : 0);
    tile_width = left[i] + s.width * scale[i];
    tile_height = std::max(tile_height, s.height * scale[i]);
  }
  const std::size_t columns = std::min(originals.count, samples_a_row),
                    rows = (originals.count + columns - 1) / columns;
  detail::Canvas canvas(rows * (tile_height + outer_gap) + outer_gap, columns * (tile_width + outer_gap) + outer_gap);
  for (std::size_t n = 0; n < originals.count; ++n)
    for (std::size_t i = 0; i < sources.size(); ++i)
      canvas.paint(*sources[i], n, scale[i], outer_gap + n / columns * (tile_height + outer_gap),
                   outer_gap + n % columns * (tile_width + outer_gap) + left[i]);
  lotar::write_png(path, canvas.height, canvas.width, 3, canvas.pixels);
}

}  // namespace examples
