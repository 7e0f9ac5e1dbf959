#include <lotar/core/clock.hpp>

#include <cstdint>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class Memory>
struct FindSamples {
  BatchSamples<Memory> samples;
  View<std::uint32_t, 1, Memory> out;
  LOTAR_FN void operator()(std::size_t i) const { out(i) = samples(i); }
};

}  // namespace

TEST_CASE("a clock starts at nothing") {
  const Clock clock;
  CHECK(clock.epoch == 0);
  CHECK(clock.batch == 0);
  CHECK(clock.step == 0);
}

TEST_CASE("a step advances the clock, each time it is replayed") {
  TestBackend b;
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{.epoch = 3, .batch = 5, .step = 100}});
  const auto step = b.record([&] { b.for_each(1, AdvanceClock{clock.data}); });
  for (std::uint32_t i = 1; i <= 5; ++i) {
    step();
    const Clock now = clock.to_host(b)[0];
    CHECK(now.epoch == 3);
    CHECK(now.batch == 5 + i);
    CHECK(now.step == 100 + i);
  }
}

TEST_CASE("a batch's samples are those of the epoch's order from its place on") {
  TestBackend b;
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {5}, std::vector<std::uint32_t>{4, 2, 0, 3, 1}), found(b, {2});
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{.epoch = 0, .batch = 1, .step = 1}});
  using Memory = TestBackend::Memory;
  b.for_each(2, FindSamples<Memory>{{order, clock, 2}, found});
  CHECK(found.to_host(b) == std::vector<std::uint32_t>{0, 3});
}

TEST_CASE("a batch of more samples than it holds, or the order, is refused") {
  const View<const std::uint32_t, 1, TestBackend::Memory> order(nullptr, {5});
  CHECK_NOTHROW(check_batch("f", 2, order, 2));
  CHECK_NOTHROW(check_batch("f", 5, order, 9));
  CHECK_THROWS_WITH_AS(check_batch("f", 3, order, 2),
                       "f: a batch of 3 samples is more than the batch size 2 or the 5 of order", ShapeError);
  CHECK_THROWS_WITH_AS(check_batch("f", 6, order, 9),
                       "f: a batch of 6 samples is more than the batch size 9 or the 5 of order", ShapeError);
}
