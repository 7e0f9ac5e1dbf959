#include <lotar/train/pretraining.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../test.hpp"
#include "training.hpp"

// A training that goes on from a checkpoint is the one that was never stopped.

using lotar::Checkpoint;
using lotar::PretrainingOptions;
using lotar::Tensor;

namespace {

/// A backend that can be asked for its choices, as Cuda can, and that counts the steps it records.
struct Remembering : TestBackend {
  std::map<std::string, std::string> chosen;
  int recorded = 0;

  Remembering() = default;
  explicit Remembering(TestBackend base) : TestBackend(std::move(base)) {}
  Remembering fork() const { return Remembering(TestBackend::fork()); }
  std::map<std::string, std::string> plans() const { return chosen; }
  void use_plans(const std::map<std::string, std::string>& plans) { chosen = plans; }
  template <class F>
  auto record(F step) {
    ++recorded;
    return TestBackend::record(std::move(step));
  }
};

/// A method that cannot begin an epoch at first.
struct Failing : lotar::SimClr {
  bool failed = false;

  template <class B>
  void begin_epoch(B&) {
    if (!std::exchange(failed, true)) throw lotar::Error("not yet");
  }
};

}  // namespace

TEST_CASE("20 steps are 7 steps, a restart and 13 steps, to the bit") {
  for (const char* optimizer : {"sgd", "lars", "adam"}) {
    CAPTURE(optimizer);
    const PretrainingOptions options = changed(optimizer, 0.01);
    TestBackend b;
    Training<TestBackend, lotar::Lotar> straight(b, options), first(b, options), second(b, options);
    straight.run(20);
    first.run(7);  // in the middle of the third epoch
    CHECK(first.clock().epoch == 2);
    CHECK(first.clock().batch == 1);
    second.restore(first.save());
    second.run(13);
    check_same(straight.save(), second.save());
  }
}

TEST_CASE("so are those of SDCLR, BCL and the supervised baseline, with their masks, memories and labels") {
  TestBackend b;
  PretrainingOptions options = training_options();
  options.temperature = {.low = 0.1, .high = 1, .period = 3};
  options.prune = 0.5;
  options.network.projector = "mlp_bn";
  auto straight = boosted_training(b, options), first = boosted_training(b, options),
       second = boosted_training(b, options);
  const auto run = [](auto& training, int steps) {
    for (int i = 0; i < steps; ++i) training.step();
  };
  run(straight, 20);
  run(first, 7);  // the third epoch's views follow the second one's losses
  const Checkpoint middle = first.save();
  CHECK(middle.arrays.contains("mask"));
  const auto varied = [&](const char* name) {
    const std::vector<float>& values = middle.arrays.at(name);
    return std::set<float>(values.begin(), values.end()).size() > 5;
  };
  CHECK(varied("method.loss"));
  CHECK(varied("method.strength"));
  CHECK(varied("record.loss"));
  second.restore(middle);
  run(second, 13);
  check_same(straight.save(), second.save());

  options = training_options();
  options.network.projector = "linear";
  const Tensor<std::int32_t, 1, TestBackend> labels(b, {{10}}, std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 0, 1});
  using Supervised = lotar::Supervised<TestBackend>;
  const Supervised method(labels.view());
  Training<TestBackend, Supervised> whole(b, options, method), begun(b, options, method), ended(b, options, method);
  whole.run(20);
  begun.run(7);
  ended.restore(begun.save());
  ended.run(13);
  check_same(whole.save(), ended.save());
}

TEST_CASE("a checkpoint taken between two epochs goes on as well") {
  TestBackend b;
  Training<TestBackend, lotar::SimClr> straight(b), first(b), second(b);
  straight.run(5);
  first.run(3);
  CHECK(first.epoch_complete());
  second.restore(first.save());
  second.run(2);
  check_same(straight.save(), second.save());
}

