#include <lotar/io/png.hpp>

#include <vector>

#include "../files.hpp"
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
