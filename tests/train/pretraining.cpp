#include <lotar/train/pretraining.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <set>
#include <string>
#include <vector>

#include <lotar/augment/boosted_rand_augment.hpp>

#include "../test.hpp"
#include "../threads.hpp"
#include "training.hpp"

using lotar::Checkpoint;
using lotar::PretrainingOptions;
using lotar::Tensor;

namespace {

/// A method of one's own: a loss of 7 for every anchor, and no gradient.
struct Seven : lotar::SimClr {
  template <class A, class B>
  void objective(B& b, const lotar::Anchors<A, B>& batch, const lotar::Out<A, 2, B>& dz) const {
    b.fill(batch.losses, A(7));
    b.fill(batch.distances, A(0));
    b.fill(batch.weights, A(1));
    b.fill(dz, A(0));
  }
};

/// Another, whose state has a name that BCL's has, too.
struct Losing : lotar::SimClr {
  template <class A, class B>
  lotar::NamedArrays<A, B> state() const {
    return {{"loss", {}}};
  }
};

}  // namespace

TEST_CASE("four steps are those composed by hand of views, network, loss and optimizer, to the bit") {
  TestBackend b;
  PretrainingOptions options = training_options();
  options.temperature = {.low = 0.1, .high = 1, .period = 4};
  options.objective.focal = 2;
  Training<TestBackend, lotar::Lotar> training(b, options);
  training.run(4);

  const lotar::Network network(options.network);
  lotar::NetworkState<float, TestBackend> state(b, network.table(), options.seed);
  lotar::Optimizer<float, TestBackend> optimizer(b, network.table(), options.optimizer);
  const Tensor<std::uint8_t, 4, TestBackend> images(b, training_shape, training_images());
  // the warm-up's three steps, then the first of the 18 that lead down to 1e-6
  const double pi = std::numbers::pi, after = 1e-6 + (0.05 - 1e-6) * (1 + std::cos(pi * (1. / 18))) / 2;
  const Tensor<float, 1, TestBackend> rates(
      b, {{4}},
      std::vector<float>{static_cast<float>(0.05 * 1 / 3), static_cast<float>(0.05 * 2 / 3), 0.05f,
                         static_cast<float>(after)});
  for (std::uint32_t step = 0; step < 4; ++step) {
    const std::uint32_t epoch = step / 3, batch = step % 3;
    const std::size_t n = batch < 2 ? 4 : 2;
    const Tensor<std::uint32_t, 1, TestBackend> order(b, {{10}}, lotar::epoch_order(options.seed, epoch, 10));
    const Tensor<lotar::Clock, 1, TestBackend> clock(b, {{1}}, std::vector<lotar::Clock>{{epoch, batch, step}});
    const Tensor<float, 1, TestBackend> temperature(b, {{1}});
    b.fill(temperature.view(), static_cast<float>(0.1 + 0.9 * (1 + std::cos(2 * pi * ((epoch + 1) / 4.))) / 2));
    Tensor<float, 4, TestBackend> x(b, {{2 * n, 8, 8, 3}});
    lotar::two_views<float>(b, images, order, 4, clock, options.seed, lotar::thesis_augmentation(8), x.view());
    auto pass = state.pass(b, true);
    const Tensor<float, 2, TestBackend> z = network.forward(b, std::move(x), pass);
    const Tensor<float, 1, TestBackend> losses(b, {{2 * n}}), distances(b, {{n}}), weights(b, {{n}});
    Tensor<float, 2, TestBackend> dz(b, z.extents);
    const lotar::Anchors<float, TestBackend> anchors{z, losses, distances, weights, {order, clock, 4}};
    lotar::contrastive_objective<TestBackend, float>(b, lotar::Lotar{}, temperature, options.objective, anchors, dz);
    network.backward(b, std::move(dz), pass);
    optimizer.step(b, state.values, state.gradients, rates, clock);
  }
  const Checkpoint got = training.save();
  CHECK(got.arrays.at("values") == state.values.to_host(b));
  CHECK(got.arrays.at("statistics") == state.statistics.to_host(b));
}

