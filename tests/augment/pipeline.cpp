#include <lotar/augment/pipeline.hpp>

#include <lotar/augment/center_crop.hpp>
#include <lotar/augment/color_jitter.hpp>
#include <lotar/augment/horizontal_flip.hpp>
#include <lotar/augment/resize.hpp>

#include "apply.hpp"

using namespace lotar;

namespace {

/// Shows whose image it was: red is the sample, green the view, blue the epoch.
struct ShowKey {
  void check(ImageSize) const {}
  template <class Images>
  void check_images(const Images&) const {}
  LOTAR_FN ViewKey draw(Random&, ImageSize, const ViewKey& key) const { return key; }
  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const ViewKey& key) const {
    float *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
    block.for_each(image.size.pixels(), [=](std::size_t i) {
      r[i] = static_cast<float>(key.sample), g[i] = static_cast<float>(key.view), b[i] = static_cast<float>(key.epoch);
    });
  }
};

}  // namespace

TEST_CASE("operations follow one another") {
  // of 6x7: all of it enlarged, then its middle; against the same in two runs
  const auto p = pipeline(Resize{12, 14}, CenterCrop{4, 4});
  CHECK(p.footprint({6, 7}).output == ImageSize{4, 4});
  CHECK(p.footprint({6, 7}).pixels == 12 * 14);
  const auto large = apply({6, 7}, Resize{12, 14}), got = apply({6, 7}, Resize{12, 14}, CenterCrop{4, 4});
  REQUIRE(got.size() == 48);
  for (std::size_t y = 0; y < 4; ++y)
    for (std::size_t x = 0; x < 12; ++x) CHECK(got[y * 12 + x] == large[(y + 4) * 42 + 15 + x]);
}

TEST_CASE("each position draws for itself, from (seed, epoch, sample, view, position)") {
  TestBackend b;
  constexpr std::size_t n = 16;
  std::vector<std::uint8_t> source(n * 2 * 3);
  for (std::size_t i = 0; i < n; ++i) source[i * 6] = 255;  // the left pixel is red
  std::vector<std::uint32_t> indices(n);
  for (std::size_t i = 0; i < n; ++i) indices[i] = static_cast<std::uint32_t>(i);
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {n, 1, 2, 3}, source);
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {n}, indices);
  const std::vector<Clock> now = {{.epoch = 3}};
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, now);
  const Tensor<float, 4, TestBackend> out(b, {2 * n, 1, 2, 3});
  two_views(b, images.view(), order.view(), n, clock.view(), 9, pipeline(HorizontalFlip{}, HorizontalFlip{}),
            out.view());
  const auto got = out.to_host(b);
  std::size_t twice = 0;
  for (std::uint32_t view = 0; view < 2; ++view)
    for (std::uint32_t i = 0; i < n; ++i) {
      Random first(9, 3, i, view, 0), second(9, 3, i, view, 1);
      const bool one = first.bernoulli(0.5f), two = second.bernoulli(0.5f);
      twice += one && two;
      CHECK(got[(view * n + i) * 6] == (one == two ? 1.f : 0.f));
    }
  CHECK(twice < n);
}

TEST_CASE("an operation may draw by whose image it is") {
  TestBackend b;
  const std::vector<std::uint8_t> source(3 * 3);
  const std::vector<std::uint32_t> indices = {2, 0};
  const std::vector<Clock> now = {{.epoch = 5}};
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {3, 1, 1, 3}, source);
  const Tensor<std::uint32_t, 1, TestBackend> order(b, {2}, indices);
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, now);
  const Tensor<float, 4, TestBackend> out(b, {4, 1, 1, 3});
  two_views(b, images.view(), order.view(), 2, clock.view(), 9, pipeline(HorizontalFlip{}, ShowKey{}), out.view());
  CHECK(out.to_host(b) == std::vector<float>{2, 0, 5, 0, 0, 5, 2, 1, 5, 0, 1, 5});
}

TEST_CASE("a pipeline knows whether it draws, and checks each operation against its own input") {
  CHECK_FALSE(pipeline().random);
  CHECK_FALSE(pipeline(Resize{}, CenterCrop{}).random);
  CHECK(pipeline(Resize{}, HorizontalFlip{}).random);
  CHECK(pipeline(ShowKey{}).random);
  CHECK_THROWS_WITH_AS(pipeline(Resize{8, 8}, CenterCrop{9, 9}).check({32, 32}),
                       "CenterCrop: images must be at least 9x9, got 8x8", ShapeError);
  CHECK_NOTHROW(pipeline(Resize{8, 8}, CenterCrop{8, 8}).check({3, 3}));
}
