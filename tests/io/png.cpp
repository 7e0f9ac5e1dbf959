#include <lotar/io/png.hpp>

#include <zlib.h>

#include <utility>
#include <vector>

#include "../files.hpp"
#include "../reference/images.hpp"
#include "../test.hpp"

using namespace lotar;

/// What libpng reads back.
static Bytes decode(const std::string& path, png_uint_32 format, std::size_t& height, std::size_t& width) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()) != 0);
  CHECK((image.format & (PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA)) == (format & PNG_FORMAT_FLAG_COLOR));
  image.format = format;
  height = image.height, width = image.width;
  Bytes pixels(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  return pixels;
}

TEST_CASE("a PNG file holds the pixels, exactly") {
  const ScratchFolder folder;
  const std::string path = folder / "image.png";
  for (const std::size_t channels : {1u, 3u}) {
    Bytes pixels(5 * 7 * channels);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 41);
    write_png(path, 5, 7, channels, pixels);
    std::size_t height = 0, width = 0;
    CHECK(decode(path, channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB, height, width) == pixels);
    CHECK(height == 5);
    CHECK(width == 7);
  }
  CHECK(folder.files() == 1);
}

TEST_CASE("write_png refuses") {
  const ScratchFolder folder;
  const Bytes pixels(12);
  CHECK_THROWS_WITH_AS(write_png(folder / "x", 2, 2, 4, pixels),
                       "write_png: wanted 1 to 65535 rows and columns of 1 or 3 channels, got [2, 2, 4]", ShapeError);
  CHECK_THROWS_WITH_AS(write_png(folder / "x", 0, 2, 3, pixels),
                       "write_png: wanted 1 to 65535 rows and columns of 1 or 3 channels, got [0, 2, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(write_png(folder / "x", 3, 2, 3, pixels), "write_png: wanted 18 values, got 12", ShapeError);
  CHECK_THROWS_AS(write_png(folder / "missing/x", 2, 2, 3, pixels), IoError);
  CHECK(folder.files() == 0);
}

static Bytes to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

TEST_CASE("PNG files of every kind give the pixels that PIL gives, exactly") {
  const std::pair<const std::string&, const std::string&> cases[] = {
      {expected::png_rgb, expected::png_rgb_pixels},
      {expected::png_rgba, expected::png_rgba_pixels},
      {expected::png_gray, expected::png_gray_pixels},
      {expected::png_gray_alpha, expected::png_gray_alpha_pixels},
      {expected::png_palette, expected::png_palette_pixels},
      {expected::png_palette_alpha, expected::png_palette_alpha_pixels},
      {expected::png_16, expected::png_gray_pixels}};
  for (const auto& [file, pixels] : cases) {
    CHECK(is_png(to_bytes(file)));
    const RawArray image = decode_png(to_bytes(file), "x.png");
    CHECK(image.type == DType::u8);
    CHECK(image.shape == std::vector<std::size_t>{expected::file_height, expected::file_width, 3});
    CHECK(image.bytes == to_bytes(pixels));
  }
  CHECK_FALSE(is_png(to_bytes(expected::jpeg)));
  CHECK_FALSE(is_png(to_bytes(expected::png_rgb.substr(0, 7))));
}

TEST_CASE("what write_png wrote, decode_png reads") {
  const ScratchFolder folder;
  Bytes pixels(5 * 7 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 41);
  write_png(folder / "image.png", 5, 7, 3, pixels);
  CHECK(decode_png(read_file(folder / "image.png", 10000), "x").bytes == pixels);
}

TEST_CASE("a PNG file cut short or changed is decoded or refused") {
  const auto load = [](const std::string& path) { decode_png(read_file(path, 10000), path); };
  for (const std::string* file : {&expected::png_rgb, &expected::png_palette_alpha, &expected::png_16}) {
    std::size_t refused = 0;
    for (std::size_t size = 0; size < file->size(); ++size) try {
        decode_png(to_bytes(file->substr(0, size)), "x.png");
      } catch (const IoError& error) {
        refused += std::string(error.what()).starts_with("x.png: not a sound PNG image: ") ? 1 : 0;
      }
    CHECK(refused >= file->find("IEND") - 4);  // after the pixels comes only the end's own chunk
    check_mutations(*file, load);
  }
}

/// A file with n texts of a kind before its pixels.
static Bytes with_texts(const std::string& kind, int n) {
  Bytes packed(compressBound(1));
  uLongf size = packed.size();
  REQUIRE(compress(packed.data(), &size, reinterpret_cast<const Bytef*>("x"), 1) == Z_OK);
  // a key, for iTXt also that it is compressed; the method; for iTXt no language and no translated key
  std::string chunk = kind + (kind == "iTXt" ? std::string("key\0\1\0\0\0", 8) : std::string("key\0\0", 5)) +
                      std::string(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size));
  const auto word = [](std::uint64_t value) {
    std::string bytes;
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
    return bytes;
  };
  chunk = word(chunk.size() - 4) + chunk +
          word(crc32(0, reinterpret_cast<const Bytef*>(chunk.data()), static_cast<uInt>(chunk.size())));
  std::string file = expected::png_rgb;
  for (int i = 0; i < n; ++i) file.insert(file.find("IDAT") - 4, chunk);
  return to_bytes(file);
}

TEST_CASE("texts before the pixels are few") {
  for (const std::string kind : {"zTXt", "iTXt"}) {
    CHECK(decode_png(with_texts(kind, 16), "x.png").bytes == to_bytes(expected::png_rgb_pixels));
    CHECK_THROWS_WITH_AS(decode_png(with_texts(kind, 17), "x.png"),
                         doctest::Contains(": wanted at most 16 zTXt and iTXt chunks before the pixels"), IoError);
  }
  CHECK(decode_png(with_texts("tEXt", 100), "x.png").bytes == to_bytes(expected::png_rgb_pixels));
}

TEST_CASE("decode_png refuses") {
  CHECK_THROWS_WITH_AS(decode_png({}, "x.png"), doctest::Contains("x.png: not a sound PNG image: "), IoError);
  CHECK_THROWS_WITH_AS(decode_png(to_bytes("GIF89a and so on"), "x.png"),
                       "x.png: not a sound PNG image: Not a PNG file", IoError);
  std::string large = expected::png_rgb;  // with the size and the checksum of its header changed
  const std::size_t header = large.find("IHDR");
  large.replace(header + 4, 8, std::string("\0\0\x80\0\0\0\x80\0", 8));
  const auto checksum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(large.data() + header), static_cast<uInt>(4 + 13)));
  for (int i = 0; i < 4; ++i)
    large[header + 17 + static_cast<std::size_t>(i)] = static_cast<char>(checksum >> (24 - 8 * i));
  CHECK_THROWS_WITH_AS(decode_png(to_bytes(large), "x.png"),
                       "x.png: wanted an image of 1 to 32768 pixels a side and at most 134217728 pixels, got "
                       "32768 x 32768",
                       IoError);
}
