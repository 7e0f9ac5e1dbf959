#include <lotar/augment/rand_augment.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <lotar/augment/resize.hpp>

#include "../reference/rand_augment.hpp"
#include "apply.hpp"

using namespace lotar;

namespace {

using Kind = RandAugment::Kind;
using Parameters = RandAugment::Parameters;

Parameters all(const std::vector<expected::PillowStep>& steps) {
  Parameters p;
  for (std::size_t k = 0; k < steps.size(); ++k)
    p.step[k] = {static_cast<Kind>(steps[k].kind), true, steps[k].value, steps[k].x, steps[k].y};
  return p;
}

/// What they make of the picture; all 999 unless every value is a multiple of 1/255.
std::vector<int> bytes(ImageSize size, const Parameters& p) {
  std::vector<int> values;
  std::size_t between = 0;
  for (const float v : apply(size, given(RandAugment{}, p))) {
    values.push_back(static_cast<int>(std::lround(255 * v)));
    between += v != 1.f / 255.f * static_cast<float>(values.back());
  }
  return between == 0 ? values : std::vector<int>(values.size(), 999);
}

std::uint64_t fnv1a(const std::vector<int>& values) {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const int v : values) hash = (hash ^ static_cast<std::uint64_t>(v)) * 0x100000001B3;
  return hash;
}

}  // namespace

TEST_CASE("given operations agree with Pillow to the byte") {
  for (const expected::PillowCase& wanted : expected::rand_augment) {
    std::string name;
    for (const auto& step : wanted.steps) name += std::to_string(step.kind) + ":" + std::to_string(step.value) + " ";
    CAPTURE(name);
    const Parameters p = all(wanted.steps);
    if (!wanted.small.empty()) CHECK(bytes({6, 7}, p) == std::vector<int>(wanted.small.begin(), wanted.small.end()));
    CHECK(fnv1a(bytes({32, 32}, p)) == wanted.square);
    CHECK(fnv1a(bytes({13, 21}, p)) == wanted.oblong);
  }
}

TEST_CASE("operations that undo one another") {
  const auto whole = bytes({6, 7}, all({{expected::posterize, 8}}));
  REQUIRE(whole.size() == 126);
  const std::vector<std::uint8_t> source = picture({6, 7});
  CHECK(whole == std::vector<int>(source.begin(), source.end()));
  const auto same = [&](std::vector<expected::PillowStep> steps) { return bytes({6, 7}, all(steps)) == whole; };
  CHECK(same({{expected::invert}, {expected::invert}}));
  CHECK(same({{expected::invert}, {expected::solarize, 0}}));
  for (const auto k : {expected::contrast, expected::color, expected::brightness, expected::sharpness})
    CHECK(same({{k, 1}}));
  for (const auto k : {expected::shear_x, expected::shear_y, expected::translate_x, expected::translate_y,
                       expected::rotate, expected::cutout})
    CHECK(same({{k, 0}}));
  CHECK_FALSE(same({{expected::invert}}));
  // a half turn and a quarter of a square: Pillow copies pixels there
  const auto square = bytes({6, 6}, {});
  CHECK(bytes({6, 6}, all({{expected::rotate, 90}, {expected::rotate, 90}, {expected::rotate, 180}})) == square);
}

TEST_CASE("images with a single colour have neither contrast nor order") {
  const auto black = [](expected::PillowKind k) { return bytes({32, 32}, all({{expected::brightness, 0}, {k}})); };
  CHECK(black(expected::auto_contrast) == std::vector<int>(3072, 0));
  CHECK(black(expected::equalize) == std::vector<int>(3072, 0));
}

TEST_CASE("an image to which nothing is applied keeps its bits") {
  // floats that are no bytes: of a resampled picture
  const auto odd = [](const auto&... last) { return apply({6, 7}, Resize{11, 12}, last...); };
  CHECK(odd(given(RandAugment{}, Parameters{})) == odd());
  // and otherwise becomes the nearest bytes
  std::vector<float> nearest;
  for (const float v : odd()) nearest.push_back(1.f / 255.f * std::round(255 * v));
  CHECK(odd(given(RandAugment{}, all({{expected::posterize, 8}}))) == nearest);
  std::size_t applied = 0;
  for (const auto& p : draws(RandAugment{.operations = 8, .probability = 0}, {32, 32}, 500))
    for (const auto& step : p.step) applied += step.apply;
  CHECK(applied == 0);
}

