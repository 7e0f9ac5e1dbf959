#include <lotar/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "golden_draws.hpp"

using namespace lotar;

namespace {

using Words = std::array<std::uint32_t, 4>;

Words philox_of(Words counter, std::uint64_t key) {
  const PhiloxBlock block = philox({{counter[0], counter[1], counter[2], counter[3]}}, key);
  return {block.word[0], block.word[1], block.word[2], block.word[3]};
}

Random stream(const GoldenDraws& g) { return Random(g.seed, g.epoch, g.sample, g.view, g.operation); }

std::uint32_t bits_of(float x) { return detail::bits_as<std::uint32_t>(x); }

/// Draws of every kind from one stream, as bits.
constexpr std::size_t kinds = 6;
LOTAR_FN inline void draw_all(Random& random, std::uint32_t* out) {
  out[0] = random.bits();
  out[1] = detail::bits_as<std::uint32_t>(random.uniform());
  out[2] = detail::bits_as<std::uint32_t>(random.uniform(-.3f, 1.4f));
  out[3] = random.index(1000);
  out[4] = random.bernoulli(.8f);
  out[5] = detail::bits_as<std::uint32_t>(random.normal());
}

template <class Memory>
struct DrawAll {
  View<std::uint32_t, 3, Memory> out;  // [samples, views, kinds]
  LOTAR_FN void operator()(std::size_t sample, std::size_t view) const {
    Random random(42, 7, static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(view), 3);
    draw_all(random, &out(sample, view, 0));
  }
};

constexpr int many = 200000;

/// The mean of f() over `many` calls, and how far it may lie from the truth: five standard errors.
template <class F>
double mean(const F& f) {
  double sum = 0;
  for (int i = 0; i < many; ++i) sum += f();
  return sum / many;
}
double five_errors(double variance) { return 5 * std::sqrt(variance / many); }

}  // namespace