TEST_CASE("BCL's memory holds the first epoch's losses, and the next epoch's views follow it") {
  TestBackend b;
  lotar::Bcl<TestBackend> bcl(b, 10), deaf(b, 10);
  const auto views = [](const lotar::In<float, 1, TestBackend>& strengths) {
    return lotar::bcl_boosted_augmentation(
        8, lotar::BoostedRandAugment<TestBackend::Memory>{.operations = 2, .strengths = strengths});
  };
  const auto boosted = views(bcl.strengths());
  const Tensor<float, 1, TestBackend> zeros(b, {{10}}, std::vector<float>(10, 0.f));
  auto training =
      lotar::make_pretraining(b, training_images(), training_shape, training_options(), std::move(bcl), boosted);
  auto unboosted =
      lotar::make_pretraining(b, training_images(), training_shape, training_options(), std::move(deaf), views(zeros));
  for (int i = 0; i < 3; ++i) training.step(), unboosted.step();
  const Checkpoint first = training.save();
  CHECK(first.arrays.at("method.loss") == first.arrays.at("record.loss"));
  check_same(first, unboosted.save());  // no strengths in the first epoch
  for (int i = 0; i < 3; ++i) training.step(), unboosted.step();
  CHECK(training.save().arrays.at("values") != unboosted.save().arrays.at("values"));
}

TEST_CASE("a method of two views may have an objective of its own") {
  TestBackend b;
  Training<TestBackend, Seven> training(b);
  training.run(3);
  CHECK(training.record().loss == std::vector<float>(10, 7.f));
  PretrainingOptions options = training_options();
  options.objective.focal = 2;
  CHECK_THROWS_WITH_AS((Training<TestBackend, Seven>(b, options)),
                       "focal and dclw: wanted 0 for a method with an objective of its own", lotar::ConfigError);
}

TEST_CASE("SDCLR's branch lacks the smallest half of the convolutions' weights, chosen anew every epoch") {
  TestBackend b;
  PretrainingOptions options = training_options();
  options.prune = 0.5;
  Training<TestBackend, lotar::SimClr> training(b, options);
  const lotar::ParameterTable& table = training.network().table();
  const std::size_t size = training.network().branch()->size;
  const auto check = [&] {
    const Checkpoint c = training.save();
    const std::vector<float>&mask = c.arrays.at("mask"), &values = c.arrays.at("values");
    REQUIRE(mask.size() == size);
    std::size_t convolutions = 0, pruned = 0;
    float largest = 0, smallest = std::numeric_limits<float>::infinity();
    for (const lotar::Parameter& p : table.parameters())
      for (std::size_t i = p.offset; i < p.offset + p.size && i < size; ++i) {
        if (p.kind != lotar::ParameterKind::conv) {
          CHECK(mask[i] == 1);
          continue;
        }
        ++convolutions;
        pruned += mask[i] == 0;
        if (mask[i] == 0)
          largest = std::max(largest, std::abs(values[i]));
        else
          smallest = std::min(smallest, std::abs(values[i]));
      }
    CHECK(pruned == (convolutions + 1) / 2);
    return largest <= smallest;
  };
  CHECK(check());
  training.run(3);
  const Checkpoint epoch = training.save();
  const std::vector<float> first = epoch.arrays.at("mask");
  // both branches learn: their norms and statistics have left where they began
  const auto moved = [&](const std::vector<lotar::Parameter>& table_, const char* array, const std::string& name,
                         float from) {
    for (const lotar::Parameter& p : table_)
      if (p.name == name)
        for (std::size_t i = p.offset; i < p.offset + p.size; ++i)
          if (epoch.arrays.at(array)[i] != from) return true;
    return false;
  };
  for (const std::string prefix : {"", "pruned."}) {
    CHECK(moved(table.parameters(), "values", prefix + "layer4.0.bn1.weight", 1));
    CHECK(moved(table.statistics(), "statistics", prefix + "bn1.running_mean", 0));
  }
  training.run(1);  // begins the second epoch
  CHECK(training.save().arrays.at("mask") != first);
  check();
}

TEST_CASE("results do not depend on the number of threads") {
  TestBackend one = with_threads<TestBackend>(1);
  Training<TestBackend, lotar::Lotar> expected(one);
  expected.run(9);
  for (const int threads : {2, 4, 8}) {  // where a backend has no such choice: on the run
    CAPTURE(threads);
    TestBackend b = with_threads<TestBackend>(threads);
    Training<TestBackend, lotar::Lotar> training(b);
    training.run(9);
    check_same(expected.save(), training.save());
  }
}

