#include <lotar/train/pretraining.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <lotar/augment/presets.hpp>

#include "../backend.hpp"

namespace {

/// Flops of one forward pass over a 32x32 image: counted over the CIFAR ResNet-18 of width 64, 0.5554e9 multiply-adds
/// in its convolutions; they grow with the square of the width (but for the stem's three channels, left out here).
double forward_flops(std::size_t width) {
  const double scale = static_cast<double>(width) / 64;
  return 2 * 0.5536e9 * scale * scale;
}

/// Of an epoch: what an epoch begins with is part of a step now and then.
constexpr std::size_t batches = 4;

/// A whole step: views, forward, loss, backward, update. Args: images in the batch, width of the ResNet-18.
template <class T, class Method, class Views>
void step(benchmark::State& state, BenchBackend& b, Method method, const Views& views, double prune) {
  const auto batch = static_cast<std::size_t>(state.range(0)), width = static_cast<std::size_t>(state.range(1));
  const std::size_t samples = batches * batch;
  std::vector<std::uint8_t> images(samples * 32 * 32 * 3);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
  const lotar::PretrainingOptions options{.network = {.width = width, .projector = "mlp"},
                                          .optimizer = {.name = "sgd"},
                                          .schedule = {.learning_rate = 0.01, .epochs = 50000},
                                          .batch_size = batch,
                                          .prune = prune};
  auto training = lotar::make_pretraining<T>(b, images, {{samples, 32, 32, 3}}, options, std::move(method), views);
  const auto last_loss = [&] { return static_cast<double>(training.record().batch_loss[training.clock().batch - 1]); };
  training.step();
  const double first = last_loss(), start = std::log(2 * static_cast<double>(batch) - 1);
  if (!(std::abs(first - start) < 0.5 * start)) state.SkipWithError("the first loss is not near log(2N - 1)");
  const auto before = training.save().arrays.at("values");
  for (int i = 0; i < 2; ++i) training.step();  // the second is recorded, the third replayed
  b.sync();
  for (auto _ : state) {
    training.step();
    b.sync();
  }
  const double last = last_loss();
  if (!(last > 0 && last < 1.5 * start)) state.SkipWithError("the last loss is not between 0 and 1.5 log(2N - 1)");
  if (training.save().arrays.at("values") == before) state.SkipWithError("no parameter has changed");
  const double viewed = 2 * static_cast<double>(state.iterations() * state.range(0));
  state.counters["views/s"] = benchmark::Counter(viewed, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] = benchmark::Counter(3 * forward_flops(width) * viewed, benchmark::Counter::kIsRate);
  state.SetLabel(BenchBackend::name);
}

void lotar_step(benchmark::State& state) {
  BenchBackend b;
  step<float>(state, b, lotar::Lotar{}, lotar::thesis_augmentation(32), 0);
}
void more_views(benchmark::internal::Benchmark* b) {
  if (bench_large) b->Args({512, 64});
}
/// @tparam T  how activations are stored
template <class T>
void simclr_step(benchmark::State& state) {
  BenchBackend b;
  step<T>(state, b, lotar::SimClr{}, lotar::bcl_augmentation(32), 0);
}
/// As fast as it gets: where results need not be the same bits every time.
void simclr_step_any_order(benchmark::State& state) {
  BenchBackend b = any_order_backend();
  step<lotar::bf16>(state, b, lotar::SimClr{}, lotar::bcl_augmentation(32), 0);
}
void sdclr_step(benchmark::State& state) {
  BenchBackend b;
  step<float>(state, b, lotar::SimClr{}, lotar::bcl_augmentation(32), 0.9);
}
/// With RandAugment at its mean strength; a step of BCL-I reads them from its memory.
void bcl_step(benchmark::State& state) {
  BenchBackend b;
  lotar::Bcl<BenchBackend> method(b, batches * static_cast<std::size_t>(state.range(0)));
  step<float>(state, b, std::move(method), lotar::bcl_boosted_augmentation(32, {.operations = 1}), 0);
}
BENCHMARK(lotar_step)->Args({128, 16})->Args({256, 16})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(simclr_step<float>)
    ->ArgsProduct({{128}, {8, 16, 32, 64}})
    ->Apply(more_views)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(simclr_step<lotar::bf16>)
    ->Name("simclr_step<bf16>")
    ->Args({128, 16})
    ->Args({128, 64})
    ->Apply(more_views)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(simclr_step_any_order)
    ->Name("simclr_step<bf16>_any_order")
    ->Args({128, 64})
    ->Apply(more_views)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(sdclr_step)->Args({128, 16})->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(bcl_step)->Args({128, 16})->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
