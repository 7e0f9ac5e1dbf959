#include <lotar/eval/knn.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

constexpr std::size_t width = 512, classes = 10;

/// An integer that looks random.
std::uint32_t mixed(std::size_t place) {
  auto x = static_cast<std::uint32_t>(place) * 2654435761u;
  x = (x ^ x >> 15) * 2246822519u;
  return x ^ x >> 13;
}

/// Rows [n, width]: -1 or 1, the same for all of a class, of any two classes nearly orthogonal, and noise from -2 to 2.
/// @param first  rows before these, whose noise is another
std::vector<float> features(const std::vector<std::int32_t>& labels, std::size_t first) {
  std::vector<float> x(labels.size() * width);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t place = static_cast<std::size_t>(labels[i / width]) * width + i % width;
    const float noise = static_cast<float>(mixed(first * width + i + classes * width) >> 8) * 0x1p-22f - 2;
    x[i] = (mixed(place) % 2 == 0 ? 1.f : -1.f) + noise;
  }
  return x;
}

/// The classes of some queries by their 20 nearest of N samples, of 512 features. Args:
/// samples, queries, scores at once.
void knn(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0)), count = static_cast<std::size_t>(state.range(1));
  std::vector<std::int32_t> known(n), wanted(count);
  for (std::size_t i = 0; i < n; ++i) known[i] = static_cast<std::int32_t>(i * 7919 % classes);
  for (std::size_t i = 0; i < count; ++i) wanted[i] = static_cast<std::int32_t>(i % classes);
  BenchBackend b;
  const lotar::Tensor<float, 2, BenchBackend> bank(b, {n, width}, features(known, 0));
  const lotar::Tensor<float, 2, BenchBackend> queries(b, {count, width}, features(wanted, n));
  const lotar::Tensor<std::int32_t, 1, BenchBackend> labels(b, {n}, known), predictions(b, {count});
  const lotar::KnnOptions options{.scores_at_once = static_cast<std::size_t>(state.range(2))};
  for (auto _ : state) {
    lotar::knn_classify<float>(b, bank, labels, queries, options, predictions);
    b.sync();
  }
  if (predictions.to_host(b) != wanted) state.SkipWithError("classes are not told apart");
  const double flops = 2 * static_cast<double>(n * count) * static_cast<double>(width);
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.SetItemsProcessed(state.iterations() * state.range(1));
}
BENCHMARK(knn)
    ->ArgNames({"N", "M", "scores"})
    ->ArgsProduct({{12406}, {2000}, {1 << 20, 1 << 22, 1 << 24}})  // CIFAR10-LT against a fifth of the test images
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