TEST_CASE("an epoch that could not begin begins with the next step, and a checkpoint taken before it goes on") {
  TestBackend b;
  PretrainingOptions options = training_options();
  options.prune = 0.5;
  Training<TestBackend, lotar::SimClr> straight(b, options), restored(b, options);
  Training<TestBackend, Failing> failing(b, options);
  straight.run(6);
  failing.run(3);
  CHECK_THROWS_WITH_AS(failing.step(), "not yet", lotar::Error);
  CHECK(failing.epoch_complete());
  restored.restore(failing.save());
  failing.run(3);
  restored.run(3);
  check_same(straight.save(), failing.save());
  check_same(straight.save(), restored.save());
}

TEST_CASE("a checkpoint keeps how a backend chose to convolve") {
  Remembering b;
  Training<Remembering, lotar::SimClr> training(b);
  using Plans = std::map<std::string, std::string>;
  training.run(3);
  CHECK(b.recorded == 2);  // whole batches, and the last of an epoch
  b.chosen = {{"forward, of that shape", "engine 7"}};
  const Checkpoint saved = training.save();
  b.chosen = {{"another", "engine 1"}};

  Checkpoint wrong = saved;
  wrong.arrays["values"].pop_back();
  CHECK_THROWS_AS(training.restore(wrong), lotar::ConfigError);
  CHECK(b.chosen == Plans{{"another", "engine 1"}});
  training.run(3);
  CHECK(b.recorded == 2);

  training.restore(saved);
  CHECK(b.chosen == Plans{{"forward, of that shape", "engine 7"}});
  training.run(3);
  CHECK(b.recorded == 4);  // by these plans
}

TEST_CASE("a checkpoint of another training is refused") {
  TestBackend b;
  Training<TestBackend, lotar::SimClr> training(b);
  Checkpoint checkpoint = training.save();
  // 1 epoch and 1 batch are 4 steps; an epoch is saved as whole, not as the next one that has not begun
  for (const std::vector<std::uint32_t>& clock : {std::vector<std::uint32_t>{1, 1, 7}, {1, 0, 3}, {7, 0, 21}}) {
    checkpoint.counters["clock"] = clock;
    CHECK_THROWS_WITH_AS(training.restore(checkpoint),
                         "Pretraining::restore: the checkpoint's clock is not one of this training",
                         lotar::ConfigError);
  }
  Training<TestBackend, lotar::SimClr> other(b, changed("lars", 0.05));
  CHECK_THROWS_WITH_AS(other.restore(training.save()),
                       "Pretraining::restore: the checkpoint is of another training: wanted optimizer lars, got sgd",
                       lotar::ConfigError);
  const auto refuse = [&](const PretrainingOptions& options, const std::vector<std::uint8_t>& images,
                          const lotar::Extents<4>& shape, const std::string& what) {
    auto another = lotar::make_pretraining(b, images, shape, options, lotar::SimClr{}, lotar::thesis_augmentation(8));
    CHECK_THROWS_WITH_AS(another.restore(training.save()),
                         ("Pretraining::restore: the checkpoint is of another training: wanted " + what).c_str(),
                         lotar::ConfigError);
  };
  PretrainingOptions options = training_options();
  options.network.stem = lotar::Stem::imagenet;
  refuse(options, training_images(), training_shape, "stem imagenet, got cifar");
  refuse(training_options(), training_images(), {{10, 4, 16, 3}}, "image shape [10, 4, 16, 3], got [10, 8, 8, 3]");
  std::vector<std::uint8_t> images = training_images();
  const std::string digest = lotar::sha256(images);
  images[1900] ^= 1;
  refuse(training_options(), images, training_shape, "images " + lotar::sha256(images) + ", got " + digest);
  checkpoint = training.save();
  Checkpoint more = training.save();
  more.arrays["method.loss"] = {1};
  CHECK_THROWS_WITH_AS(training.restore(more), "Pretraining::restore: wanted 8 arrays, got 9", lotar::ConfigError);
  checkpoint.arrays["another"] = {1};
  checkpoint.arrays.erase("optimizer.momentum");
  CHECK_THROWS_WITH_AS(training.restore(checkpoint),
                       ("Pretraining::restore: wanted \"optimizer.momentum\" of " +
                        std::to_string(training.network().table().size()) + " values, got none")
                           .c_str(),
                       lotar::ConfigError);
}
