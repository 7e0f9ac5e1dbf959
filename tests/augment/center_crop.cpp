#include <lotar/augment/center_crop.hpp>

#include "apply.hpp"

using namespace lotar;

TEST_CASE("the middle is cut out") {
  const auto whole = apply({6, 7}), got = apply({6, 7}, CenterCrop{3, 3});  // top 1, left 2
  REQUIRE(got.size() == 27);
  for (std::size_t y = 0; y < 3; ++y)
    for (std::size_t x = 0; x < 9; ++x) CHECK(got[y * 9 + x] == whole[(y + 1) * 21 + 6 + x]);
  CHECK(apply({6, 7}, CenterCrop{6, 7}) == whole);
}

TEST_CASE("images that are too small are refused, and so are empty outputs") {
  CHECK_THROWS_WITH_AS(CenterCrop({8, 8}).check({9, 7}), "CenterCrop: images must be at least 8x8, got 9x7",
                       ShapeError);
  CHECK_THROWS_WITH_AS(CenterCrop({0, 8}).check({9, 9}), "CenterCrop: the output must have at least one pixel, got 0x8",
                       ConfigError);
}
