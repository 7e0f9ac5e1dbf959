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

/// The magnitude behind the value of a shear or a translation, which is a part of 0.6 or 0.66.
float magnitude(const RandAugment::Step& step) {
  return std::abs(step.value) / (step.kind <= Kind::shear_y ? 0.6f : 0.66f) * 30;
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

TEST_CASE("with a memory each sample has its own probability and magnitude") {
  TestBackend b;
  std::vector<float> values(6000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? 0.f : i % 3 == 1 ? 0.6f : 1.f;
  const Tensor<float, 1, TestBackend> memory(b, {values.size()}, values);
  const auto views = [&](std::size_t operations, std::uint32_t epoch) {
    std::vector<std::vector<Parameters>> both;
    for (std::uint32_t view = 0; view < 2; ++view)
      both.push_back(draws(b, RandAugment{.operations = operations, .strengths = memory.data}, {32, 32}, values.size(),
                           {.seed = 7, .epoch = epoch, .view = view}));
    return both;
  };
  // One operation: M applies it, 10 + 20 M is its magnitude.
  std::size_t applied[3] = {}, wrong = 0, equal = 0;
  const auto one = views(1, 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (const auto& view : one) {
      const auto& step = view[i].step[0];
      applied[i % 3] += step.apply;
      if (step.kind <= Kind::translate_y) wrong += !(std::abs(magnitude(step) - (10 + 20 * values[i])) < 1e-4f);
    }
    equal += one[0][i].step[0].kind == one[1][i].step[0].kind;
  }
  CHECK(applied[0] == 0);
  CHECK(applied[2] == 4000);
  CHECK(std::abs(static_cast<double>(applied[1]) - 2400) < 5 * std::sqrt(4000 * 0.24));
  CHECK(wrong == 0);
  CHECK(std::abs(static_cast<double>(equal) - 400) < 5 * std::sqrt(400.));  // views draw for themselves: 6000 / 15

  // More: the magnitude is 5 + 25 M U, with one uniform U for both views and all operations, and another each epoch.
  std::size_t differ = 0, shares = 0, seen = 0;
  double sum = 0, squares = 0, products = 0, next_sum = 0;
  const auto two = views(2, 0), next = views(2, 1);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto share = [&](const std::vector<std::vector<Parameters>>& of) {
      float u = -1;
      for (const auto& view : of)
        for (std::size_t k = 0; k < 2; ++k) {
          const auto& step = view[i].step[k];
          if (step.kind > Kind::translate_y) continue;
          const float m = magnitude(step) - 5, own = values[i] == 0 ? m : m / (25 * values[i]);
          if (u < 0)
            u = own;
          else
            differ += !(std::abs(own - u) < 1e-4f), ++shares;
        }
      return u;
    };
    const float u = share(two), v = share(next);
    if (u < 0 || v < 0 || i % 3 == 0) continue;
    ++seen;
    sum += static_cast<double>(u), squares += static_cast<double>(u * u), products += static_cast<double>(u * v);
    next_sum += static_cast<double>(v);
  }
  CHECK(differ == 0);
  CHECK(shares > 1000);
  REQUIRE(seen > 1000);
  const auto n = static_cast<double>(seen);
  CHECK(std::abs(sum / n - 0.5) < 5 / std::sqrt(12 * n));
  CHECK(std::abs(squares / n - 1. / 3) < 5 * std::sqrt(4. / 45 / n));
  CHECK(std::abs(products / n - sum * next_sum / (n * n)) < 5. / 12 / std::sqrt(n));  // epochs do not correlate
}

TEST_CASE("views of a data set follow the memory that lies on the backend") {
  TestBackend b;
  constexpr std::size_t n = 12;
  std::vector<std::uint8_t> source;
  for (std::size_t i = 0; i < n; ++i)
    for (const std::uint8_t v : picture({6, 7})) source.push_back(v);
  std::vector<std::uint32_t> indices(n);
  std::vector<float> values(n, 0.f);
  for (std::size_t i = 0; i < n; ++i) indices[i] = static_cast<std::uint32_t>(n - 1 - i);
  for (std::size_t i = 0; i < n / 2; ++i) values[i] = 1;
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {n, 6, 7, 3}, source);
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {n}, indices);
  const Tensor<float, 1, TestBackend> memory(b, {n}, values);
  const std::vector<Clock> now = {{.epoch = 2}};
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, now);
  const Tensor<float, 4, TestBackend> out(b, {2 * n, 6, 7, 3});
  const RandAugment operation{.operations = 2, .strengths = memory.data};
  two_views(b, images.view(), order.view(), n, clock.view(), 3, pipeline(operation), out.view());
  const auto got = out.to_host(b), whole = apply({6, 7});
  for (std::uint32_t view = 0; view < 2; ++view) {
    const auto drawn = draws(b, operation, {6, 7}, n, {.seed = 3, .epoch = 2, .view = view});
    for (std::size_t i = 0; i < n; ++i) {
      const auto from = got.begin() + static_cast<std::ptrdiff_t>((view * n + i) * 126);
      const std::vector<float> values_of(from, from + 126);
      CHECK(values_of == (indices[i] < n / 2 ? apply({6, 7}, given(operation, drawn[indices[i]])) : whole));
    }
  }
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
  const float boosted[3] = {-0x1.651542p-2f, 0x1.210c7ep+0f, 0x1.1e9394p-2f};  // the first value, for M = 1/2
  TestBackend b;
  const std::vector<float> values = {0, 0, 0.5f};
  const Tensor<float, 1, TestBackend> memory(b, {3}, values);
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
    const RandAugment operation{.operations = 2, .strengths = memory.data};
    CHECK(draws(b, operation, {32, 32}, 3, {.seed = seed})[2].step[0].value == boosted[seed]);
  }
}

TEST_CASE("options out of range are refused") {
  CHECK_THROWS_WITH_AS(RandAugment{.operations = 0}.check({6, 7}), "RandAugment: operations must be 1 to 8, got 0",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.operations = 9}.check({6, 7}), "RandAugment: operations must be 1 to 8, got 9",
                       ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.probability = 1.5}.check({6, 7}),
                       "RandAugment: probability must be in [0, 1], got 1.500000", ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.magnitude = 31}.check({6, 7}),
                       "RandAugment: magnitude must be in [0, 30], got 31.000000", ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{.magnitude = std::nan("")}.check({6, 7}),
                       "RandAugment: magnitude must be in [0, 30], got nan", ConfigError);
  CHECK_THROWS_WITH_AS(RandAugment{}.check({6, 8193}), "RandAugment: images must be at most 8192x8192, got 6x8193",
                       ShapeError);
}
