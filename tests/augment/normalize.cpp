#include <lotar/augment/normalize.hpp>

#include <cmath>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("normalising agrees with torchvision, and by default changes nothing") {
  CHECK(max_difference(apply({6, 7}, imagenet_normalize), expected::augment.at("normalize")) < 1e-5f);
  CHECK(apply({6, 7}, Normalize{}) == apply({6, 7}));
}

TEST_CASE("what would give pixels that are not finite is refused") {
  CHECK_THROWS_WITH_AS(
      Normalize({.deviation = {1, 0, 1}}).check({6, 7}),
      "Normalize: mean and deviation must be finite, deviation > 0, and (1 + |mean|) / deviation a finite "
      "float, got 0 and 0 for channel 1",
      ConfigError);
  CHECK_THROWS_WITH_AS(
      Normalize({.deviation = {1, 1, 1e-50}}).check({6, 7}),
      "Normalize: mean and deviation must be finite, deviation > 0, and (1 + |mean|) / deviation a finite "
      "float, got 0 and 1e-50 for channel 2",
      ConfigError);
  for (const double mean : {1e39, HUGE_VAL, std::nan("")})
    CHECK_THROWS_AS(Normalize({.mean = {mean, 0, 0}}).check({6, 7}), ConfigError);
  CHECK_THROWS_AS(Normalize({.deviation = {HUGE_VAL, 1, 1}}).check({6, 7}), ConfigError);
  // two terms that are finite, and their sum is not
  CHECK_THROWS_AS(Normalize({.mean = {-1, 0, 0}, .deviation = {4e-39, 1, 1}}).check({6, 7}), ConfigError);
  CHECK_NOTHROW(Normalize({.deviation = {4e-39, 1, 1}}).check({6, 7}));
}
