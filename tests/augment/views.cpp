#include <lotar/augment/views.hpp>

#include <cstdint>
#include <vector>

#include <lotar/augment/presets.hpp>
#include <lotar/core/bf16.hpp>

#include "apply.hpp"

using namespace lotar;

namespace {

constexpr std::size_t side = 8, per_view = side * side * 3;

/// Seven pictures of 9x10 and a place to be in the training.
struct Batch {
  TestBackend b;
  Tensor<std::uint8_t, 4, TestBackend> images;
  Tensor<Clock, 1, TestBackend> clock{b, {1}};

  Batch() {
    std::vector<std::uint8_t> all;
    for (std::size_t n = 0; n < 7; ++n)
      for (const std::uint8_t v : picture({9, 10})) all.push_back(static_cast<std::uint8_t>(v + 31 * n));
    images = Tensor<std::uint8_t, 4, TestBackend>(b, {7, 9, 10, 3}, all);
  }

  Tensor<std::uint32_t, 1, TestBackend> indices(const std::vector<std::uint32_t>& values) {
    return {b, {values.size()}, values};
  }

  void at(Clock now) { b.upload(std::vector<Clock>{now}, clock.view()); }

  template <class T = float>
  std::vector<T> views(const std::vector<std::uint32_t>& order, Clock now, std::size_t n, std::size_t batch_size,
                       std::uint64_t seed = 1) {
    at(now);
    const auto samples = indices(order);
    const Tensor<T, 4, TestBackend> out(b, {2 * n, side, side, 3});
    two_views(b, images.view(), samples.view(), batch_size, clock.view(), seed, thesis_augmentation(side), out.view());
    return out.to_host(b);
  }
};

/// Row r of views.
std::vector<float> row(const std::vector<float>& views, std::size_t r) {
  const auto first = views.begin() + static_cast<std::ptrdiff_t>(r * per_view);
  return {first, first + static_cast<std::ptrdiff_t>(per_view)};
}

}  // namespace

TEST_CASE("a sample's views do not depend on the batch they are in") {
  Batch batch;
  const auto together = batch.views({4, 2, 6, 0}, {.epoch = 2}, 4, 4);
  const auto other_order = batch.views({0, 6, 4, 2}, {.epoch = 2}, 4, 4);
  const auto later = batch.views({1, 1, 1, 4, 2}, {.epoch = 2, .batch = 1}, 2, 3);  // a last batch of two
  CHECK(row(together, 0) == row(other_order, 2));
  CHECK(row(together, 4) == row(other_order, 6));
  CHECK(row(together, 3) == row(other_order, 0));
  CHECK(row(together, 0) == row(later, 0));
  CHECK(row(together, 1) == row(later, 1));
  CHECK(row(together, 4) == row(later, 2));
  CHECK(row(together, 5) == row(later, 3));
}

TEST_CASE("views, epochs and seeds draw apart; steps do not matter") {
  Batch batch;
  const auto views = batch.views({3, 3}, {}, 1, 1);
  CHECK(row(views, 0) != row(views, 1));
  CHECK(views != batch.views({3, 3}, {.epoch = 1}, 1, 1));
  CHECK(views != batch.views({3, 3}, {}, 1, 1, 2));
  CHECK(views == batch.views({3, 3}, {.batch = 1, .step = 50}, 1, 1));
}

TEST_CASE("one view is the first of two") {
  Batch batch;
  const auto both = batch.views({5, 1}, {.epoch = 4}, 2, 2);
  const auto samples = batch.indices({5, 1});
  const Tensor<float, 4, TestBackend> out(batch.b, {2, side, side, 3});
  one_view(batch.b, batch.images.view(), samples.view(), 2, batch.clock.view(), 1, thesis_augmentation(side),
           out.view());
  const auto one = out.to_host(batch.b);
  CHECK(row(one, 0) == row(both, 0));
  CHECK(row(one, 1) == row(both, 1));
}

