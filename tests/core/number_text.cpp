#include <lotar/core/number_text.hpp>

#include <cstdlib>
#include <limits>

#include "../test.hpp"

using lotar::number_text;

TEST_CASE("a number's text is the shortest that reads back") {
  CHECK(number_text(0.1) == "0.1");
  CHECK(number_text(0.1f) == "0.1");
  CHECK(number_text(1.0) == "1");
  CHECK(number_text(-1e-9) == "-1e-09");
  CHECK(number_text(0.99999999) == "0.99999999");
  using Limits = std::numeric_limits<double>;
  CHECK(number_text(Limits::infinity()) == "inf");
  for (const double value : {1.0 / 3, -1e-60, Limits::denorm_min(), -Limits::max(), -Limits::min(), 0.5e-6})
    CHECK(std::strtod(number_text(value).c_str(), nullptr) == value);
}
