#include <lotar/augment/pipeline.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/augment/gaussian_blur.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/augment/views.hpp>
#include <lotar/core/tensor.hpp>

#include "../backend.hpp"
#include "plain.hpp"

namespace {

using namespace lotar;
using Images = Tensor<std::uint8_t, 4, BenchBackend>;

/// An operation with parameters that are given instead of drawn.
template <class Operation, class Parameters>
struct Given {
  Operation operation;
  Parameters parameters;

  void check(ImageSize in) const { operation.check(in); }
  Footprint footprint(ImageSize in) const { return pipeline(operation).footprint(in); }
  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image) const {
    operation.apply(block, image, parameters);
  }
};

/// An image after operations that do not draw.
template <class... Operations>
plain::Image fixed(BenchBackend& b, const Images& images, std::uint32_t sample, const Pipeline<Operations...>& p) {
  const ImageSize to = p.footprint({images.extent(1), images.extent(2)}).output;
  const Tensor<std::uint32_t, 1, BenchBackend> samples(b, {1}, std::vector<std::uint32_t>{sample});
  const Tensor<float, 4, BenchBackend> out(b, {1, to.height, to.width, 3});
  fixed_view(b, images.view(), samples.view(), p, out.view());
  const std::vector<float> values = out.to_host(b);
  return {to.height, to.width, {values.begin(), values.end()}};
}

/// A view as plain loops make it; where the first operation has none (crops, blur), as it makes the view alone.
/// @return whether there are plain loops for the rest
bool by_plain_loops(BenchBackend& b, const Images& images, const Pipeline<>&, const ViewKey& key, plain::Image& view) {
  view = fixed(b, images, key.sample, pipeline());
  return true;
}
template <class First, class... Rest>
bool by_plain_loops(BenchBackend& b, const Images& images, const Pipeline<First, Rest...>& p, const ViewKey& key,
                    plain::Image& view) {
  if constexpr (plain::Fixed<First> || plain::Drawn<First>) {
    view = fixed(b, images, key.sample, pipeline());
    return plain::apply(p, view, key, 0);
  } else {
    Random draws(key.seed, key.epoch, key.sample, key.view, 0);
    const auto parameters = p.first.draw(draws, {images.extent(1), images.extent(2)});
    view = fixed(b, images, key.sample, pipeline(Given<First, decltype(parameters)>{p.first, parameters}));
    return plain::apply(p.rest, view, key, 1);
  }
}

/// Two views each of 512 smooth coloured images, size x size; items are views.
/// @param mean  about what the views' mean must be; the source's is 1/2
template <class... Operations>
void views(benchmark::State& state, std::size_t size, const Pipeline<Operations...>& pipeline, double mean = 0.5) {
  constexpr std::size_t n = 512;
  constexpr std::uint64_t seed = 1;
  BenchBackend b;
  std::vector<std::uint8_t> source;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t y = 0; y < size; ++y)
      for (std::size_t x = 0; x < size; ++x)
        for (std::size_t c = 0; c < 3; ++c) {
          const double phase = static_cast<double>(x * (i % 7 + 1) + y * (i % 5 + 1)) / static_cast<double>(size);
          source.push_back(static_cast<std::uint8_t>(127.5 + 127.5 * std::sin(3 * phase + static_cast<double>(c + i))));
        }
  std::vector<std::uint32_t> indices(n);
  for (std::size_t i = 0; i < n; ++i) indices[i] = static_cast<std::uint32_t>(i);
  const std::vector<Clock> now(1);

  const ImageSize to = pipeline.footprint({size, size}).output;
  const Images images(b, {n, size, size, 3}, source);
  const Tensor<std::uint32_t, 1, BenchBackend> order(b, {n}, indices);
  const Tensor<Clock, 1, BenchBackend> clock(b, {1}, now);
  const Tensor<float, 4, BenchBackend> out(b, {2 * n, to.height, to.width, 3});
  for (auto _ : state) {
    two_views(b, images.view(), order.view(), n, clock.view(), seed, pipeline, out.view());
    b.sync();
  }

  const std::vector<float> got = out.to_host(b);
  double sum = 0;
  for (const float v : got) sum += static_cast<double>(v);
  if (!(std::abs(sum / static_cast<double>(out.size()) - mean) < 0.05)) state.SkipWithError("the mean is off");
  for (const std::uint32_t sample : {0, 1, 2, 3, 5, 8})
    for (const std::uint32_t v : {0, 1}) {
      plain::Image wanted;
      if (!by_plain_loops(b, images, pipeline, {seed, 0, sample, v}, wanted)) continue;
      const float* const view = got.data() + (v * n + sample) * wanted.values.size();
      double worst = 0;
      for (std::size_t i = 0; i < wanted.values.size(); ++i)
        worst = std::max(worst, std::abs(static_cast<double>(view[i]) - wanted.values[i]));
      if (worst > 1e-4) state.SkipWithError("a view is not that of plain loops");
    }
  const auto views = state.iterations() * 2 * static_cast<std::int64_t>(n);
  state.SetItemsProcessed(views);
  state.SetBytesProcessed(views * static_cast<std::int64_t>(3 * size * size + 3 * sizeof(float) * to.pixels()));
}

