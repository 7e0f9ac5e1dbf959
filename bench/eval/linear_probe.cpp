#include <lotar/eval/linear_probe.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

/// An epoch of a probe of 512 features by Adam, in batches of 512. Args: samples, classes.
void linear_probe(benchmark::State& state) {
  constexpr std::size_t width = 512;
  const auto n = static_cast<std::size_t>(state.range(0)), classes = static_cast<std::size_t>(state.range(1));
  // -1 or 1: the same for all samples of a class, and of any two classes nearly orthogonal
  std::vector<float> x(n * width);
  std::vector<std::int32_t> labels(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t label = i * 7919 % classes;
    labels[i] = static_cast<std::int32_t>(label);
    for (std::size_t j = 0; j < width; ++j) {
      auto bits = static_cast<std::uint32_t>(label * width + j) * 2654435761u;
      bits = (bits ^ bits >> 15) * 2246822519u;
      x[i * width + j] = (bits ^ bits >> 13) % 2 == 0 ? 1.f : -1.f;
    }
  }
  BenchBackend b;
  const lotar::Tensor<float, 2, BenchBackend> features(b, {n, width}, x);
  const lotar::Tensor<std::int32_t, 1, BenchBackend> right(b, {n}, labels), predictions(b, {n});
  const lotar::LinearProbeOptions options{.epochs = 1, .initial_deviation = 1e-6};
  lotar::LinearProbe<float, BenchBackend> probe;
  for (auto _ : state) {
    probe = lotar::train_linear_probe<float>(b, features, right, classes, options);
    b.sync();
  }
  probe.predict(b, features, predictions);
  if (predictions.to_host(b) != labels) state.SkipWithError("classes of orthogonal codes are not told apart");
  const double flops = 4 * static_cast<double>(n) * static_cast<double>(width * classes);
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(linear_probe)->ArgsProduct({{16384}, {10, 30, 100, 300, 1000}})->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
