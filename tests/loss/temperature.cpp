#include <lotar/loss/temperature.hpp>

#include <cstddef>
#include <vector>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("a temperature goes from high to low and back in a period") {
  const std::vector<float> t = temperatures({.low = .1, .high = 1, .period = 4}, 9);
  const std::vector<double> wanted{.55, .1, .55, 1, .55, .1, .55, 1, .55};
  REQUIRE(t.size() == wanted.size());
  for (std::size_t i = 0; i < t.size(); ++i) CHECK(static_cast<double>(t[i]) == doctest::Approx(wanted[i]));
  // epoch 1 of the paper's: 0.1 + 0.45 (1 + cos(pi / 200))
  CHECK(static_cast<double>(temperatures({.low = .1, .high = 1}, 1)[0]) == doctest::Approx(0.99994448));
  CHECK(temperatures({.low = .2}, 2) == std::vector<float>{.2f, .2f});
}

TEST_CASE("a temperature out of range is refused") {
  CHECK_THROWS_WITH_AS(temperatures({.low = 0}, 1), "temperature: the lowest must be finite and > 0, got 0",
                       ConfigError);
  CHECK_THROWS_WITH_AS(temperatures({.low = .5, .high = .1}, 1),
                       "temperature: the highest must be finite and at least the lowest, 0.5, got 0.1", ConfigError);
  CHECK_THROWS_WITH_AS(temperatures({.high = 1, .period = 0}, 1), "temperature: the period must be >= 1 epoch, got 0",
                       ConfigError);
}
