#include <lotar/core/checks.hpp>

#include <cmath>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("a positive value is finite and > 0, also as the type that it is used as") {
  CHECK_NOTHROW(check_positive("F", "x", 1e-300));
  CHECK_NOTHROW(check_positive<float>("F", "x", 1e-30));
  CHECK_THROWS_WITH_AS(check_positive("F", "x", 0), "F: x must be finite and > 0, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(check_positive("F", "x", -1), "F: x must be finite and > 0, got -1", ConfigError);
  CHECK_THROWS_WITH_AS(check_positive("F", "x", INFINITY), "F: x must be finite and > 0, got inf", ConfigError);
  CHECK_THROWS_WITH_AS(check_positive("F", "x", NAN), "F: x must be finite and > 0, got nan", ConfigError);
  CHECK_THROWS_WITH_AS(check_positive<float>("F", "x", 1e-60),
                       "F: x must be finite and > 0, got 1e-60, which is used as 0", ConfigError);
  CHECK_THROWS_WITH_AS(check_positive<float>("F", "x", 1e60),
                       "F: x must be finite and > 0, got 1e+60, which is used as inf", ConfigError);
}

TEST_CASE("a value that is not negative is finite and >= 0") {
  CHECK_NOTHROW(check_not_negative("F", "x", 0));
  CHECK_THROWS_AS(check_not_negative<float>("F", "x", 1e60), ConfigError);
  CHECK_THROWS_WITH_AS(check_not_negative("F", "x", -1), "F: x must be finite and >= 0, got -1", ConfigError);
  CHECK_THROWS_WITH_AS(check_not_negative("F", "x", INFINITY), "F: x must be finite and >= 0, got inf", ConfigError);
  CHECK_THROWS_WITH_AS(check_not_negative("F", "x", NAN), "F: x must be finite and >= 0, got nan", ConfigError);
}

TEST_CASE("a fraction is in [0, 1)") {
  CHECK_NOTHROW(check_fraction("F", "x", 0));
  CHECK_NOTHROW(check_fraction("F", "x", .99999999));
  CHECK_THROWS_WITH_AS(check_fraction<float>("F", "x", .99999999),
                       "F: x must be in [0, 1), got 0.99999999, which is used as 1", ConfigError);
  CHECK_THROWS_WITH_AS(check_fraction("F", "x", 1), "F: x must be in [0, 1), got 1", ConfigError);
  CHECK_THROWS_WITH_AS(check_fraction("F", "x", -.5), "F: x must be in [0, 1), got -0.5", ConfigError);
  CHECK_THROWS_WITH_AS(check_fraction("F", "x", NAN), "F: x must be in [0, 1), got nan", ConfigError);
}

TEST_CASE("a value is within limits, before and after it is rounded") {
  CHECK_NOTHROW(check_within("F", "x", -1, .5, -1));
  CHECK_NOTHROW(check_within<float>("F", "x", -1, .5, .5));
  CHECK_THROWS_WITH_AS(check_within("F", "x", -1, .5, .75), "F: x must be in [-1, 0.5], got 0.75", ConfigError);
  CHECK_THROWS_WITH_AS(check_within("F", "x", 0, 1, NAN), "F: x must be in [0, 1], got nan", ConfigError);
  CHECK_THROWS_WITH_AS(check_within<float>("F", "x", 0, 1, -1e-60), "F: x must be in [0, 1], got -1e-60", ConfigError);
  CHECK_THROWS_WITH_AS(check_within<float>("F", "x", 0, .1, .1),
                       "F: x must be in [0, 0.1], got 0.1, which is used as 0.10000000149011612", ConfigError);
}
