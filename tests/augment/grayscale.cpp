#include <lotar/augment/grayscale.hpp>

#include <cmath>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("grey agrees with torchvision and PIL") {
  const auto got = apply({6, 7}, given(Grayscale{}, {true}));
  CHECK(max_difference(got, expected::augment.at("grayscale")) < 1e-6f);
  CHECK(mean_levels(got, expected::augment.at("grayscale pil")) < 0.5);
}

TEST_CASE("grey stays grey, and without the draw nothing changes") {
  const auto once = apply({6, 7}, given(Grayscale{}, {true}));
  const auto twice = apply({6, 7}, given(Grayscale{}, {true}), given(Grayscale{}, {true}));
  CHECK(max_difference(once, twice) < 2e-4f);  // the weights add up to 0.9999
  CHECK(apply({6, 7}, given(Grayscale{}, {false})) == apply({6, 7}));
}

TEST_CASE("greying has its probability") {
  std::size_t grey = 0;
  for (const auto& drawn : draws(Grayscale{}, {6, 7}, 4000)) grey += drawn.gray;
  CHECK(std::abs(static_cast<double>(grey) - 800) <= 5 * std::sqrt(4000 * 0.2 * 0.8));
}

TEST_CASE("a negative probability is refused") {
  CHECK_THROWS_WITH_AS(Grayscale{-0.5}.check({6, 7}), "Grayscale: probability must be in [0, 1], got -0.5",
                       ConfigError);
}
