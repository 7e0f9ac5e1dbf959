#include <lotar/augment/random_resized_crop.hpp>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "../reference/augment.hpp"
#include "apply.hpp"

using namespace lotar;

TEST_CASE("given crops agree with torchvision with antialiasing and with PIL") {
  for (const auto& [mode, interpolation] :
       {std::pair{"bilinear", Interpolation::bilinear}, std::pair{"bicubic", Interpolation::bicubic}}) {
    const auto compare = [&, interpolation = interpolation](const std::string& name, Crop crop, ImageSize out) {
      CAPTURE(name);
      const RandomResizedCrop operation{.height = out.height, .width = out.width, .interpolation = interpolation};
      const auto got = apply({13, 11}, given(operation, crop));
      CHECK(max_difference(got, expected::augment.at(name)) < 1e-5f);
      CHECK(mean_levels(got, expected::augment.at(name + " pil")) < 0.5);
    };
    compare(std::string("enlarge ") + mode, {2, 1, 9, 7}, {12, 10});
    compare(std::string("mixed ") + mode, {1, 3, 12, 6}, {7, 9});
    compare(std::string("shrink ") + mode, {0, 0, 13, 11}, {4, 3});
  }
}

TEST_CASE("the crop of everything at the same size is the identity") {
  for (const Interpolation i : {Interpolation::bilinear, Interpolation::bicubic}) {
    const RandomResizedCrop operation{.height = 13, .width = 11, .interpolation = i};
    CHECK(apply({13, 11}, given(operation, {0, 0, 13, 11})) == apply({13, 11}));
  }
}

TEST_CASE("crops have the areas and ratios asked for, lie inside, and reach everywhere") {
  const ImageSize in{40, 64};
  const auto crops = draws(RandomResizedCrop{}, in, 4000);
  double area_low = 1, area_high = 0, ratio_low = 2, ratio_high = 0, log_ratio = 0;
  std::size_t top = 0, left = 0, outside = 0;
  for (const Crop& c : crops) {
    const auto h = static_cast<double>(c.height), w = static_cast<double>(c.width);
    outside += c.height < 1 || c.width < 1 || c.top + c.height > in.height || c.left + c.width > in.width;
    area_low = std::min(area_low, h * w / static_cast<double>(in.pixels()));
    area_high = std::max(area_high, h * w / static_cast<double>(in.pixels()));
    ratio_low = std::min(ratio_low, (w + 0.5) / (h - 0.5)), ratio_high = std::max(ratio_high, (w - 0.5) / (h + 0.5));
    log_ratio += std::log(w / h);
    top += c.top == 0, left += c.left + c.width == in.width;
  }
  CHECK(outside == 0);
  // Sides are rounded: at 14x14 and up, half a pixel of each is 8 % of the area.
  CHECK(area_low > 0.08 * 0.92);
  CHECK(area_low < 0.10);
  CHECK(area_high > 0.70);  // a ratio of 4/3 allows 40 * 53 of 40 * 64 pixels
  CHECK(area_high <= 40. * 54 / (40 * 64));
  CHECK(ratio_low > 0.75);
  CHECK(ratio_high < 4. / 3);
  CHECK(top > 0);
  CHECK(left > 0);

  // Where every shape fits, areas are uniform and logarithms of ratios too: means within 5 deviations.
  const auto small = draws(RandomResizedCrop{.scale_low = 0.1, .scale_high = 0.5}, {1000, 1000}, 4000);
  double area = 0;
  log_ratio = 0;
  for (const Crop& c : small) {
    area += static_cast<double>(c.height * c.width) / 1e6;
    log_ratio += std::log(static_cast<double>(c.width) / static_cast<double>(c.height));
  }
  CHECK(std::abs(area / 4000 - 0.3) < 5 * 0.4 / std::sqrt(12. * 4000));
  CHECK(std::abs(log_ratio / 4000) < 5 * 2 * std::log(4. / 3) / std::sqrt(12. * 4000));
}

TEST_CASE("where no shape fits, the largest central part of a permitted ratio is taken") {
  const RandomResizedCrop all{.scale_low = 1};
  const Crop wide = draws(all, {6, 60}, 1)[0], tall = draws(all, {60, 6}, 1)[0];
  CHECK(wide.height == 6);
  CHECK(wide.width == 8);
  CHECK(wide.top == 0);
  CHECK(wide.left == 26);
  CHECK(tall.height == 8);
  CHECK(tall.width == 6);
  CHECK(tall.top == 26);
  CHECK(tall.left == 0);
  const RandomResizedCrop long_only{.scale_low = 1, .ratio_low = 1, .ratio_high = 1};
  CHECK(draws(long_only, {1, 3}, 1)[0].width == 1);
}

TEST_CASE("draws are the same on every backend, for ever") {
  const Crop golden[4] = {{3, 10, 10, 11}, {0, 0, 30, 31}, {6, 0, 23, 18}, {17, 1, 13, 17}};
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const Crop got = draws(RandomResizedCrop{}, {32, 32}, 3, seed)[2], want = golden[seed];
    CAPTURE(seed);
    CHECK(got.top == want.top);
    CHECK(got.left == want.left);
    CHECK(got.height == want.height);
    CHECK(got.width == want.width);
  }
}

TEST_CASE("options out of range are refused") {
  CHECK_THROWS_WITH_AS(RandomResizedCrop({.scale_low = 0.5, .scale_high = 0.2}).check({32, 32}),
                       "RandomResizedCrop: scale must satisfy 0 < low <= high <= 1, got 0.5 and 0.2", ConfigError);
  CHECK_THROWS_WITH_AS(RandomResizedCrop({.ratio_low = 0}).check({32, 32}),
                       "RandomResizedCrop: ratio must satisfy 0 < low <= high <= 1000, got 0 and 1.3333333333333333",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandomResizedCrop({.ratio_low = 1e-50, .ratio_high = 2}).check({32, 32}),
                       "RandomResizedCrop: ratio must satisfy 0 < low <= high <= 1000, got 1e-50 and 2, which are used "
                       "as 0 and 2",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandomResizedCrop({.height = 0}).check({32, 32}),
                       "RandomResizedCrop: the output must have at least one pixel, got 0x32", ConfigError);
}
