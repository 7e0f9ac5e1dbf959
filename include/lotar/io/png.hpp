#pragma once

#include <png.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/image_limits.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// True of bytes that start as a PNG file does.
inline bool is_png(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0;
}

namespace detail {

inline constexpr int max_png_texts = 16;

/// Refuses a file of many texts before its pixels: libpng unpacks and keeps each, of up to 8 MB, with the header.
inline void check_png_texts(std::span<const std::uint8_t> bytes, const std::string& path) {
  int texts = 0;
  auto rest = bytes.subspan(std::min<std::size_t>(bytes.size(), 8));
  while (rest.size() >= 12) {  // length, type, data, checksum
    const std::size_t length = png_get_uint_32(rest.data());
    const std::string_view type(reinterpret_cast<const char*>(rest.data()) + 4, 4);
    texts += type == "zTXt" || type == "iTXt" ? 1 : 0;
    if (texts > max_png_texts)
      throw IoError(path, bytes.size() - rest.size(),
                    "wanted at most " + std::to_string(max_png_texts) + " zTXt and iTXt chunks before the pixels");
    if (type == "IDAT" || length > rest.size() - 12) return;  // one cut short is libpng's to refuse
    rest = rest.subspan(12 + length);
  }
}

}  // namespace detail

/// The pixels of a PNG file: gray in each of three channels, palettes looked up, transparency dropped (as PIL's
/// convert("RGB") does), 16 bits rounded to 8. A gamma that the file states and that is not sRGB's is applied.
///
/// @param bytes  the whole file, read from `path` (for messages).
/// @return       u8 [height, width, 3], sRGB.
/// @throws IoError if the file is damaged or cut short, beyond the limits of image_limits.hpp, or has more than 16
///         compressed or international texts before its pixels.
/// @cost   4 bytes a pixel.
inline RawArray decode_png(std::span<const std::uint8_t> bytes, const std::string& path) {
  detail::check_png_texts(bytes, path);
  struct Reader : png_image {
    Reader() : png_image{} { version = PNG_IMAGE_VERSION; }
    ~Reader() { png_image_free(this); }
  } image;
  const auto check = [&](int done) {
    if (done == 0) throw IoError(path, std::string("not a sound PNG image: ") + image.message);
  };
  check(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()));
  const std::size_t height = image.height, width = image.width;
  check_image_limits(path, height, width);
  image.format = PNG_FORMAT_RGBA;  // without A, libpng would blend with a background
  image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
  RawArray pixels{DType::u8, {height, width, 3}, Bytes(height * width * 4)};
  std::uint8_t* const p = pixels.bytes.data();
  check(png_image_finish_read(&image, nullptr, p, 0, nullptr));
  for (std::size_t i = 0; i < height * width; ++i)
    for (std::size_t c = 0; c < 3; ++c) p[3 * i + c] = p[4 * i + c];
  pixels.bytes.resize(height * width * 3);
  return pixels;
}

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
