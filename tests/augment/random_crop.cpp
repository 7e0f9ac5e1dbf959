#include <lotar/augment/random_crop.hpp>

#include <cmath>

#include "apply.hpp"

using namespace lotar;

namespace {

/// The part of the padded picture, pixel by pixel.
std::vector<float> part(ImageSize in, ImageSize out, std::size_t padding, std::size_t top, std::size_t left) {
  const auto whole = apply(in);
  std::vector<float> values;
  for (std::size_t y = top; y < top + out.height; ++y)
    for (std::size_t x = left; x < left + out.width; ++x)
      for (std::size_t c = 0; c < 3; ++c) {
        const bool black = y < padding || x < padding || y >= in.height + padding || x >= in.width + padding;
        values.push_back(black ? 0 : whole[((y - padding) * in.width + x - padding) * 3 + c]);
      }
  return values;
}

}  // namespace

TEST_CASE("a crop is a part of the image in a black frame") {
  for (std::size_t top = 0; top <= 4; ++top)
    for (std::size_t left = 0; left <= 4; ++left)
      CHECK(apply({6, 7}, given(RandomCrop{.padding = 2}, {top, left})) == part({6, 7}, {6, 7}, 2, top, left));
  CHECK(apply({6, 7}, given(RandomCrop{}, {4, 4})) == apply({6, 7}));
  CHECK(apply({6, 7}, given(RandomCrop{.height = 14, .width = 15}, {0, 0})) == part({6, 7}, {14, 15}, 4, 0, 0));
  CHECK(apply({6, 7}, given(RandomCrop{.height = 3, .padding = 1}, {5, 2})) == part({6, 7}, {3, 7}, 1, 5, 2));
  CHECK(apply({6, 7}, given(RandomCrop{.height = 2, .width = 3, .padding = 0}, {4, 1})) ==
        part({6, 7}, {2, 3}, 0, 4, 1));
}

TEST_CASE("the places are uniform") {
  constexpr std::size_t n = 18000;
  std::size_t count[9][9] = {}, outside = 0;
  for (const auto& p : draws(RandomCrop{}, {32, 32}, n))
    if (p.top < 9 && p.left < 9)
      ++count[p.top][p.left];
    else
      ++outside;
  CHECK(outside == 0);
  for (const auto& row : count)
    for (const std::size_t k : row)
      CHECK(std::abs(static_cast<double>(k) - n / 81.) < 5 * std::sqrt(n / 81. * 80 / 81));
  for (const auto& p : draws(RandomCrop{.height = 6, .width = 5, .padding = 0}, {6, 7}, 100)) {
    CHECK(p.top == 0);
    CHECK(p.left <= 2);
  }
}

TEST_CASE("crops that do not fit are refused") {
  CHECK_NOTHROW(RandomCrop{.height = 14}.check({6, 7}));
  CHECK_THROWS_WITH_AS(RandomCrop{.width = 16}.check({6, 7}),
                       "RandomCrop: padded images must be at least 6x16, got 14x15", ShapeError);
  CHECK_THROWS_WITH_AS(RandomCrop{.padding = 40000}.check({6, 7}),
                       "RandomCrop: padding must be at most 32768, got 40000", ConfigError);
}
