#pragma once

#include <png.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

/// Writes a PNG file, whole or not at all.
///
/// @param pixels    [height, width, channels], 0 to 255, sRGB.
/// @param channels  1 (gray) or 3 (red, green, blue).
/// @throws ShapeError if the pixels are not that many, or there are none.
/// @throws IoError if the file cannot be written.
inline void write_png(const std::string& path, std::size_t height, std::size_t width, std::size_t channels,
                      std::span<const std::uint8_t> pixels) {
  constexpr std::size_t max_side = 65535;
  if (height < 1 || height > max_side || width < 1 || width > max_side || (channels != 1 && channels != 3))
    throw ShapeError("write_png: wanted 1 to 65535 rows and columns of 1 or 3 channels, got [" +
                     std::to_string(height) + ", " + std::to_string(width) + ", " + std::to_string(channels) + "]");
  if (pixels.size() != height * width * channels)
    throw ShapeError("write_png: wanted " + std::to_string(height * width * channels) + " values, got " +
                     std::to_string(pixels.size()));
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  Bytes file(size);
  if (png_image_write_to_memory(&image, file.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    const std::string message = image.message;
    png_image_free(&image);
    throw IoError(path, "cannot encode as PNG: " + message);
  }
  file.resize(size);
  write_file_atomically(path, file);
}

}  // namespace lotar
