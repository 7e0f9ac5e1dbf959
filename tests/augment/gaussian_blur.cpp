#include <lotar/augment/gaussian_blur.hpp>

#include <cmath>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("given blurs agree with torchvision") {
  const auto blurred = [](std::size_t kernel, float sigma) {
    return apply({6, 7}, given(GaussianBlur{.kernel = kernel}, {true, sigma}));
  };
  CHECK(max_difference(blurred(3, 0.7f), expected::augment.at("blur 3 0.7")) < 1e-5f);
  CHECK(max_difference(blurred(5, 1.5f), expected::augment.at("blur 5 1.5")) < 1e-5f);
  CHECK(max_difference(blurred(11, 2), expected::augment.at("blur 11 2")) < 1e-5f);  // reflects all but the far border
}

TEST_CASE("a kernel of one pixel, a narrow one and no draw change nothing") {
  const auto whole = apply({6, 7});
  CHECK(max_difference(apply({6, 7}, given(GaussianBlur{.kernel = 1}, {true, 1})), whole) < 1e-6f);
  CHECK(max_difference(apply({6, 7}, given(GaussianBlur{.kernel = 5}, {true, 0.05f})), whole) < 1e-6f);
  CHECK(apply({6, 7}, given(GaussianBlur{}, {false, 1})) == whole);
}

TEST_CASE("widths are uniform and blurs have their probability") {
  std::size_t blurs = 0;
  double sum = 0;
  for (const auto& p : draws(GaussianBlur{}, {6, 7}, 4000)) {
    blurs += p.apply;
    sum += static_cast<double>(p.sigma);
    REQUIRE(p.sigma >= 0.1f);
    REQUIRE(p.sigma <= 2.f);
  }
  CHECK(std::abs(static_cast<double>(blurs) - 2000) <= 5 * std::sqrt(1000.));
  CHECK(std::abs(sum / 4000 - 1.05) < 5 * 1.9 / std::sqrt(12. * 4000));
}

TEST_CASE("options and images that do not fit are refused") {
  CHECK_THROWS_WITH_AS(GaussianBlur({.kernel = 4}).check({6, 7}), "GaussianBlur: kernel must be odd, got 4",
                       ConfigError);
  CHECK_THROWS_WITH_AS(GaussianBlur({.sigma_low = 0}).check({6, 7}),
                       "GaussianBlur: sigma must satisfy 0 < low <= high <= 1000, got 0 and 2", ConfigError);
  CHECK_THROWS_WITH_AS(GaussianBlur({.sigma_low = 1e-50}).check({6, 7}),
                       "GaussianBlur: sigma must satisfy 0 < low <= high <= 1000, got 1e-50 and 2, which are used as 0 "
                       "and 2",
                       ConfigError);
  CHECK_THROWS_WITH_AS(GaussianBlur({.kernel = 13}).check({6, 7}),
                       "GaussianBlur: a kernel of 13 needs images larger than 6x6, got 6x7", ShapeError);
}
