#include <lotar/loss/memory.hpp>

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

/// A memory of four samples that sees batches of two, in the order 2, 0, 3, 1.
struct Epochs {
  TestBackend b;
  LossMemory<double, TestBackend> memory{b, 4, {.momentum = .75}};
  Tensor<std::uint32_t, 1, TestBackend> order{b, {4}, std::vector<std::uint32_t>{2, 0, 3, 1}};
  Tensor<Clock, 1, TestBackend> clock{b, {1}};
  Tensor<double, 1, TestBackend> losses{b, {4}};

  void see(std::uint32_t epoch, std::uint32_t batch, const std::vector<double>& anchors) {
    b.upload(std::vector<Clock>{{epoch, batch, 2 * epoch + batch}}, clock.view());
    b.upload(anchors, losses.view());
    memory.update(b, losses, {order, clock, 2});
  }
  std::vector<double> remembered() {
    return memory.losses().size() == 4 ? host(memory.losses()) : std::vector<double>();
  }
  std::vector<double> strengths() { return host(memory.strengths()); }
  std::vector<double> host(const Out<double, 1, TestBackend>& v) {
    std::vector<double> values(v.size());
    b.download(v, std::span<double>(values));
    return values;
  }
};

}  // namespace

TEST_CASE("the first epoch remembers each sample's mean loss, later ones move it") {
  Epochs e;
  CHECK(e.strengths() == std::vector<double>(4, 0.0));
  e.see(0, 0, {1, 2, 3, 6});  // samples 2: (1 + 3) / 2, 0: (2 + 6) / 2
  e.see(0, 1, {0, 8, 2, 8});  // samples 3 and 1
  CHECK(e.remembered() == std::vector<double>{4, 8, 2, 1});
  e.see(1, 0, {6, 0, 6, 0});
  CHECK(e.remembered() == std::vector<double>{3, 8, 3, 1});  // 0.75 * 4 + 0.25 * 0, 0.75 * 2 + 0.25 * 6
}

TEST_CASE("strengths: half for the mean, 1 or 0 for the sample farthest from it") {
  Epochs e;
  e.see(0, 0, {2, 4, 2, 4});
  e.see(0, 1, {1, 9, 1, 9});  // s = 4, 9, 2, 1, mean 4
  e.memory.refresh(e.b);
  CHECK(e.strengths() == std::vector<double>{.5, 1, .3, .2});
}

TEST_CASE("equal losses give a half to all") {
  Epochs e;
  e.see(0, 0, {2, 2, 2, 2});
  e.see(0, 1, {2, 2, 2, 2});
  e.memory.refresh(e.b);
  CHECK(e.strengths() == std::vector<double>(4, .5));
}

TEST_CASE_TEMPLATE("equal losses give a half to any number, also where their mean is not exactly theirs", A, float,
                   double) {
  TestBackend b;
  for (const std::size_t n : {1u, 3u, 74u, 12406u, 50000u})
    for (const double loss : {2.3, 0.1, 7.123456789, 1e-30}) {
      CAPTURE(n);
      CAPTURE(loss);
      LossMemory<A, TestBackend> memory(b, n);
      b.fill(memory.losses(), static_cast<A>(loss));
      memory.refresh(b);
      std::vector<A> strengths(n);
      b.download(memory.strengths(), std::span<A>(strengths));
      CHECK(strengths == std::vector<A>(n, A(.5)));
    }
}

TEST_CASE("NaN in the memory shows in every strength") {
  Epochs e;
  e.see(0, 0, {2, 2, 2, 2});
  e.see(0, 1, {2, std::nan(""), 2, 2});
  e.memory.refresh(e.b);
  for (const double s : e.strengths()) CHECK(std::isnan(s));
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  using Memory = LossMemory<double, TestBackend>;
  CHECK_THROWS_WITH_AS(Memory(b, 0), "LossMemory: wanted at least one sample, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(Memory(b, 3, {.momentum = 1}), "LossMemory: momentum must be in [0, 1), got 1", ConfigError);
  Epochs e;
  const Tensor<double, 1, TestBackend> odd(e.b, {3});
  CHECK_THROWS_WITH_AS(e.memory.update(e.b, odd, {e.order, e.clock, 2}), "LossMemory: losses must be [2n], got [3]",
                       ShapeError);
  const Tensor<std::uint32_t, 1, TestBackend> five(e.b, {5});
  CHECK_THROWS_WITH_AS(e.memory.update(e.b, e.losses, {five, e.clock, 2}), "LossMemory: order must be [4], got [5]",
                       ShapeError);
  const Tensor<double, 1, TestBackend> six(e.b, {6}), ten(e.b, {10});
  CHECK_THROWS_WITH_AS(e.memory.update(e.b, six, {e.order, e.clock, 2}),
                       "LossMemory: a batch of 3 samples is more than the batch size 2 or the 4 of order", ShapeError);
  CHECK_THROWS_WITH_AS(e.memory.update(e.b, ten, {e.order, e.clock, 5}),
                       "LossMemory: a batch of 5 samples is more than the batch size 5 or the 4 of order", ShapeError);
}
