#include <cstddef>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/tensor.hpp>

#include "../backend.hpp"

namespace {

/// c = op(a) op(b). Args: rows of c, K, columns of c, whether a and b are transposed.
void gemm(benchmark::State& state) {
  const auto m = static_cast<std::size_t>(state.range(0)), k = static_cast<std::size_t>(state.range(1));
  const auto n = static_cast<std::size_t>(state.range(2));
  const bool a_turned = state.range(3) != 0, b_turned = state.range(4) != 0;
  // op(a)(i, p) = i % 7 + p % 3, op(b)(p, j) = p % 5 - j % 2: small integers, so that every order of the sums is exact
  const auto left = [](std::size_t i, std::size_t p) { return static_cast<float>(i % 7 + p % 3); };
  const auto right = [](std::size_t p, std::size_t j) { return static_cast<float>(p % 5) - static_cast<float>(j % 2); };
  std::vector<float> a(m * k), b(k * n);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t p = 0; p < k; ++p) a[a_turned ? p * m + i : i * k + p] = left(i, p);
  for (std::size_t p = 0; p < k; ++p)
    for (std::size_t j = 0; j < n; ++j) b[b_turned ? j * k + p : p * n + j] = right(p, j);
  BenchBackend backend;
  using Matrix = lotar::Tensor<float, 2, BenchBackend>;
  const Matrix ta(backend, a_turned ? lotar::Extents<2>{k, m} : lotar::Extents<2>{m, k}, a);
  const Matrix tb(backend, b_turned ? lotar::Extents<2>{n, k} : lotar::Extents<2>{k, n}, b), tc(backend, {m, n});
  const auto op = [](bool turned) { return turned ? lotar::Op::transpose : lotar::Op::none; };
  for (auto _ : state) {
    backend.gemm(op(a_turned), op(b_turned), 1, ta, tb, 0, tc);
    backend.sync();
  }
  const auto c = tc.to_host(backend);
  for (std::size_t spot = 0; spot < 97; ++spot) {
    const std::size_t i = spot * 7919 % m, j = spot * 104729 % n;
    float sum = 0;
    for (std::size_t p = 0; p < k; ++p) sum += left(i, p) * right(p, j);
    if (c[i * n + j] != sum) {
      state.SkipWithError("an element is wrong");
      return;
    }
  }
  const double flops = 2 * static_cast<double>(m) * static_cast<double>(k) * static_cast<double>(n);
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(gemm)
    ->Args({512, 128, 1024, 0, 1})  // rows of NT-Xent's similarities
    ->Args({512, 1024, 128, 0, 0})  // and of its gradient
    ->Args({1024, 512, 512, 0, 1})  // a linear layer, its input's gradient, its weight's gradient
    ->Args({1024, 512, 512, 0, 0})
    ->Args({512, 1024, 512, 1, 0})
    ->Args({50000, 128, 10, 0, 1})  // a linear probe, and its weight's gradient
    ->Args({10, 50000, 128, 1, 0})
    // Convolutions that Winograd's algorithm does not do, unfolded, of 128 images of 32 pixels in ResNet-18. The stem,
    // and its filter's gradient:
    ->Args({131072, 27, 64, 0, 1})
    ->Args({64, 131072, 27, 1, 0})
    // Those of stride 2, 3x3 and 1x1, to the second stage: forward, the input's gradient, the filter's gradient.
    ->Args({32768, 576, 128, 0, 1})
    ->Args({32768, 128, 576, 0, 0})
    ->Args({128, 32768, 576, 1, 0})
    ->Args({32768, 64, 128, 0, 1})
    ->Args({32768, 128, 64, 0, 0})
    ->Args({128, 32768, 64, 1, 0})
    // The same to the last stage.
    ->Args({2048, 2304, 512, 0, 1})
    ->Args({2048, 512, 2304, 0, 0})
    ->Args({512, 2048, 2304, 1, 0})
    ->Args({2048, 256, 512, 0, 1})
    ->Args({2048, 512, 256, 0, 0})
    ->Args({512, 2048, 256, 1, 0})
    ->Args({1024, 1024, 1024, 0, 0})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
