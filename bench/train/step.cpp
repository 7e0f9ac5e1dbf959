#include <lotar/train/pretraining.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/augment/presets.hpp>

#include "../backend.hpp"

namespace {

/// Multiply-adds of one forward pass over a 32x32 image: counted over the CIFAR ResNet-18 of width 64, 0.5554e9 in its
/// convolutions; they grow with the square of the width (but for the stem's three channels, left out here).
double forward_flops(std::size_t width) {
  const double scale = static_cast<double>(width) / 64;
  return 2 * 0.5536e9 * scale * scale;
}

/// A whole step of LoTaR: views, forward, loss, backward, update. Args: images in the batch, width of the ResNet-18.
template <lotar::Backend B>
void step(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0)), width = static_cast<std::size_t>(state.range(1));
  std::vector<std::uint8_t> images(batch * 32 * 32 * 3);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<std::uint8_t>(i * 2654435761u >> 13);
  const auto views = lotar::thesis_augmentation(32);
  const lotar::PretrainingOptions options{.network = {.width = width, .projector = "mlp"},
                                          .optimizer = {.name = "sgd"},
                                          .schedule = {.learning_rate = 0.01, .epochs = 1000},
                                          .batch_size = batch};
  B b;
  auto training = lotar::make_pretraining(b, images, {{batch, 32, 32, 3}}, options, lotar::Lotar{}, views);
  training.step();
  const double loss = static_cast<double>(training.record().batch_loss[0]),
               start = std::log(2 * static_cast<double>(batch) - 1);
  if (!(std::abs(loss - start) < 0.5 * start)) state.SkipWithError("the first loss is not near log(2N - 1)");
  for (auto _ : state) {
    training.step();
    b.sync();
  }
  const double viewed = 2 * static_cast<double>(state.iterations() * state.range(0));
  state.counters["views/s"] = benchmark::Counter(viewed, benchmark::Counter::kIsRate);
  state.counters["FLOP/s"] = benchmark::Counter(3 * forward_flops(width) * viewed, benchmark::Counter::kIsRate);
  state.SetLabel(B::name);
}
BENCHMARK_TEMPLATE(step, BenchBackend)
    ->Args({128, 16})
    ->Args({256, 16})
    ->Args({128, 64})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