TEST_CASE("an epoch records every sample once, with LoTaR's weights") {
  TestBackend b;
  Training<TestBackend, lotar::Lotar> training(b);
  CHECK(training.steps_per_epoch() == 3);
  CHECK(training.steps() == 21);
  training.run(3);
  const lotar::SampleRecord record = training.record();
  REQUIRE(record.loss.size() == 10);
  double weights = 0, loss = 0;
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(record.loss[i] > 0);
    CHECK(record.distance[i] > 0);
    weights += static_cast<double>(record.weight[i]);
    loss += static_cast<double>(record.weight[i]) * static_cast<double>(record.loss[i]);
  }
  CHECK(weights == doctest::Approx(10).epsilon(1e-5));  // each batch's mean is 1
  CHECK(std::set<float>(record.weight.begin(), record.weight.end()).size() > 5);
  const double batches = 4 * static_cast<double>(record.batch_loss[0]) + 4 * static_cast<double>(record.batch_loss[1]) +
                         2 * static_cast<double>(record.batch_loss[2]);
  CHECK(batches == doctest::Approx(loss).epsilon(1e-5));
}

TEST_CASE("the projections of the last whole batch are kept") {
  TestBackend b;
  Training<TestBackend, lotar::SimClr> training(b);
  CHECK(training.projections() == std::vector<float>(2 * 4 * 8));
  // The distances between the two views of each sample are those that the record has.
  const auto distances = [&] {
    const std::vector<float> z = training.projections();
    std::multiset<float> all;
    for (std::size_t i = 0; i < 4; ++i) {
      float squares = 0;
      for (std::size_t d = 0; d < 8; ++d) squares += std::pow(z[i * 8 + d] - z[(i + 4) * 8 + d], 2.0f);
      all.insert(std::sqrt(squares));
    }
    return std::vector<float>(all.begin(), all.end());
  };
  training.step();
  std::vector<float> recorded = training.record().distance;
  std::sort(recorded.begin(), recorded.end());  // the six samples to come have 0
  const std::vector<float> first = distances();
  for (std::size_t i = 0; i < 4; ++i) CHECK(recorded[6 + i] == doctest::Approx(first[i]).epsilon(1e-5));
  training.step();
  const std::vector<float> second = training.projections();
  CHECK(distances() != first);
  training.step();  // two samples
  CHECK(training.projections() == second);
  Training<TestBackend, lotar::SimClr> restored(b);
  restored.restore(training.save());
  CHECK(restored.projections() == second);
}

TEST_CASE("training lowers the loss") {
  TestBackend b;
  PretrainingOptions options = training_options();
  options.schedule.epochs = 12;
  Training<TestBackend, lotar::SimClr> training(b, options);
  const auto epoch_loss = [&] {
    training.run(3);
    double sum = 0;
    for (const float l : training.record().loss) sum += static_cast<double>(l);
    return sum / 10;
  };
  const double before = epoch_loss();
  for (int epoch = 0; epoch < 10; ++epoch) epoch_loss();
  CHECK(epoch_loss() < 0.9 * before);
  CHECK(training.done());
  CHECK_THROWS_WITH_AS(training.step(), "Pretraining::step: all 36 steps are made", lotar::ConfigError);
}

TEST_CASE("the steady state allocates nothing") {
  TestBackend b;
  Training<TestBackend, lotar::Lotar> training(b);
  training.run(6);  // both kinds of batches, twice
  const std::size_t before = b.pool().allocations();
  training.run(9);
  CHECK(b.pool().allocations() == before);
}

TEST_CASE("a loss that is not finite stops the training with its step named") {
  TestBackend b;
  Training<TestBackend, lotar::SimClr> training(b, changed("sgd", 1e38));
  training.run(6);
  CHECK_THROWS_AS(training.save(), lotar::NonFiniteError);
  training.restore(Training<TestBackend, lotar::SimClr>(b, changed("sgd", 1e38)).save());
  CHECK_NOTHROW(training.save());  // the bad step is forgotten

  using Supervised = lotar::Supervised<TestBackend>;
  std::vector<std::int32_t> labels(10);
  labels[lotar::epoch_order(training_options().seed, 0, 10)[5]] = 99;  // no class: of the second batch of 4
  const Tensor<std::int32_t, 1, TestBackend> of_images(b, {{10}}, labels);
  Training<TestBackend, Supervised> labelled(b, training_options(), Supervised(of_images.view()));
  labelled.run(3);
  CHECK_THROWS_WITH_AS(labelled.save(), "the loss of step 1 (epoch 1, learning rate 0.033333335) is not finite",
                       lotar::NonFiniteError);
}

TEST_CASE("a network that is not finite is not saved") {
  TestBackend b;
  const std::vector<float> nan{std::numeric_limits<float>::quiet_NaN()};
  Training<TestBackend, lotar::SimClr> training(b);
  training.run(1);
  const Checkpoint good = training.save();
  b.upload(nan, training.state().values.rows(7, 1));
  CHECK_THROWS_WITH_AS(training.save(), "the values of the network after step 1 are not finite", lotar::NonFiniteError);
  training.restore(good);
  b.upload(nan, training.state().statistics.rows(3, 1));
  CHECK_THROWS_WITH_AS(training.save(), "the statistics of the network after step 1 are not finite",
                       lotar::NonFiniteError);
}

