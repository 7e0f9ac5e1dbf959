#include <lotar/eval/rank_correlation.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "../reference/diagnostics.hpp"
#include "../test.hpp"

using lotar::rank_correlation;
using Values = std::vector<double>;

TEST_CASE("what rises together has 1, whatever the curve, and what falls -1") {
  const Values x = {3, -1, 7, 0.5, 100}, cube = {27, -1, 343, 0.125, 1e6}, falling = {-3, 1, -7, -0.5, -1e9};
  CHECK(rank_correlation(x, cube) == doctest::Approx(1).epsilon(1e-15));
  CHECK(rank_correlation(x, falling) == doctest::Approx(-1).epsilon(1e-15));
  CHECK(rank_correlation(Values{1, 2}, Values{-std::numeric_limits<double>::infinity(), 0}) == doctest::Approx(1));
}

TEST_CASE("equal values share the mean of their ranks, by hand") {
  // ranks 1.5, 1.5, 3 and 1, 2, 3: the sum of products is 1.5, those of squares are 1.5 and 2
  CHECK(rank_correlation(Values{1, 1, 2}, Values{1, 2, 3}) == doctest::Approx(1.5 / std::sqrt(3)).epsilon(1e-15));
  // ranks 2, 2, 2, 4 and 3.5, 3.5, 1.5, 1.5
  CHECK(rank_correlation(Values{0, 0, 0, 5}, Values{9, 9, 2, 2}) == doctest::Approx(-2 / std::sqrt(12)).epsilon(1e-15));
}

TEST_CASE("a reference agrees, and ties are told exactly") {
  Values x, y, cube, falling;
  for (int i = 0; i < 40; ++i) {
    x.push_back(17 * i % 41 - 20);
    y.push_back(i * i % 11);
    cube.push_back(std::pow(x.back(), 3));
    falling.push_back(-y.back());
  }
  CHECK(rank_correlation(x, y) == doctest::Approx(expected::rank_correlations[0]).epsilon(1e-12));
  CHECK(rank_correlation(y, x) == doctest::Approx(expected::rank_correlations[0]).epsilon(1e-12));
  CHECK(rank_correlation(x, cube) == doctest::Approx(expected::rank_correlations[1]).epsilon(1e-12));
  CHECK(rank_correlation(x, falling) == doctest::Approx(expected::rank_correlations[2]).epsilon(1e-12));
}

TEST_CASE("what has no order has no correlation") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(rank_correlation(Values{1, 1, 1}, Values{1, 2, 3})));
  CHECK(std::isnan(rank_correlation(Values{1, 2, 3}, Values{4, 4, 4})));
  CHECK(std::isnan(rank_correlation(Values{1, nan, 3}, Values{1, 2, 3})));
  CHECK(std::isnan(rank_correlation(Values{1, 2, 3}, Values{1, 2, nan})));
  CHECK(std::isnan(rank_correlation(Values{1}, Values{2})));
  CHECK(std::isnan(rank_correlation(Values{}, Values{})));
  CHECK_THROWS_WITH_AS(rank_correlation(Values{1, 2, 3}, Values{1, 2}), "rank_correlation: y must be [3], got [2]",
                       lotar::ShapeError);
}
