#include <lotar/nn/batch_norm.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/nn/state.hpp>

#include "../backend.hpp"

namespace {

using Rows = lotar::Tensor<float, 2, BenchBackend>;

/// A network of one norm, and rows x(r, c) = r % 8 + c: every channel has the variance of 0, ..., 7.
struct Layer {
  Layer(std::size_t rows, std::size_t cols, bool relu) : norm(table, "bn", cols, relu), state(b, table, 1) {
    std::vector<float> values(rows * cols);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i / cols % 8 + i % cols);
    x = Rows(b, {rows, cols}, values);
  }
  BenchBackend b;
  lotar::ParameterTable table;
  lotar::BatchNorm norm;
  lotar::NetworkState<float, BenchBackend> state;
  Rows x;
};

/// y(r, c), without a ReLU.
double normalised(std::size_t r) { return (static_cast<double>(r % 8) - 3.5) / std::sqrt(5.25 + 1e-5); }

bool near(float got, double wanted) { return std::abs(static_cast<double>(got) - wanted) < 1e-4; }

/// Forward in training. Args: rows, channels. Bytes: x read once for each moment and once to be normalised, y written.
void forward(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)), cols = static_cast<std::size_t>(state.range(1));
  Layer layer(rows, cols, true);
  Rows y;
  for (auto _ : state) {
    auto pass = layer.state.pass(layer.b, true);
    y = layer.norm.forward(layer.b, layer.x.share(), pass);
    layer.b.sync();
  }
  const auto values = y.to_host(layer.b);
  for (std::size_t i = 0; i < values.size(); i += 101)
    if (!near(values[i], lotar::max(normalised(i / cols), 0.))) {
      state.SkipWithError("an element is wrong");
      return;
    }
  state.SetBytesProcessed(state.iterations() * state.range(0) * state.range(1) * 4 * 4);
}
BENCHMARK(forward)
    ->Args({128 * 32 * 32, 64})
    ->Args({128 * 16 * 16, 128})
    ->Args({128 * 4 * 4, 512})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// Forward and backward in training. Args: rows, channels. Bytes: forward's 4 passes over [rows, channels]; x and dy
/// read for the sum, for the product and for the result (dy alone for the sum), dx written.
void forward_backward(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0)), cols = static_cast<std::size_t>(state.range(1));
  Layer layer(rows, cols, false);
  std::vector<float> odd(rows * cols);  // 1 in every second row: what is left of it is odd - 1/2 - its part along y
  for (std::size_t i = 0; i < odd.size(); ++i) odd[i] = static_cast<float>(i / cols % 2);
  const Rows dy(layer.b, {rows, cols}, odd);
  Rows dx;
  for (auto _ : state) {
    auto pass = layer.state.pass(layer.b, true);
    layer.norm.forward(layer.b, layer.x.share(), pass);
    dx = layer.norm.backward(layer.b, dy, pass);
    layer.b.sync();
  }
  double along = 0;  // the mean of dy times y
  for (std::size_t r = 1; r < 8; r += 2) along += normalised(r) / 8;
  const auto values = dx.to_host(layer.b);
  for (std::size_t i = 0; i < values.size(); i += 101) {
    const std::size_t r = i / cols;
    const double wanted = (static_cast<double>(r % 2) - .5 - normalised(r) * along) / std::sqrt(5.25 + 1e-5);
    if (!near(values[i], wanted)) {
      state.SkipWithError("an element is wrong");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0) * state.range(1) * 4 * 10);
}
BENCHMARK(forward_backward)
    ->Args({128 * 32 * 32, 64})
    ->Args({128 * 16 * 16, 128})
    ->Args({128 * 4 * 4, 512})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