TEST_CASE("the learning rate is that of the last step") {
  TestBackend b;
  Training<TestBackend, lotar::SimClr> training(b);
  const auto rate = [&] { return static_cast<float>(training.learning_rate()); };
  CHECK(rate() == static_cast<float>(0.05 / 3));  // the first step's
  training.run(1);
  CHECK(rate() == static_cast<float>(0.05 / 3));
  training.run(1);
  CHECK(rate() == static_cast<float>(0.05 * 2 / 3));
  training.run(1);
  CHECK(rate() == 0.05f);
}

TEST_CASE("a training goes on under its own method alone") {
  TestBackend b;
  using lotar::lotar_preset, lotar::Lotar;
  const Checkpoint readme = Training<TestBackend, Lotar>(b).save();
  const auto refuse = [&](auto&& training, const std::string& method) {
    CHECK_THROWS_WITH_AS(training.restore(readme),
                         ("Pretraining::restore: the checkpoint is of another training: wanted method " + method +
                          ", got lotar of l2 distances of raw projections, sign 1")
                             .c_str(),
                         lotar::ConfigError);
  };
  Training<TestBackend, Lotar>(b).restore(readme);
  refuse(Training<TestBackend, lotar::SimClr>(b), "simclr");
  const auto of = [&](const char* preset) {
    return Training<TestBackend, Lotar>(b, training_options(), Lotar(lotar_preset(preset)));
  };
  refuse(of("thesis_code"), "lotar of l2 distances of raw projections, sign -1, with a gradient through the weights");
  refuse(of("figure"), "lotar of squared l2 distances of raw projections, sign 1");
  refuse(of("normalized"), "lotar of l2 distances of normalized projections, sign 1");
  const lotar::Bcl<TestBackend, Lotar> bcl(b, 10, Lotar{}, {.momentum = 0.5});
  CHECK(bcl.identity() == "lotar of l2 distances of raw projections, sign 1, bcl of momentum 0.5");
}

TEST_CASE("what cannot be trained is refused") {
  TestBackend b;
  const auto refuse = [&](PretrainingOptions options, const char* message) {
    CHECK_THROWS_WITH_AS((Training<TestBackend, lotar::SimClr>(b, options)), message, lotar::ConfigError);
  };
  PretrainingOptions options = training_options();
  options.batch_size = 11;
  refuse(options, "batch size: 11 exceeds the 10 samples there are");
  options = training_options();
  options.temperature.low = 0;
  refuse(options, "temperature: the lowest must be finite and > 0, got 0");
  options.temperature.low = std::numeric_limits<double>::quiet_NaN();
  refuse(options, "temperature: the lowest must be finite and > 0, got nan");

  using Supervised = lotar::Supervised<TestBackend>;
  const Tensor<std::int32_t, 1, TestBackend> labels(b, {{9}}, std::vector<std::int32_t>(9));
  options = training_options();
  Training<TestBackend, Supervised> unlabelled(b, options, Supervised(labels.view()));
  CHECK_THROWS_WITH_AS(unlabelled.step(), "Supervised: labels must be [10], got [9]", lotar::ShapeError);
  options.prune = 0.5;
  CHECK_THROWS_WITH_AS((Training<TestBackend, Supervised>(b, options, Supervised(labels.view()))),
                       "prune: wanted 0 for a method of one view", lotar::ConfigError);
  options = training_options();
  lotar::Bcl<TestBackend> five(b, 5);
  CHECK_THROWS_WITH_AS(
      lotar::make_pretraining(
          b, training_images(), training_shape, options, lotar::Bcl<TestBackend>(b, 5),
          lotar::bcl_boosted_augmentation(
              8, lotar::BoostedRandAugment<TestBackend::Memory>{.operations = 2, .strengths = five.strengths()})),
      "BoostedRandAugment: strengths must be [10], got [5]", lotar::ShapeError);
  using LosingBcl = lotar::Bcl<TestBackend, Losing>;
  CHECK_THROWS_WITH_AS((Training<TestBackend, LosingBcl>(b, options, LosingBcl(b, 10))),
                       "Pretraining: the method's state has \"loss\" twice", lotar::ConfigError);
  Training<TestBackend, lotar::Bcl<TestBackend>> forgetful(b, options, std::move(five));
  CHECK_THROWS_WITH_AS(forgetful.step(), "LossMemory: order must be [5], got [10]", lotar::ShapeError);
}