void load_and_store(benchmark::State& state) { views(state, 32, pipeline()); }
void crop_bilinear(benchmark::State& state) { views(state, 32, pipeline(RandomResizedCrop{})); }
void crop_bicubic(benchmark::State& state) {
  views(state, 32, pipeline(RandomResizedCrop{.interpolation = Interpolation::bicubic}));
}
void crop_224_to_64(benchmark::State& state) {
  views(state, 224, pipeline(RandomResizedCrop{.height = 64, .width = 64}));
}
void flip(benchmark::State& state) { views(state, 32, pipeline(HorizontalFlip{1})); }
void brightness(benchmark::State& state) { views(state, 32, pipeline(ColorJitter{0.4, 0, 0, 0, 1})); }
void contrast(benchmark::State& state) { views(state, 32, pipeline(ColorJitter{0, 0.4, 0, 0, 1})); }
void saturation(benchmark::State& state) { views(state, 32, pipeline(ColorJitter{0, 0, 0.4, 0, 1})); }
void hue(benchmark::State& state) { views(state, 32, pipeline(ColorJitter{0, 0, 0, 0.1, 1})); }
void grayscale(benchmark::State& state) { views(state, 32, pipeline(Grayscale{1})); }
void blur_3(benchmark::State& state) { views(state, 32, pipeline(GaussianBlur{.probability = 1})); }
void thesis(benchmark::State& state) { views(state, 32, thesis_augmentation(32, Normalize{})); }
void bcl(benchmark::State& state) { views(state, 32, bcl_augmentation(32, Normalize{})); }
// Half of the operations are applied, and make a tenth of an image black on average.
void bcl_boosted_1(benchmark::State& state) { views(state, 32, bcl_boosted_augmentation(32, {}, Normalize{}), 0.475); }
void bcl_boosted_2(benchmark::State& state) {
  views(state, 32, bcl_boosted_augmentation(32, {.operations = 2}, Normalize{}), 0.45);
}

BENCHMARK(thesis)->UseRealTime();
BENCHMARK(bcl)->UseRealTime();
BENCHMARK(bcl_boosted_1)->UseRealTime();
BENCHMARK(bcl_boosted_2)->UseRealTime();
BENCHMARK(load_and_store)->UseRealTime();
BENCHMARK(crop_bilinear)->UseRealTime();
BENCHMARK(crop_bicubic)->UseRealTime();
BENCHMARK(flip)->UseRealTime();
BENCHMARK(brightness)->UseRealTime();
BENCHMARK(contrast)->UseRealTime();
BENCHMARK(saturation)->UseRealTime();
BENCHMARK(hue)->UseRealTime();
BENCHMARK(grayscale)->UseRealTime();
BENCHMARK(blur_3)->UseRealTime();
BENCHMARK(crop_224_to_64)->UseRealTime();

}  // namespace
