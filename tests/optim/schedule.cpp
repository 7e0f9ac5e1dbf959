#include <lotar/optim/schedule.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("warm-up, peak, and half a cosine to the final rate") {
  const std::vector<float> rates =
      learning_rates({.learning_rate = .5, .warmup_epochs = 2, .epochs = 10, .steps_per_epoch = 4});
  REQUIRE(rates.size() == 40);
  CHECK(rates[0] == .5f / 8);  // the first update is number 1 of 8 of the warm-up
  CHECK(rates[3] == .25f);
  CHECK(rates[7] == .5f);
  CHECK(rates[23] == doctest::Approx((.5 + 1e-6) / 2));  // half way
  CHECK(rates[39] == 1e-6f);
  for (std::size_t s = 8; s <= 40; ++s) {
    const double x = static_cast<double>(s - 8) / 32;
    CHECK(rates[s - 1] ==
          doctest::Approx(1e-6 + (.5 - 1e-6) * .5 * (1 + std::cos(3.14159265358979 * x))).epsilon(1e-6));
  }
}

TEST_CASE("no warm-up, and nothing but warm-up") {
  const std::vector<float> cosine = learning_rates(
      {.learning_rate = 1, .final_learning_rate = 0, .warmup_epochs = 0, .epochs = 1, .steps_per_epoch = 3});
  CHECK(cosine[0] == .75f);
  CHECK(cosine[1] == doctest::Approx(.25));
  CHECK(cosine[2] == doctest::Approx(0));
  CHECK(learning_rates({.learning_rate = 1, .warmup_epochs = 2, .epochs = 2, .steps_per_epoch = 2}) ==
        std::vector<float>{.25f, .5f, .75f, 1});
  CHECK(learning_rates({.learning_rate = 1, .warmup_epochs = 4, .epochs = 1, .steps_per_epoch = 2}) ==
        std::vector<float>{.125f, .25f});
  CHECK(
      learning_rates({.learning_rate = 1, .warmup_epochs = std::size_t{1} << 63, .epochs = 1, .steps_per_epoch = 2}) ==
      std::vector<float>{0x1p-64f, 0x1p-63f});
}

TEST_CASE("what makes no schedule is refused") {
  ScheduleOptions options{.epochs = 1, .steps_per_epoch = 1};
  options.learning_rate = 0;
  CHECK_THROWS_WITH_AS(learning_rates(options), "learning_rates: learning_rate must be finite and > 0, got 0",
                       ConfigError);
  options.learning_rate = NAN;
  CHECK_THROWS_WITH_AS(learning_rates(options), "learning_rates: learning_rate must be finite and > 0, got nan",
                       ConfigError);
  options.learning_rate = 1;
  options.final_learning_rate = -1;
  CHECK_THROWS_WITH_AS(learning_rates(options), "learning_rates: final_learning_rate must be finite and >= 0, got -1",
                       ConfigError);
  options.final_learning_rate = 0;
  options.steps_per_epoch = 0;
  CHECK_THROWS_WITH_AS(learning_rates(options), "learning_rates: epochs and steps_per_epoch must be >= 1, got 1 and 0",
                       ConfigError);
  options.steps_per_epoch = 65536;
  options.epochs = 65536;
  CHECK_THROWS_WITH_AS(learning_rates(options),
                       "learning_rates: wanted at most 4294967295 steps, got 65536 epochs of 65536", ConfigError);
  options.steps_per_epoch = 2;
  options.epochs = (std::size_t{1} << 63) + 1;  // whose steps would be 2
  CHECK_THROWS_WITH_AS(learning_rates(options),
                       "learning_rates: wanted at most 4294967295 steps, got 9223372036854775809 epochs of 2",
                       ConfigError);
}