TEST_CASE("a fixed view takes any samples") {
  Batch batch;
  const auto samples = batch.indices({6, 0, 6});
  const Tensor<float, 4, TestBackend> out(batch.b, {3, 9, 10, 3});
  fixed_view(batch.b, batch.images.view(), samples.view(), pipeline(), out.view());
  const auto got = out.to_host(batch.b), source = unit_picture({9, 10});
  CHECK(std::vector<float>(got.begin(), got.begin() + 270) == std::vector<float>(got.end() - 270, got.end()));
  CHECK(max_difference({got.begin() + 270, got.begin() + 540}, source) < 1e-7f);
}

TEST_CASE("doubles and bf16 hold the same views") {
  Batch batch;
  const auto floats = batch.views({3, 0}, {}, 2, 2);
  const auto doubles = batch.views<double>({3, 0}, {}, 2, 2);
  const auto halves = batch.views<bf16>({3, 0}, {}, 2, 2);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < floats.size(); ++i)
    wrong += static_cast<float>(doubles[i]) != floats[i] || static_cast<float>(halves[i]) != float{bf16(floats[i])};
  CHECK(wrong == 0);
}

TEST_CASE("shapes that do not fit are refused") {
  Batch batch;
  TestBackend& b = batch.b;
  const auto order = batch.indices({0, 1, 2});
  const auto views = [&](const auto& images, std::size_t batch_size, const Extents<4>& extents) {
    const Tensor<float, 4, TestBackend> out(b, extents);
    two_views(b, images.view(), order.view(), batch_size, batch.clock.view(), 1, thesis_augmentation(side), out.view());
  };
  CHECK_THROWS_WITH_AS(views(batch.images, 2, {4, 8, 9, 3}), "two_views: out must be [4, 8, 8, 3], got [4, 8, 9, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(views(batch.images, 2, {3, 8, 8, 3}), "two_views: out must be [2, 8, 8, 3], got [3, 8, 8, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(views(batch.images, 2, {6, 8, 8, 3}),
                       "two_views: a batch of 3 samples is more than the batch size 2 or the 3 of order", ShapeError);
  CHECK_THROWS_WITH_AS(views(batch.images, 9, {8, 8, 8, 3}),
                       "two_views: a batch of 4 samples is more than the batch size 9 or the 3 of order", ShapeError);
  const Tensor<std::uint8_t, 4, TestBackend> planar(b, {1, 3, 32, 32});
  CHECK_THROWS_WITH_AS(
      views(planar, 2, {2, 8, 8, 3}),
      "two_views: images must be [N, H, W, 1 or 3] with N > 0 and sides of 1 to 32768, got [1, 3, 32, 32]", ShapeError);
}

TEST_CASE("views of images larger than a GPU's shared memory are right") {
  constexpr std::size_t n = 5, height = 150, width = 160, size = height * width * 3;
  TestBackend b({.poison_allocations = true});
  std::vector<std::uint8_t> pixels(2 * size);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * i % 251);
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {2, height, width, 3}, pixels);
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{}});
  const std::vector<std::uint32_t> samples{0, 1, 1, 0, 1};
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {n}, samples);
  const Tensor<float, 4, TestBackend> out(b, {n, height, width, 3});
  // The whole image, resampled to its size by tables, and mirrored.
  constexpr double ratio = 1. * width / height;
  const RandomResizedCrop whole{
      .height = height, .width = width, .scale_low = 1, .ratio_low = ratio, .ratio_high = ratio};
  one_view(b, images.view(), order.view(), n, clock.view(), 1, pipeline(whole, HorizontalFlip{1}), out.view());
  const auto got = out.to_host(b);
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::size_t channel = i % 3, col = i / 3 % width, row = i / (3 * width) % height;
    const std::size_t from = samples[i / size] * size + (row * width + width - 1 - col) * 3 + channel;
    worst = worst_of(worst, std::abs(static_cast<double>(got[i]) - pixels[from] / 255.));
  }
  CHECK(worst < 1e-6);
}
