#include <lotar/augment/color_jitter.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "../reference/augment.hpp"
#include "../worst.hpp"
#include "apply.hpp"

using namespace lotar;

namespace {

using Parameters = ColorJitter::Parameters;

std::vector<float> jittered(const Parameters& p) { return apply({6, 7}, given(ColorJitter{}, p)); }

}  // namespace

TEST_CASE("given changes agree with torchvision and PIL") {
  const auto compare = [](const std::string& name, const Parameters& p, double levels = 0.5) {
    CAPTURE(name);
    const auto got = jittered(p);
    CHECK(max_difference(got, expected::augment.at(name)) < 1e-5f);
    CHECK(mean_levels(got, expected::augment.at(name + " pil")) < levels);
  };
  compare("brightness 1.3", {.apply = true, .brightness = 1.3f});
  compare("brightness 0.6", {.apply = true, .brightness = 0.6f});
  compare("contrast 1.35", {.apply = true, .contrast = 1.35f});
  compare("contrast 0.65", {.apply = true, .contrast = 0.65f});
  compare("saturation 1.4", {.apply = true, .saturation = 1.4f});
  compare("saturation 0.6", {.apply = true, .saturation = 0.6f});
  // PIL rounds hue, saturation and value to 8 bits each: 1/256 of the circle is 6 levels of a saturated colour
  compare("hue 0.1", {.apply = true, .hue = 0.1f}, 3);
  compare("hue -0.07", {.apply = true, .hue = -0.07f}, 3);
  compare("hue 0.5", {.apply = true, .hue = 0.5f}, 3);
  compare(
      "hue contrast brightness saturation",
      {.apply = true, .brightness = 0.8f, .contrast = 1.2f, .saturation = 1.3f, .hue = 0.05f, .order = {3, 1, 0, 2}},
      3);
}

TEST_CASE("neutral changes are none") {
  const auto whole = apply({6, 7});
  CHECK(jittered({.apply = true}) == whole);
  CHECK(jittered({.apply = false, .brightness = 0, .contrast = 0, .saturation = 0, .hue = 0.5f}) == whole);
  // three turns of a third: the circle
  const auto third = [](float turn) { return given(ColorJitter{}, {.apply = true, .hue = turn}); };
  CHECK(max_difference(apply({6, 7}, third(1.f / 3), third(1.f / 3), third(1.f / 3)), whole) < 1e-5f);
  CHECK(max_difference(apply({6, 7}, third(0.25f), third(-0.25f)), whole) < 1e-5f);
}

TEST_CASE("a turn of a third exchanges the channels") {
  const auto whole = apply({6, 7}), turned = jittered({.apply = true, .hue = 1.f / 3});
  float worst = 0;
  for (std::size_t i = 0; i < whole.size(); i += 3)
    for (std::size_t c = 0; c < 3; ++c) worst = worst_of(worst, std::abs(turned[i + (c + 1) % 3] - whole[i + c]));
  CHECK(worst < 1e-5f);
}

TEST_CASE("grey pixels have no hue and no saturation") {
  const auto grey = given(Grayscale{}, {true});
  const auto jitter = given(ColorJitter{}, {.apply = true, .saturation = 1.7f, .hue = 0.3f});
  CHECK(max_difference(apply({6, 7}, grey, jitter), apply({6, 7}, grey)) < 1e-4f);
}

TEST_CASE("all 24 orders are equally frequent, and factors uniform") {
  constexpr std::size_t n = 12000;
  std::map<std::array<int, 4>, std::size_t> orders;
  std::size_t applied = 0, outside = 0;
  double sum[4] = {};
  const ColorJitter options{.brightness = 0.4, .contrast = 0.3, .saturation = 1.5, .hue = 0.1, .probability = 0.8};
  for (const auto& p : draws(options, {6, 7}, n)) {
    if (!p.apply) continue;
    ++applied;
    ++orders[{p.order[0], p.order[1], p.order[2], p.order[3]}];
    outside += p.brightness < 0.6f || p.brightness > 1.4f || p.contrast < 0.7f || p.contrast > 1.3f ||
               p.saturation < 0 || p.saturation > 2.5f || p.hue < -0.1f || p.hue > 0.1f;
    sum[0] += static_cast<double>(p.brightness), sum[1] += static_cast<double>(p.contrast);
    sum[2] += static_cast<double>(p.saturation), sum[3] += static_cast<double>(p.hue);
  }
  const auto m = static_cast<double>(applied);
  CHECK(std::abs(m - 0.8 * n) < 5 * std::sqrt(n * 0.8 * 0.2));
  CHECK(outside == 0);
  CHECK(orders.size() == 24);
  for (const auto& [order, count] : orders)
    CHECK(std::abs(static_cast<double>(count) - m / 24) < 5 * std::sqrt(m / 24 * 23 / 24));
  const double mean[4] = {1, 1, 1.25, 0}, width[4] = {0.8, 0.6, 2.5, 0.2};
  for (std::size_t k = 0; k < 4; ++k) CHECK(std::abs(sum[k] / m - mean[k]) < 5 * width[k] / std::sqrt(12 * m));
}

TEST_CASE("draws are the same on every backend, for ever") {
  const Parameters golden[4] = {
      {true, 0x1.f351bp-1f, 0x1.6a8f6cp-1f, 0x1.46c03cp+0f, -0x1.e9e84ep-7f, {1, 3, 0, 2}},
      {false, 0x1p+0f, 0x1p+0f, 0x1p+0f, 0x0p+0f, {0, 1, 2, 3}},
      {true, 0x1.b933bcp-1f, 0x1.3bbe42p+0f, 0x1.459d92p+0f, -0x1.46472ep-4f, {2, 3, 1, 0}},
      {true, 0x1.952acep-1f, 0x1.5b69d2p+0f, 0x1.466296p+0f, 0x1.5f1434p-5f, {1, 0, 2, 3}},
  };
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const Parameters got = draws(ColorJitter{}, {32, 32}, 3, seed)[2], want = golden[seed];
    CAPTURE(seed);
    CHECK(got.apply == want.apply);
    CHECK(got.brightness == want.brightness);
    CHECK(got.contrast == want.contrast);
    CHECK(got.saturation == want.saturation);
    CHECK(got.hue == want.hue);
    for (std::size_t k = 0; k < 4; ++k) CHECK(int{got.order[k]} == int{want.order[k]});
  }
}

TEST_CASE("options out of range are refused") {
  CHECK_THROWS_WITH_AS(ColorJitter({.contrast = -1}).check({6, 7}),
                       "ColorJitter: contrast must be finite and >= 0, got -1", ConfigError);
  CHECK_THROWS_WITH_AS(ColorJitter({.brightness = 1e39}).check({6, 7}),
                       "ColorJitter: brightness must be finite and >= 0, got 1e+39, which is used as inf", ConfigError);
  CHECK_THROWS_WITH_AS(ColorJitter({.hue = 0.6}).check({6, 7}), "ColorJitter: hue must be in [0, 0.5], got 0.6",
                       ConfigError);
  CHECK_THROWS_WITH_AS(ColorJitter({.probability = 2}).check({6, 7}),
                       "ColorJitter: probability must be in [0, 1], got 2", ConfigError);
}
