#include <lotar/data/fit_square.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "../reference/images.hpp"
#include "../test.hpp"

using namespace lotar;

static RawArray make_image(std::size_t height, std::size_t width) {
  return {DType::u8, {height, width, 3}, Bytes(height * width * 3)};
}

/// The image that images.py computes too.
static RawArray formula(std::size_t height, std::size_t width) {
  RawArray image = make_image(height, width);
  std::uint8_t* to = image.bytes.data();
  for (std::size_t y = 0; y < height; ++y)
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        *to++ = static_cast<std::uint8_t>(7 * x * (c + 1) + 5 * y * (3 - c) + (x * y * 31 + c * 57) % 64);
  return image;
}

static Bytes fitted(const RawArray& image, std::size_t size) {
  Bytes square(size * size * 3);
  fit_square(image, size, square);
  return square;
}

TEST_CASE("fit_square gives what PIL's resize and crop give, to the bit") {
  const auto same = [](std::size_t height, std::size_t width, std::size_t size, const std::string& wanted) {
    CHECK(fitted(formula(height, width), size) == Bytes(wanted.begin(), wanted.end()));
  };
  same(17, 40, 8, expected::fitted_17_40_to_8);
  same(40, 17, 8, expected::fitted_40_17_to_8);
  same(5, 7, 9, expected::fitted_5_7_to_9);
  same(8, 13, 8, expected::fitted_8_13_to_8);
  same(64, 64, 5, expected::fitted_64_64_to_5);
  same(1, 9, 3, expected::fitted_1_9_to_3);
}

TEST_CASE("by hand") {
  SUBCASE("a square of the size stays as it is") { CHECK(fitted(formula(11, 11), 11) == formula(11, 11).bytes); }
  SUBCASE("the middle is cut out; an odd margin is smaller on the left, and at the top") {
    for (const bool wide : {true, false}) {
      RawArray image = wide ? make_image(1, 4) : make_image(4, 1);
      for (std::size_t i = 0; i < 12; ++i) image.bytes[i] = static_cast<std::uint8_t>(i / 3);
      CHECK(fitted(image, 1) == Bytes{1, 1, 1});
    }
  }
  SUBCASE("half the size: weights 1, 3, 3, 1 of the triangle, without those beyond the edge") {
    RawArray image = make_image(6, 6);
    for (std::size_t i = 0; i < image.bytes.size(); ++i) image.bytes[i] = i / 3 % 6 == 1 ? 80 : 0;  // one column
    const Bytes square = fitted(image, 3);
    CHECK(square[0] == 34);  // 3 / 7
    CHECK(square[3] == 10);  // 1 / 8
    CHECK(square[6] == 0);
  }
  SUBCASE("white stays white, however long the sum of weights") {
    RawArray image = make_image(2, 32768);
    std::fill(image.bytes.begin(), image.bytes.end(), std::uint8_t{255});
    CHECK(fitted(image, 1) == Bytes{255, 255, 255});
    RawArray column = make_image(4096, 4096);
    std::fill(column.bytes.begin(), column.bytes.end(), std::uint8_t{255});
    CHECK(fitted(column, 3) == Bytes(27, 255));
  }
}

TEST_CASE("fit_square refuses") {
  Bytes square(12);
  CHECK_THROWS_WITH_AS(fit_square(RawArray{DType::u8, {2, 2, 1}, Bytes(4)}, 2, square),
                       "fit_square: image must be u8 [height, width, 3], got u8 [2, 2, 1] of 4 bytes", ShapeError);
  CHECK_THROWS_WITH_AS(fit_square(RawArray{DType::u8, {2, 2, 3}, Bytes(4)}, 2, square),
                       "fit_square: image must be u8 [height, width, 3], got u8 [2, 2, 3] of 4 bytes", ShapeError);
  CHECK_THROWS_WITH_AS(fit_square(make_image(0, 3), 2, square),
                       "fit_square: image must be u8 [height, width, 3], got u8 [0, 3, 3] of 0 bytes", ShapeError);
  CHECK_THROWS_WITH_AS(fit_square(make_image(3, 3), 3, square),
                       "fit_square: square must have size x size x 3 values with size >= 1, got size 3 and 12 values",
                       ShapeError);
  CHECK_THROWS_AS(fit_square(make_image(3, 3), 0, {}), ShapeError);
}
