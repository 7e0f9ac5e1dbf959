#include <lotar/augment/presets.hpp>

#include "apply.hpp"

using namespace lotar;

TEST_CASE("presets are the published pipelines") {
  const auto thesis = thesis_augmentation(32);
  CHECK(thesis.first.height == 32);
  CHECK(thesis.first.scale_low == 0.08);
  CHECK(thesis.first.scale_high == 1);
  CHECK(thesis.first.interpolation == Interpolation::bilinear);
  CHECK(thesis.rest.first.probability == 0.5);
  const ColorJitter& jitter = thesis.rest.rest.first;
  CHECK(jitter.brightness == 0.4);
  CHECK(jitter.contrast == 0.4);
  CHECK(jitter.saturation == 0.4);
  CHECK(jitter.hue == 0.1);
  CHECK(jitter.probability == 0.8);
  CHECK(thesis.rest.rest.rest.first.probability == 0.2);
  CHECK(thesis.rest.rest.rest.rest.first.mean[0] == 0.485);

  const auto bcl = bcl_augmentation(28, Normalize{});
  CHECK(bcl.first.width == 28);
  CHECK(bcl.first.scale_low == 0.1);
  CHECK(bcl.first.interpolation == Interpolation::bicubic);
  CHECK(bcl.rest.rest.rest.rest.first.deviation[2] == 1);

  const auto boosted = bcl_boosted_augmentation(28, {.operations = 2}, Normalize{});
  CHECK(boosted.first.height == 28);
  CHECK(boosted.first.width == 28);
  CHECK(boosted.first.scale_low == 0.1);
  CHECK(boosted.first.interpolation == Interpolation::bicubic);
  CHECK(boosted.rest.first.probability == 0.5);
  CHECK(boosted.rest.rest.first.probability == 0.8);
  CHECK(boosted.rest.rest.rest.first.probability == 0.2);
  CHECK(boosted.rest.rest.rest.rest.first.operations == 2);
  CHECK(boosted.rest.rest.rest.rest.rest.first.deviation[2] == 1);

  const auto classifier = crop_flip_augmentation(28);
  CHECK(classifier.first.height == 28);
  CHECK(classifier.first.width == 28);
  CHECK(classifier.first.padding == 4);
  CHECK(classifier.rest.first.probability == 0.5);
  CHECK(classifier.rest.rest.first.mean[0] == 0.485);
}

TEST_CASE("presets make finite views of any image") {
  TestBackend b;
  const std::vector<std::uint8_t> source = picture({20, 37});
  const std::vector<std::uint32_t> indices(8, 0);
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {1, 20, 37, 3}, source);
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {8}, indices);
  const Tensor<float, 4, TestBackend> out(b, {8, 16, 16, 3});
  const auto in_range = [&](float low, float high) {
    std::size_t outside = 0;
    for (const float v : out.to_host(b)) outside += !(v >= low && v <= high);
    return outside == 0;
  };
  for (std::uint32_t epoch = 0; epoch < 5; ++epoch) {
    const std::vector<Clock> now = {{.epoch = epoch}};
    const Tensor<Clock, 1, TestBackend> clock(b, {1}, now);
    b.fill(out.view(), -9.f);
    two_views(b, images.view(), order.view(), 4, clock.view(), 5, thesis_augmentation(16), out.view());
    CHECK(in_range(-2.2f, 2.7f));
    two_views(b, images.view(), order.view(), 4, clock.view(), 5, bcl_augmentation(16, Normalize{}), out.view());
    CHECK(in_range(0, 1));
    two_views(b, images.view(), order.view(), 4, clock.view(), 5,
              bcl_boosted_augmentation(16, {.operations = 8, .probability = 1}, Normalize{}), out.view());
    CHECK(in_range(0, 1));
    two_views(b, images.view(), order.view(), 4, clock.view(), 5, crop_flip_augmentation(16, Normalize{}), out.view());
    CHECK(in_range(0, 1));
  }
  const std::vector<float> plain = apply({6, 7}, Resize{4, 4}, imagenet_normalize);
  const auto p = plain_view(4);
  CHECK(apply({6, 7}, p.first, p.rest.first) == plain);
}
