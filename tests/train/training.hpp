#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include <lotar/augment/boosted_rand_augment.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/train/pretraining.hpp>

// A training small enough for a test: 10 images of 8x8 in batches of 4, so that the last batch of an epoch has 2.

inline constexpr lotar::Extents<4> training_shape{{10, 8, 8, 3}};

inline std::vector<std::uint8_t> training_images() {
  std::vector<std::uint8_t> images(training_shape.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<std::uint8_t>((i * 37 + i / 192 * 91 + i * i % 61) % 256);
  return images;
}

inline lotar::PretrainingOptions training_options() {
  return {.network = {.arch = "resnet10", .width = 4, .projector = "mlp", .projection = {.out = 8}},
          .optimizer = {.name = "sgd", .weight_decay = 1e-4},
          .schedule = {.learning_rate = 0.05, .warmup_epochs = 1, .epochs = 7},
          .batch_size = 4};
}

/// A training of this method on B.
template <class B, class Method>
struct Training : lotar::Pretraining<float, B, Method, decltype(lotar::thesis_augmentation(8))> {
  explicit Training(B& b, const lotar::PretrainingOptions& options = training_options(), Method method = Method{})
      : Training::Pretraining(b, training_images(), training_shape, options, std::move(method),
                              lotar::thesis_augmentation(8)) {}

  void run(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) this->step();
  }
};

/// BCL on LoTaR, whose views are as strong as its memory says.
template <class B>
auto boosted_training(B& b, const lotar::PretrainingOptions& options) {
  lotar::Bcl<B, lotar::Lotar> bcl(b, 10);
  const auto views = lotar::bcl_boosted_augmentation(
      8, lotar::BoostedRandAugment<typename B::Memory>{.operations = 2, .strengths = bcl.strengths()});
  return lotar::make_pretraining(b, training_images(), training_shape, options, std::move(bcl), views);
}

inline lotar::PretrainingOptions changed(const char* optimizer, double learning_rate) {
  lotar::PretrainingOptions options = training_options();
  options.optimizer.name = optimizer;
  options.schedule.learning_rate = learning_rate;
  return options;
}

inline void check_same(const lotar::Checkpoint& a, const lotar::Checkpoint& b) {
  REQUIRE(a.arrays.size() == b.arrays.size());
  for (const auto& array : a.arrays) {
    INFO(array.first);
    CHECK(array.second == b.arrays.at(array.first));
  }
  CHECK(a.counters == b.counters);
}