TEST_CASE("kinds are uniform, applied with the probability, of the magnitude, of either sign, and cut out anywhere") {
  constexpr std::size_t n = 30000;
  const RandAugment operation{.operations = 2, .probability = 0.3, .magnitude = 21};
  std::size_t kinds[2][15] = {}, applied[15] = {}, negative[15] = {}, repeated = 0, more = 0, outside = 0;
  const float values[15] = {0.42f, 0.42f, 0.462f, 0.462f, 42,    0.7f,  0.7f, 0.7f,
                            77,    6.8f,  1.36f,  1.36f,  1.36f, 1.36f, 0.28f};
  double x = 0, y = 0, off = 0;
  for (const Parameters& p : draws(operation, {20, 30}, n)) {
    for (std::size_t k = 0; k < 2; ++k) {
      const auto& step = p.step[k];
      const auto kind = static_cast<std::size_t>(step.kind);
      REQUIRE(kind < 15);
      ++kinds[k][kind];
      applied[kind] += step.apply;
      negative[kind] += step.value < 0;
      off = std::max(off, static_cast<double>(std::abs(std::abs(step.value) / values[kind] - 1)));
      outside += !(step.x >= 0 && step.x <= 30 && step.y >= 0 && step.y <= 20);
      x += static_cast<double>(step.x), y += static_cast<double>(step.y);
    }
    repeated += p.step[0].kind == p.step[1].kind;
    for (std::size_t k = 2; k < RandAugment::most_operations; ++k) more += p.step[k].apply;
  }
  const auto near = [](std::size_t got, double trials, double chance) {
    return std::abs(static_cast<double>(got) - trials * chance) <= 5 * std::sqrt(trials * chance * (1 - chance));
  };
  for (std::size_t kind = 0; kind < 15; ++kind) {
    CAPTURE(kind);
    CHECK(near(kinds[0][kind], n, 1. / 15));
    CHECK(near(kinds[1][kind], n, 1. / 15));
    const auto trials = static_cast<double>(kinds[0][kind] + kinds[1][kind]);
    CHECK(near(applied[kind], trials, 0.3));
    CHECK(near(negative[kind], trials, kind < 5 ? 0.5 : 0));
  }
  CHECK(near(repeated, n, 1. / 15));
  CHECK(more == 0);
  CHECK(off < 1e-6);
  CHECK(outside == 0);
  CHECK(std::abs(x / (2 * n) - 15) < 5 * 30 / std::sqrt(12. * 2 * n));
  CHECK(std::abs(y / (2 * n) - 10) < 5 * 20 / std::sqrt(12. * 2 * n));
}

TEST_CASE("draws are the same on every backend, for ever") {
  const RandAugment::Step golden[3][2] = {
      {{Kind::shear_x, false, -0x1.99999cp-2f, 0x1.dcf17cp+3f, 0x1.e04c38p+3f},
       {Kind::translate_x, false, -0x1.c28f5ep-2f, 0x1.bae79ep+4f, 0x1.a195fp+4f}},
      {{Kind::sharpness, false, 0x1.4cccccp+0f, 0x1.415fap+0f, 0x1.6f6982p+4f},
       {Kind::brightness, true, 0x1.4cccccp+0f, 0x1.27de7cp+4f, 0x1.6a159cp+3f}},
      {{Kind::auto_contrast, true, 0x1.555556p-1f, 0x1.59306p+0f, 0x1.4f0154p+3f},
       {Kind::color, false, 0x1.4cccccp+0f, 0x1.c2d13cp+3f, 0x1.786bp-1f}},
  };
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    CAPTURE(seed);
    const Parameters got = draws(RandAugment{.operations = 2}, {32, 32}, 3, seed)[2];
    for (std::size_t k = 0; k < 2; ++k) {
      const RandAugment::Step &step = got.step[k], &wanted = golden[seed][k];
      CHECK(static_cast<int>(step.kind) == static_cast<int>(wanted.kind));
      CHECK(step.apply == wanted.apply);
      CHECK(step.value == wanted.value);
      CHECK(step.x == wanted.x);
      CHECK(step.y == wanted.y);
    }
  }
}

TEST_CASE("options out of range are refused") {
  CHECK_THROWS_WITH_AS(RandAugment{.operations = 0}.check({6, 7}), "RandAugment: operations must be 1 to 8, got 0",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.operations = 9}.check({6, 7}), "RandAugment: operations must be 1 to 8, got 9",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.probability = 1.5}.check({6, 7}),
                       "RandAugment: probability must be in [0, 1], got 1.5", ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.magnitude = 31}.check({6, 7}), "RandAugment: magnitude must be in [0, 30], got 31",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.magnitude = std::nan("")}.check({6, 7}),
                       "RandAugment: magnitude must be in [0, 30], got nan", ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{}.check({6, 8193}), "RandAugment: images must be at most 8192x8192, got 6x8193",
                       ShapeError);
}
