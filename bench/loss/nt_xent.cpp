#include <lotar/loss/nt_xent.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

/// Losses and gradient of a batch of N images; the most memory that they take on the way. Args: N, D.
void nt_xent(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0)), d = static_cast<std::size_t>(state.range(1));
  BenchBackend b;
  // 2N points on a circle in the plane, the two views of an image beside each other, and the rest of D zero
  std::vector<float> z(2 * n * d);
  for (std::size_t a = 0; a < 2 * n; ++a) {
    const double angle = 3.14159265358979 * static_cast<double>(2 * (a % n) + a / n) / static_cast<double>(n);
    z[a * d] = static_cast<float>(std::cos(angle));
    z[a * d + 1] = static_cast<float>(std::sin(angle));
  }
  const double temperature = .2;
  double sum = 0;  // every anchor sees the same angles
  for (std::size_t a = 1; a < 2 * n; ++a)
    sum += std::exp(std::cos(3.14159265358979 * static_cast<double>(a) / static_cast<double>(n)) / temperature);
  const double wanted = std::log(sum) - std::cos(3.14159265358979 / static_cast<double>(n)) / temperature;

  const lotar::Tensor<float, 2, BenchBackend> tz(b, {2 * n, d}, z), dz(b, {2 * n, d});
  const lotar::Tensor<float, 1, BenchBackend> losses(b, {2 * n}), coefficients(b, {2 * n});
  b.fill(coefficients.view(), 1 / static_cast<float>(2 * n));
  b.pool().reset_peak();
  const std::size_t held = b.pool().used();
  for (auto _ : state) {
    const auto forward = lotar::nt_xent_forward(b, tz, {.temperature = temperature}, losses);
    lotar::nt_xent_backward(b, forward, coefficients, dz);
    b.sync();
  }
  for (const float loss : losses.to_host(b))
    if (!(std::abs(static_cast<double>(loss) - wanted) < 1e-3)) {
      state.SkipWithError("a loss is wrong");
      break;
    }
  const double products = 3 * 2 * 4 * static_cast<double>(n * n) * static_cast<double>(d);
  state.counters["FLOP/s"] =
      benchmark::Counter(products * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  state.counters["extra_bytes"] = static_cast<double>(b.pool().peak() - held);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
void batches(benchmark::internal::Benchmark* bench) {
  for (std::int64_t n = 128; n <= (bench_large ? 16384 : 4096); n *= 2) bench->Args({n, 128});
}
BENCHMARK(nt_xent)->Apply(batches)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
