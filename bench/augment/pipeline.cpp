#include <lotar/augment/pipeline.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/augment/gaussian_blur.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/augment/views.hpp>
#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

using namespace lotar;

/// Two views each of 512 smooth coloured images, size x size; items are views.
/// @param mean  about what the views' mean must be; the source's is 1/2
template <class... Operations>
void views(benchmark::State& state, std::size_t size, const Pipeline<Operations...>& pipeline, double mean = 0.5) {
  constexpr std::size_t n = 512;
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
  const Tensor<std::uint8_t, 4, BenchBackend> images(b, {n, size, size, 3}, source);
  const Tensor<std::uint32_t, 1, BenchBackend> order(b, {n}, indices);
  const Tensor<Clock, 1, BenchBackend> clock(b, {1}, now);
  const Tensor<float, 4, BenchBackend> out(b, {2 * n, to.height, to.width, 3});
  for (auto _ : state) {
    two_views(b, images.view(), order.view(), n, clock.view(), 1, pipeline, out.view());
    b.sync();
  }
  double sum = 0;
  for (const float v : out.to_host(b)) sum += static_cast<double>(v);
  if (!(std::abs(sum / static_cast<double>(out.size()) - mean) < 0.05)) state.SkipWithError("the mean is off");
  state.SetItemsProcessed(state.iterations() * 2 * static_cast<std::int64_t>(n));
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
