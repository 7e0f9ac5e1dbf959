#include "../../examples/report/image_grid.hpp"

#include <png.h>

#include <limits>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;

namespace {

struct Picture {
  std::size_t height, width;
  std::vector<std::uint8_t> pixels;

  /// The red, green and blue of a pixel.
  std::array<int, 3> at(std::size_t y, std::size_t x) const {
    const std::uint8_t* p = pixels.data() + (y * width + x) * 3;
    return {p[0], p[1], p[2]};
  }
};

Picture load(const std::string& path) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_file(&image, path.c_str()) != 0);
  image.format = PNG_FORMAT_RGB;
  Picture picture{image.height, image.width, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(image))};
  REQUIRE(png_image_finish_read(&image, nullptr, picture.pixels.data(), 0, nullptr) != 0);
  return picture;
}

constexpr std::array<int, 3> white{255, 255, 255};

}  // namespace

TEST_CASE("floats become bytes, rounded and clamped") {
  const std::vector<float> values{0, 1, 0.5f, -3, 7, std::numeric_limits<float>::quiet_NaN(), 0.0019f, 0.0021f};
  CHECK(to_bytes(values) == std::vector<std::uint8_t>{0, 255, 128, 0, 255, 0, 0, 1});
}

TEST_CASE("samples lie side by side, enlarged, four a row") {
  const ScratchFolder folder;
  const std::string path = folder / "views.png";
  // 5 samples: gray 2x2 originals; first views 2x2, second views 3x3 in colour. Enlarged by 48, 48 and 32.
  std::vector<std::uint8_t> gray(5 * 4), first(5 * 4 * 3), second(5 * 9 * 3);
  for (std::size_t i = 0; i < gray.size(); ++i) gray[i] = static_cast<std::uint8_t>(i);
  for (std::size_t i = 0; i < first.size(); ++i) first[i] = static_cast<std::uint8_t>(50 + i);
  for (std::size_t i = 0; i < second.size(); ++i) second[i] = static_cast<std::uint8_t>(100 + i);
  write_view_grid(path, {5, 2, 2, 1, gray}, {5, 2, 2, 3, first}, {5, 3, 3, 3, second});
  const Picture p = load(path);
  CHECK(p.height == 16 + 2 * (96 + 16));
  CHECK(p.width == 16 + 4 * (3 * 96 + 2 * 4 + 16));
  CHECK(p.at(0, 0) == white);
  CHECK(p.at(16, 16) == std::array{0, 0, 0});
  CHECK(p.at(16 + 47, 16 + 47) == std::array{0, 0, 0});
  CHECK(p.at(16 + 47, 16 + 48) == std::array{1, 1, 1});
  CHECK(p.at(16 + 95, 16 + 95) == std::array{3, 3, 3});
  CHECK(p.at(16, 16 + 96) == white);
  CHECK(p.at(16, 16 + 100) == std::array{50, 51, 52});
  CHECK(p.at(16 + 33, 16 + 200 + 65) == std::array{115, 116, 117});  // sample 0, second view, row 1, column 2
  const std::size_t row = 16 + 96 + 16;
  CHECK(p.at(row, 16) == std::array{16, 16, 16});  // sample 4 begins the second row
  CHECK(p.at(row + 95, 16 + 200 + 95) == std::array{232, 233, 234});
  CHECK(p.at(row, 16 + 296 + 16) == white);
}

TEST_CASE("large images are shown as they are, and few samples make a narrow picture") {
  const ScratchFolder folder;
  const std::string path = folder / "views.png";
  const std::vector<std::uint8_t> pixels(120 * 100, 7);
  write_view_grid(path, {1, 120, 100, 1, pixels}, {1, 120, 100, 1, pixels}, {1, 120, 100, 1, pixels});
  const Picture p = load(path);
  CHECK(p.height == 16 + 120 + 16);
  CHECK(p.width == 16 + 308 + 16);
}

TEST_CASE("arrays that do not fit are refused") {
  const std::vector<std::uint8_t> pixels(2 * 12);
  const Images good{2, 2, 2, 3, pixels}, fewer{1, 2, 2, 3, std::span(pixels).first(12)},
      cut{2, 2, 2, 3, std::span(pixels).first(23)};
  CHECK_THROWS_WITH_AS(write_view_grid("unwritten", good, fewer, good),
                       "write_view_grid: wanted 2 images of 1 or 3 channels, got [1, 2, 2, 3] and 12 values",
                       lotar::ShapeError);
  CHECK_THROWS_WITH_AS(write_view_grid("unwritten", good, good, cut),
                       "write_view_grid: wanted 2 images of 1 or 3 channels, got [2, 2, 2, 3] and 23 values",
                       lotar::ShapeError);
  CHECK_THROWS_WITH_AS(write_view_grid("unwritten", {}, {}, {}),
                       "write_view_grid: wanted 1 images of 1 or 3 channels, got [0, 0, 0, 0] and 0 values",
                       lotar::ShapeError);
}
