#include <lotar/augment/horizontal_flip.hpp>

#include <cmath>

#include "apply.hpp"

using namespace lotar;

TEST_CASE("a flip mirrors rows, and two are none") {
  const HorizontalFlip flip;
  const auto whole = apply({6, 7}), once = apply({6, 7}, given(flip, {true}));
  REQUIRE(once.size() == whole.size());
  std::size_t wrong = 0;
  for (std::size_t y = 0; y < 6; ++y)
    for (std::size_t x = 0; x < 7; ++x)
      for (std::size_t c = 0; c < 3; ++c) wrong += once[(y * 7 + x) * 3 + c] != whole[(y * 7 + 6 - x) * 3 + c];
  CHECK(wrong == 0);
  CHECK(once != whole);
  CHECK(apply({6, 7}, given(flip, {true}), given(flip, {true})) == whole);
  CHECK(apply({6, 7}, given(flip, {false})) == whole);
}

TEST_CASE("flips have their probability") {
  for (const double p : {0., 0.25, 1.}) {
    std::size_t flips = 0;
    for (const auto& drawn : draws(HorizontalFlip{p}, {6, 7}, 4000)) flips += drawn.flip;
    CHECK(std::abs(static_cast<double>(flips) - 4000 * p) <= 5 * std::sqrt(4000 * p * (1 - p)));
  }
}

TEST_CASE("a probability above 1 is refused") {
  CHECK_THROWS_WITH_AS(HorizontalFlip{1.5}.check({6, 7}), "HorizontalFlip: probability must be in [0, 1], got 1.5",
                       ConfigError);
}
