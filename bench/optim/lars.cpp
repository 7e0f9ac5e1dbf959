#include <lotar/optim/lars.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/nn/resnet.hpp>
#include <lotar/optim/sgd.hpp>

#include "../backend.hpp"

namespace {

using Flat = lotar::Tensor<float, 1, BenchBackend>;

/// Steps over the parameters of a ResNet-18.
/// @param make    the optimizer of a table, without decay
/// @param passes  over the parameters that a step reads or writes
/// @param after   every parameter after one step at rate 1/4 from ones, with gradients of ones
template <class Make>
void steps(benchmark::State& state, const Make& make, std::size_t passes, double after) {
  BenchBackend b;
  lotar::ParameterTable table;
  const lotar::ResNet net(table, lotar::resnet_options("resnet18"));
  const Flat values(b, {table.size()}), gradients(b, {table.size()});
  const Flat slow(b, {1}, std::vector<float>{1e-6f}), fast(b, {1}, std::vector<float>{.25f});
  const lotar::Tensor<lotar::Clock, 1, BenchBackend> clock(b, {1}, std::vector<lotar::Clock>(1));
  b.fill(values.view(), 1);
  b.fill(gradients.view(), 1);
  auto timed = make(b, table);
  for (auto _ : state) {
    timed.step(b, values, gradients, slow, clock);
    b.sync();
  }
  b.fill(values.view(), 1);
  make(b, table).step(b, values, gradients, fast, clock);
  const std::vector<float> got = values.to_host(b);
  for (const lotar::Parameter& p : table.parameters())
    for (std::size_t i = 0; i < p.size; i += 61)
      if (!(std::abs(static_cast<double>(got[p.offset + i]) - after) < 1e-5)) {
        state.SkipWithError("a parameter is wrong");
        return;
      }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(passes * sizeof(float) * table.count()));
}

/// Bytes: values and gradients read for the norms; these and the momentum read, values and the momentum written.
void lars(benchmark::State& state) {
  const auto make = [](BenchBackend& b, const lotar::ParameterTable& table) {
    return lotar::Lars<float, BenchBackend>(b, table, {.weight_decay = 0, .trust = .5});
  };
  steps(state, make, 7, 1 - .25 * .5);
}
/// Bytes: values, gradients and the momentum read, values and the momentum written.
void sgd(benchmark::State& state) {
  const auto make = [](BenchBackend& b, const lotar::ParameterTable& table) {
    return lotar::Sgd<float, BenchBackend>(b, table, {.weight_decay = 0});
  };
  steps(state, make, 5, 1 - .25);
}
BENCHMARK(lars)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(sgd)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