TEST_CASE("Philox 4x32-10 gives its published blocks") {
  constexpr std::uint32_t full = 0xffffffff;
  CHECK(philox_of({0, 0, 0, 0}, 0) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox_of({full, full, full, full}, ~std::uint64_t{0}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox_of({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream is the blocks of its key, one after the other") {
  Random random(0x0123456789abcdef, 11, 22, 33, 44);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (const std::uint32_t word : philox_of({block, 33u << 16 | 44u, 22, 11}, 0x0123456789abcdef))
      CHECK(random.bits() == word);
}

TEST_CASE("draws are those of the golden file") {
  for (const GoldenDraws& g : golden_draws) {
    CAPTURE(g.seed);
    Random random = stream(g);
    for (const std::uint32_t wanted : g.uniform) CHECK(bits_of(random.uniform()) == wanted);
    random = stream(g);
    for (const std::uint32_t wanted : g.between) CHECK(bits_of(random.uniform(-.3f, 1.4f)) == wanted);
    random = stream(g);
    for (const std::uint32_t wanted : g.index) CHECK(random.index(50000) == wanted);
    random = stream(g);
    for (const std::uint32_t wanted : g.bernoulli) CHECK(random.bernoulli(.5f) == (wanted == 1));
    random = stream(g);
    for (const std::uint32_t wanted : g.normal) CHECK(bits_of(random.normal()) == wanted);
  }
}

TEST_CASE("draws are what their bits say") {
  for (const GoldenDraws& g : golden_draws) {
    Random random = stream(g), bits = stream(g);
    const auto uniform = [&] { return (bits.bits() >> 8) / 16777216.; };
    for (int i = 0; i < 100; ++i) CHECK(random.uniform() == uniform());
    for (int i = 0; i < 100; ++i) CHECK(random.uniform(3, 7) == doctest::Approx(3 + 4 * uniform()).epsilon(1e-7));
    for (int i = 0; i < 100; ++i) CHECK(random.index(77) == std::floor(bits.bits() / 4294967296. * 77));
    for (int i = 0; i < 100; ++i) CHECK(random.bernoulli(.3f) == (uniform() < double{.3f}));
    for (int i = 0; i < 100; ++i) {
      double u = 0, s = 0;
      do {
        u = 2 * uniform() - 1;
        const double v = 2 * uniform() - 1;
        s = u * u + v * v;
      } while (s == 0 || s >= 1);
      CHECK(random.normal() == doctest::Approx(u * std::sqrt(-2 * std::log(s) / s)).epsilon(1e-5));
    }
  }
}

TEST_CASE("every part of the key makes another stream") {
  const Random streams[] = {
      Random(1, 2, 3, 4, 5), Random(9, 2, 3, 4, 5), Random(std::uint64_t{1} << 32 | 1, 2, 3, 4, 5),
      Random(1, 9, 3, 4, 5), Random(1, 2, 9, 4, 5), Random(1, 2, 3, 9, 5),
      Random(1, 2, 3, 4, 9)};
  std::vector<Words> first;
  for (Random random : streams) {
    Words words{};
    for (std::uint32_t& word : words) word = random.bits();
    first.push_back(words);
  }
  std::sort(first.begin(), first.end());
  CHECK(std::adjacent_find(first.begin(), first.end()) == first.end());
}

TEST_CASE("uniform: range, mean, variance") {
  Random random(1, 0, 0, 0, 0);
  double least = 1, most = 0;
  CHECK(std::fabs(mean([&] {
                    const double u = random.uniform();
                    least = std::min(least, u);
                    most = std::max(most, u);
                    return u;
                  }) -
                  .5) < five_errors(1. / 12));
  CHECK(least >= 0);
  CHECK(least < 1e-4);
  CHECK(most < 1);
  CHECK(most > 1 - 1e-4);
  CHECK(std::fabs(mean([&] {
                    const double d = random.uniform() - .5;
                    return d * d;
                  }) -
                  1. / 12) < five_errors(1. / 180));
  for (int i = 0; i < many; ++i) {
    const float u = random.uniform(-.3f, 1.4f);
    if (!(u >= -.3f && u <= 1.4f)) FAIL("out of range: ", u);
  }
  CHECK(random.uniform(2, 2) == 2);
}

TEST_CASE("neighbouring samples are not correlated") {
  std::uint32_t sample = 0;
  CHECK(std::fabs(mean([&] {
          Random one(3, 0, sample, 0, 0), next(3, 0, sample + 1, 0, 0);
          ++sample;
          return (one.uniform() - .5) * (next.uniform() - .5);
        })) < five_errors(1. / 144));
}

TEST_CASE("index: each value as often as any other") {
  Random random(2, 0, 0, 0, 0);
  std::vector<int> count(10);
  for (int i = 0; i < many; ++i) ++count.at(random.index(10));
  double chi_square = 0;
  for (const int c : count) chi_square += (c - many / 10.) * (c - many / 10.) / (many / 10.);
  CHECK(chi_square < 9 + 5 * std::sqrt(18.));
  CHECK(random.index(1) == 0);
}

TEST_CASE("bernoulli: true as often as it should be") {
  Random random(3, 0, 0, 0, 0);
  for (const float p : {.1f, .5f, .8f})
    CHECK(std::fabs(mean([&] { return random.bernoulli(p) ? 1. : 0.; }) - double{p}) <
          five_errors(double{p * (1 - p)}));
  CHECK(mean([&] { return random.bernoulli(0) ? 1. : 0.; }) == 0);
  CHECK(mean([&] { return random.bernoulli(1) ? 1. : 0.; }) == 1);
}

TEST_CASE("normal: the moments, and how many lie within one, two and three") {
  Random random(4, 0, 0, 0, 0);
  std::vector<double> x(many);
  for (double& v : x) v = random.normal();
  const auto moment = [&](int power) {
    double sum = 0;
    for (const double v : x) sum += std::pow(v, power);
    return sum / many;
  };
  CHECK(std::fabs(moment(1)) < five_errors(1));
  CHECK(std::fabs(moment(2) - 1) < five_errors(2));
  CHECK(std::fabs(moment(3)) < five_errors(15));
  CHECK(std::fabs(moment(4) - 3) < five_errors(96));
  for (const double limit : {1., 2., 3.}) {
    const double p = std::erf(limit / std::sqrt(2.));
    const auto within = std::count_if(x.begin(), x.end(), [&](double v) { return std::fabs(v) < limit; });
    CHECK(std::fabs(static_cast<double>(within) / many - p) < five_errors(p * (1 - p)));
  }
}

TEST_CASE("shuffle is a permutation, that of the golden file") {
  std::vector<std::uint32_t> values(golden_order.size());
  std::iota(values.begin(), values.end(), 0u);
  Random random(5, 1, 2, 3, 4);
  shuffle(std::span<std::uint32_t>(values), random);
  CHECK(values == std::vector<std::uint32_t>(golden_order.begin(), golden_order.end()));
  std::sort(values.begin(), values.end());
  for (std::uint32_t i = 0; i < values.size(); ++i) CHECK(values[i] == i);
}

TEST_CASE("shuffle: each order as often as any other") {
  std::vector<int> count(256);
  constexpr int times = 24000;
  Random random(6, 0, 0, 0, 0);
  for (int i = 0; i < times; ++i) {
    std::array<std::size_t, 4> order{0, 1, 2, 3};
    shuffle(std::span<std::size_t>(order), random);
    ++count[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]];
  }
  CHECK(std::count(count.begin(), count.end(), 0) == 256 - 24);
  double chi_square = 0;
  for (const int c : count)
    if (c > 0) chi_square += (c - times / 24.) * (c - times / 24.) / (times / 24.);
  CHECK(chi_square < 23 + 5 * std::sqrt(46.));
}

TEST_CASE("to shuffle nothing, or one value, draws nothing") {
  Random random(7, 0, 0, 0, 0), untouched(7, 0, 0, 0, 0);
  std::vector<int> one{9};
  shuffle(std::span<int>(), random);
  shuffle(std::span<int>(one), random);
  CHECK(one == std::vector<int>{9});
  CHECK(random.bits() == untouched.bits());
}

TEST_CASE("an epoch's order is a shuffle of its own") {
  std::vector<std::uint32_t> wanted(1000);
  std::iota(wanted.begin(), wanted.end(), 0u);
  Random random(7, 3, 0, 0, operation::batch_order);
  shuffle(std::span(wanted), random);
  CHECK(epoch_order(7, 3, 1000) == wanted);
  CHECK(epoch_order(7, 4, 1000) != wanted);
  CHECK(epoch_order(8, 3, 1000) != wanted);
  std::sort(wanted.begin(), wanted.end());
  for (std::uint32_t i = 0; i < 1000; ++i) CHECK(wanted[i] == i);
  CHECK(epoch_order(7, 3, 0).empty());
}

TEST_CASE("kernels draw the bits that the host draws") {
  TestBackend b;
  const Tensor<std::uint32_t, 3, TestBackend> out(b, {1000, 2, kinds});
  b.for_each(1000, 2, DrawAll<TestBackend::Memory>{out});
  std::vector<std::uint32_t> wanted(out.size());
  for (std::uint32_t i = 0; i < 2000; ++i) {
    Random random(42, 7, i / 2, i % 2, 3);
    draw_all(random, wanted.data() + i * kinds);
  }
  CHECK((out.to_host(b) == wanted));
}
