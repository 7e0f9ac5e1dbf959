#include <lotar/augment/resize.hpp>

#include <string>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("resizing agrees with torchvision with antialiasing and with PIL") {
  for (const Interpolation interpolation : {Interpolation::bilinear, Interpolation::bicubic}) {
    const std::string name = interpolation == Interpolation::bilinear ? "bilinear" : "bicubic";
    CAPTURE(name);
    const auto got = apply({13, 11}, Resize{4, 3, interpolation});
    CHECK(max_difference(got, expected::augment.at("shrink " + name)) < 1e-5f);
    CHECK(mean_levels(got, expected::augment.at("shrink " + name + " pil")) < 0.5);
  }
}

TEST_CASE("resizing to the same size changes nothing") {
  for (const Interpolation i : {Interpolation::bilinear, Interpolation::bicubic})
    CHECK(apply({6, 7}, Resize{6, 7, i}) == apply({6, 7}));
}

TEST_CASE("one pixel becomes a constant image, and any image its mean at one pixel if the filter covers it evenly") {
  const auto constant = apply({1, 1}, Resize{5, 3, Interpolation::bicubic});
  const auto pixel = unit_picture({1, 1});
  REQUIRE(constant.size() == 45);
  for (std::size_t i = 0; i < constant.size(); ++i) CHECK(constant[i] == doctest::Approx(pixel[i % 3]));
  // two pixels lie symmetrically under the triangle
  const auto two = unit_picture({1, 2}), mean = apply({1, 2}, Resize{1, 1});
  for (std::size_t c = 0; c < 3; ++c) CHECK(mean[c] == doctest::Approx((two[c] + two[3 + c]) / 2));
}

TEST_CASE("resizing to nothing is refused") {
  CHECK_THROWS_WITH_AS(Resize({4, 0}).check({6, 7}), "Resize: the output must have at least one pixel, got 4x0",
                       ConfigError);
}
