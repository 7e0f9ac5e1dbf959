#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/checks.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>

namespace lotar {

struct ImageSize {
  std::size_t height = 0, width = 0;

  LOTAR_FN constexpr std::size_t pixels() const { return height * width; }
  LOTAR_FN friend constexpr bool operator==(ImageSize a, ImageSize b) {
    return a.height == b.height && a.width == b.width;
  }
};

/// "32x32": height, then width.
inline std::string to_string(ImageSize size) { return std::to_string(size.height) + "x" + std::to_string(size.width); }

/// An RGB image that a block of threads works on: three planes of floats in the block's scratch, nominally in [0, 1],
/// and as much room again for operations that cannot work in place. Each thread has its own copy of this handle.
struct Image {
  float* pixels = nullptr;  ///< [3, height, width]
  float* spare = nullptr;
  ImageSize size;

  LOTAR_FN float* plane(std::size_t channel) const { return pixels + channel * size.pixels(); }
  /// Makes what was written to the spare room, an image of this size, the image.
  LOTAR_FN void take_spare(ImageSize spare_size) {
    float* const old = pixels;
    pixels = spare;
    spare = old;
    size = spare_size;
  }
};

/// What an operation makes of an image of a known size, and the memory it needs for that.
struct Footprint {
  ImageSize output;
  std::size_t pixels = 0;         ///< of the largest image it holds, input and output included
  std::size_t scratch_bytes = 0;  ///< beside the two buffers of an Image
};

/// Reads a u8 image [height, width, channels] as floats in [0, 1]; a single channel becomes three equal ones.
/// @param channels  1 or 3
template <class Block>
LOTAR_FN void load_image(Block& block, const std::uint8_t* source, std::size_t channels, const Image& image) {
  constexpr float unit = 1.f / 255.f;
  float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  if (channels == 1)
    block.for_each(image.size.pixels(), [=](std::size_t i) { r[i] = g[i] = b[i] = unit * source[i]; });
  else
    block.for_each(image.size.pixels(), [=](std::size_t i) {
      r[i] = unit * source[3 * i];
      g[i] = unit * source[3 * i + 1];
      b[i] = unit * source[3 * i + 2];
    });
}

/// Writes an image as [height, width, 3].
template <class T, class Block>
LOTAR_FN void store_image(Block& block, const Image& image, T* out) {
  const float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  block.for_each(image.size.pixels(), [=](std::size_t i) {
    out[3 * i] = static_cast<T>(r[i]);
    out[3 * i + 1] = static_cast<T>(g[i]);
    out[3 * i + 2] = static_cast<T>(b[i]);
  });
}

namespace detail {

/// Throws ConfigError unless 0 <= value <= 1.
inline void check_probability(const char* operation, double value) {
  check_within<float>(operation, "probability", 0, 1, value);
}

/// Throws ConfigError unless 0 < low <= high <= limit, also once they are rounded to float, as which they are used.
inline void check_interval(const char* operation, const char* name, double low, double high, double limit) {
  const auto holds = [limit](double a, double b) { return a > 0 && a <= b && b <= limit; };
  const auto text = [](double a, double b) { return number_text(a) + " and " + number_text(b); };
  const double used_low = static_cast<float>(low), used_high = static_cast<float>(high);
  if (holds(low, high) && holds(used_low, used_high)) return;
  const std::string fault = std::string(operation) + ": " + name +
                            " must satisfy 0 < low <= high <= " + number_text(limit) + ", got " + text(low, high);
  throw ConfigError(holds(low, high) ? fault + ", which are used as " + text(used_low, used_high) : fault);
}

/// Throws ConfigError if an output would have no pixel.
inline void check_output(const char* operation, ImageSize size) {
  if (size.height == 0 || size.width == 0)
    throw ConfigError(std::string(operation) + ": the output must have at least one pixel, got " + to_string(size));
}

}  // namespace detail
}  // namespace lotar
