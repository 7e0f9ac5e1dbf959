#include <lotar/train/method.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

#include "../test.hpp"

using namespace lotar;

// Three images in two dimensions: LoTaR's weights of these are known by hand.
static const std::vector<double> rows{1, 2, .5, -1, -1, .3, .9, 1.7, .2, -1.1, -.7, .8};

namespace {

struct Hooks {
  TestBackend b;
  Tensor<double, 2, TestBackend> projections{b, {{6, 2}}, rows}, dz{b, {{6, 2}}};
  Tensor<double, 1, TestBackend> losses{b, {{6}}}, distances{b, {{3}}}, weights{b, {{3}}};
  Anchors<double, TestBackend> batch{projections, losses, distances, weights};

  Hooks() {
    b.fill(losses.view(), 1.0);
    b.fill(dz.view(), 0.0);
  }
};

void check_near(const std::vector<double>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-6));
}

/// A method of one's own: near pairs weigh twice as much.
struct Thrifty : SimClr {
  template <class A, class B>
  void weigh(B& b, const Anchors<A, B>& batch) const {
    view_distances(b, batch.z, LotarOptions{}, batch.distances);
    b.fill(batch.weights, A(2));
  }
};

}  // namespace

TEST_CASE("SimCLR weighs all samples alike and records how far their views lie apart") {
  Hooks h;
  SimClr().weigh(h.b, h.batch);
  check_near(h.distances.to_host(h.b), {.316228, .316228, .583095});
  CHECK(h.weights.to_host(h.b) == std::vector<double>{1, 1, 1});
  SimClr().add_gradient(h.b, h.batch, h.dz.view());
  CHECK(h.dz.to_host(h.b) == std::vector<double>(12, 0.0));
}

TEST_CASE("LoTaR weighs by the distance") {
  Hooks h;
  Lotar().weigh(h.b, h.batch);
  check_near(h.weights.to_host(h.b), {2. / 3, 2. / 3, 5. / 3});
  Lotar(lotar_preset("thesis_code")).weigh(h.b, h.batch);
  check_near(h.weights.to_host(h.b), {4. / 3, 4. / 3, 1. / 3});
}

TEST_CASE("only thesis_code lets a gradient through the weights") {
  Hooks h;
  h.b.upload(std::vector<double>{1, 2, 4, 1, 3, 2}, h.losses.flat());
  Lotar().weigh(h.b, h.batch);
  Lotar().add_gradient(h.b, h.batch, h.dz.view());
  CHECK(h.dz.to_host(h.b) == std::vector<double>(12, 0.0));
  Lotar(lotar_preset("thesis_code")).add_gradient(h.b, h.batch, h.dz.view());
  CHECK(h.dz.to_host(h.b) != std::vector<double>(12, 0.0));
}

TEST_CASE("a method of one's own hides what it does otherwise") {
  Hooks h;
  Thrifty().weigh(h.b, h.batch);
  CHECK(h.weights.to_host(h.b) == std::vector<double>{2, 2, 2});
}

TEST_CASE("BCL remembers what its base saw, and LoTaR under it weighs as ever") {
  TestBackend b;
  Bcl<TestBackend, Lotar> method(b, 3);
  CHECK(method.state<float, TestBackend>().size() == 2);
  const Tensor<float, 2, TestBackend> z(b, {{6, 2}}, std::vector<float>(rows.begin(), rows.end()));
  const Tensor<float, 1, TestBackend> losses(b, {{6}}, std::vector<float>{1, 2, 6, 3, 2, 6}), distances(b, {{3}}),
      weights(b, {{3}});
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {{3}}, std::vector<std::uint32_t>{2, 0, 1});
  const Tensor<Clock, 1, TestBackend> clock(b, {{1}}, std::vector<Clock>{{}});
  const Anchors<float, TestBackend> batch{z, losses, distances, weights, {order, clock, 3}};
  method.weigh(b, batch);
  CHECK(weights.to_host(b)[2] == doctest::Approx(5. / 3).epsilon(1e-5));
  method.observe(b, batch);
  std::vector<float> strengths(3);
  b.download(method.strengths(), std::span(strengths));
  CHECK(strengths == std::vector<float>(3, 0.f));  // until an epoch is over
  method.begin_epoch(b);
  b.download(method.strengths(), std::span(strengths));
  // samples 0, 1, 2 had losses 2, 6, 2: mean 10/3, farthest 8/3 above it
  CHECK(strengths[1] == 1);
  CHECK(strengths[0] == doctest::Approx(.25));
  CHECK(strengths[2] == strengths[0]);
}

TEST_CASE("the supervised baseline takes its labels by the batch's samples") {
  TestBackend b;
  const Tensor<std::int32_t, 1, TestBackend> labels(b, {{3}}, std::vector<std::int32_t>{0, 1, 1});
  const Supervised<TestBackend> method(labels.view());
  const Tensor<double, 2, TestBackend> logits(b, {{2, 2}}, std::vector<double>{0, 0, 3, 3}), dz(b, {{2, 2}});
  const Tensor<double, 1, TestBackend> losses(b, {{2}}), distances(b, {{2}}), weights(b, {{2}});
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {{3}}, std::vector<std::uint32_t>{2, 0, 1});
  const Tensor<Clock, 1, TestBackend> clock(b, {{1}}, std::vector<Clock>{{}});
  method.objective(b, Anchors<double, TestBackend>{logits, losses, distances, weights, {order, clock, 2}}, dz.view());
  for (const double l : losses.to_host(b)) CHECK(l == doctest::Approx(std::log(2.)));
  // labels 1 and 0: (softmax - onehot) / 2
  CHECK(dz.to_host(b) == std::vector<double>{.25, -.25, -.25, .25});
  CHECK(weights.to_host(b) == std::vector<double>{1, 1});
  const Anchors<double, TestBackend> too_many{logits, losses, distances, weights, {order, clock, 1}};
  CHECK_THROWS_WITH_AS(method.objective(b, too_many, dz.view()),
                       "Supervised: a batch of 2 samples is more than the batch size 1 or the 3 of order", ShapeError);
}
