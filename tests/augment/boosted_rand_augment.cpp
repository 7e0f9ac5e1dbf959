#include <lotar/augment/boosted_rand_augment.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <lotar/augment/horizontal_flip.hpp>

#include "apply.hpp"

using namespace lotar;

namespace {

using Boosted = BoostedRandAugment<TestBackend::Memory>;
using Kind = RandAugment::Kind;
using Parameters = RandAugment::Parameters;

/// The magnitude behind the value of a shear or a translation, which is a part of 0.6 or 0.66.
float magnitude(const RandAugment::Step& step) {
  return std::abs(step.value) / (step.kind <= Kind::shear_y ? 0.6f : 0.66f) * 30;
}

}  // namespace

TEST_CASE("each sample has its own probability and magnitude") {
  TestBackend b;
  std::vector<float> values(6000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i % 3 == 0 ? 0.f : i % 3 == 1 ? 0.6f : 1.f;
  const Tensor<float, 1, TestBackend> memory(b, {values.size()}, values);
  const auto views = [&](std::size_t operations, std::uint32_t epoch) {
    std::vector<std::vector<Parameters>> both;
    for (std::uint32_t view = 0; view < 2; ++view)
      both.push_back(draws(b, Boosted{.operations = operations, .strengths = memory}, {32, 32}, values.size(),
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
  const Boosted operation{.operations = 2, .strengths = memory};
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
  const float golden[3] = {-0x1.651542p-2f, 0x1.210c7ep+0f, 0x1.1e9394p-2f};  // the first value, for M = 1/2
  TestBackend b;
  const std::vector<float> values = {0, 0, 0.5f};
  const Tensor<float, 1, TestBackend> memory(b, {3}, values);
  const Boosted operation{.operations = 2, .strengths = memory};
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    CAPTURE(seed);
    CHECK(draws(b, operation, {32, 32}, 3, {.seed = seed})[2].step[0].value == golden[seed]);
  }
}

TEST_CASE("a memory of other images, or of another backend, is refused") {
  TestBackend b;
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {3, 6, 7, 3});
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {1}, std::vector<std::uint32_t>{0});
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{}});
  const Tensor<float, 4, TestBackend> out(b, {2, 6, 7, 3});
  const Tensor<float, 1, TestBackend> memory(b, {2}, std::vector<float>{0, 1});
  for (const Boosted& operation : {Boosted{}, Boosted{.strengths = memory}})
    CHECK_THROWS_WITH_AS(
        two_views(b, images.view(), order.view(), 1, clock.view(), 3, pipeline(HorizontalFlip{}, operation),
                  out.view()),
        ("BoostedRandAugment: strengths must be [3], got " + to_string(operation.strengths.extents)).c_str(),
        ShapeError);
  CHECK_THROWS_WITH_AS(Boosted{.operations = 0}.check({6, 7}), "RandAugment: operations must be 1 to 8, got 0",
                       ConfigError);
  struct OtherMemory {};
  static_assert(!std::is_assignable_v<decltype(Boosted::strengths)&, View<const float, 1, OtherMemory>>);
  static_assert(
      !std::is_invocable_v<decltype(&Boosted::check_images), Boosted, View<const std::uint8_t, 4, OtherMemory>>);
}
