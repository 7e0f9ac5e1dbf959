#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <lotar/augment/presets.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/train/pretraining.hpp>

#include "../test.hpp"
#include "training.hpp"

using namespace lotar;

namespace {

constexpr Extents<4> shape{{96, 16, 16, 3}};

/// 96 pictures: a slope and a spot whose places and colours differ.
std::vector<std::uint8_t> pictures() {
  std::vector<std::uint8_t> all(shape.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t n = i / 768, row = i / 48 % 16, col = i / 3 % 16, c = i % 3;
    const std::size_t down = (n * 5 + 3 * c) % 16, across = n * 11 % 16;
    const bool spot = (row + down) % 16 < 6 && (col + across) % 16 < 6;
    all[i] = static_cast<std::uint8_t>(spot ? 255 - 40 * c : row * (n % 7) + col * (n % 5) + 20 * c);
  }
  return all;
}

/// At this temperature trainings so small do not drift apart by chance alone, as they do at 0.2.
PretrainingOptions options() {
  PretrainingOptions o = training_options();
  o.temperature.low = 0.5;
  o.schedule.learning_rate = 0.02;
  o.network.width = 8;
  o.schedule.epochs = 34;  // of 3 steps
  o.batch_size = 32;
  return o;
}

template <class T, class B>
auto make(B& b) {
  return make_pretraining<T>(b, pictures(), shape, options(), SimClr{}, crop_flip_augmentation(16));
}

/// Lockstep would take minutes: it makes a step or two.
bool slow() { return std::string(TestBackend::name) == "lockstep"; }

template <class T>
double first_loss(TestBackend& b) {
  auto training = make<T>(b);
  training.step();
  return static_cast<double>(training.record().batch_loss[0]);
}

/// The mean loss of each epoch.
template <class T>
std::vector<double> epoch_losses(TestBackend& b) {
  auto training = make<T>(b);
  std::vector<double> losses;
  while (!training.done()) {
    training.step();
    if (!training.epoch_complete()) continue;
    double sum = 0;
    for (const auto loss : training.record().loss) sum += static_cast<double>(loss);
    losses.push_back(sum / static_cast<double>(shape[0]));
  }
  return losses;
}

}  // namespace

TEST_CASE("after 100 steps with activations in bf16 the loss is within 2 % of float's, far below the first") {
  TestBackend b;
  const double start = first_loss<float>(b);
  CHECK(std::abs(first_loss<bf16>(b) - start) < 0.01 * start);
  if (slow()) return;
  const double wide = epoch_losses<float>(b).back(), narrow = epoch_losses<bf16>(b).back();
  CAPTURE(wide);
  CAPTURE(narrow);
  CHECK(wide < 0.8 * std::log(63.));
  CHECK(narrow != wide);
  CHECK(std::abs(narrow - wide) < 0.02 * wide);
}

TEST_CASE("every backend's losses are the CPU's in double") {
  // Of the first step, the first two epochs and the last; in between, rounding errors grow a hundredfold in an epoch.
  const double first = 4.153328, cpu[] = {4.154896, 4.125353}, last = 3.144106;
  TestBackend b;
  CHECK(std::abs(first_loss<float>(b) - first) < 1e-5 * first);
  if (slow()) return;
  const auto check = [&](const std::vector<double>& losses) {
    for (std::size_t epoch = 0; epoch < 2; ++epoch) {
      CAPTURE(losses[epoch]);
      CHECK(std::abs(losses[epoch] - cpu[epoch]) < 1e-4 * cpu[epoch]);
    }
    CHECK(std::abs(losses.back() - last) < 0.02 * last);
  };
  check(epoch_losses<float>(b));
  if (std::string(TestBackend::name) == "cpu") check(epoch_losses<double>(b));  // whence they are
}

TEST_CASE("a training in bf16 goes on from its checkpoint to the bit, and not from one in float") {
  TestBackend b;
  const int before = slow() ? 1 : 4, after = slow() ? 1 : 3;
  auto whole = make<bf16>(b), first = make<bf16>(b), second = make<bf16>(b);
  for (int i = 0; i < before + after; ++i) whole.step();
  for (int i = 0; i < before; ++i) first.step();
  second.restore(first.save());
  for (int i = 0; i < after; ++i) second.step();
  CHECK(second.save().arrays == whole.save().arrays);
  CHECK_THROWS_WITH_AS(
      second.restore(make<float>(b).save()),
      "Pretraining::restore: the checkpoint is of another training: wanted precision bf16, got float32", ConfigError);
}
