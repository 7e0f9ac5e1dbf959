#include <lotar/augment/normalize.hpp>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("normalising agrees with torchvision, and by default changes nothing") {
  CHECK(max_difference(apply({6, 7}, imagenet_normalize), expected::augment.at("normalize")) < 1e-5f);
  CHECK(apply({6, 7}, Normalize{}) == apply({6, 7}));
}

TEST_CASE("a deviation of 0 is refused") {
  CHECK_THROWS_WITH_AS(Normalize({.deviation = {1, 0, 1}}).check({6, 7}),
                       "Normalize: mean must be finite and deviation > 0, got 0.000000 and 0.000000 for channel 1",
                       ConfigError);
}
