#include <lotar/loss/nt_xent.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

/// 2N points on a circle in the plane, the two views of an image beside each other; every anchor sees the same angles.
struct Circle {
  std::size_t n;
  double temperature = .2;

  static constexpr double pi = 3.14159265358979;
  double angle(std::size_t a) const { return pi * static_cast<double>(2 * (a % n) + a / n) / static_cast<double>(n); }
  double coefficient(std::size_t a) const { return (1 + .5 * std::cos(angle(a))) / static_cast<double>(2 * n); }
  /// exp of a similarity
  double power(std::size_t a, std::size_t b) const { return std::exp(std::cos(angle(a) - angle(b)) / temperature); }
  double denominator() const {
    double sum = 0;
    for (std::size_t a = 1; a < 2 * n; ++a) sum += power(0, a);
    return sum;
  }
  double loss() const { return std::log(denominator() / power(0, n)); }
  /// Of the losses' sum by coefficients: its part along the circle, the only one that there is.
  double gradient(std::size_t a) const {
    const double all = denominator();
    double sum = 0;
    for (std::size_t b = 0; b < 2 * n; ++b) {
      const double slope = a == b ? 0 : power(a, b) / all - (b % n == a % n ? 1 : 0);
      sum += (coefficient(a) + coefficient(b)) * slope * std::sin(angle(b) - angle(a)) / temperature;
    }
    return sum;
  }
};

/// Losses and gradient of a batch of N images; the most memory that they take on the way. Args: N, D.
void nt_xent(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0)), d = static_cast<std::size_t>(state.range(1));
  BenchBackend b;
  const Circle circle{n};
  std::vector<float> z(2 * n * d), c(2 * n);
  for (std::size_t a = 0; a < 2 * n; ++a) {
    z[a * d] = static_cast<float>(std::cos(circle.angle(a)));
    z[a * d + 1] = static_cast<float>(std::sin(circle.angle(a)));
    c[a] = static_cast<float>(circle.coefficient(a));
  }
  const lotar::Tensor<float, 2, BenchBackend> tz(b, {2 * n, d}, z), dz(b, {2 * n, d});
  const lotar::Tensor<float, 1, BenchBackend> losses(b, {2 * n}), coefficients(b, {2 * n}, c);
  b.pool().reset_peak();
  const std::size_t held = b.pool().used();
  for (auto _ : state) {
    const auto forward = lotar::nt_xent_forward(b, tz, {.temperature = circle.temperature}, losses);
    lotar::nt_xent_backward(b, forward, coefficients, dz);
    b.sync();
  }
  const double wanted = circle.loss();
  for (const float loss : losses.to_host(b))
    if (!(std::abs(static_cast<double>(loss) - wanted) < 1e-3)) {
      state.SkipWithError("a loss is wrong");
      break;
    }
  const std::vector<float> gradient = dz.to_host(b);
  for (const std::size_t a : {std::size_t{0}, n / 3, n - 1, n, 2 * n - 1}) {
    const double along = circle.gradient(a), x = gradient[a * d], y = gradient[a * d + 1];
    if (!(std::hypot(x + std::sin(circle.angle(a)) * along, y - std::cos(circle.angle(a)) * along) <
          0.01 / static_cast<double>(n))) {
      state.SkipWithError("a gradient is wrong");
      break;
    }
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
