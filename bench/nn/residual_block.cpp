#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/nn/resnet.hpp>
#include <lotar/nn/state.hpp>

#include "../backend.hpp"

// What it gains that a convolution normalizes what it reads and takes sums along, where the backend does: a block of a
// network, beside its two units, the first of which writes its result.
namespace {

using lotar::bf16;

/// f(i): noise in [-1, 1).
template <class T>
struct Noise {
  T* to;
  std::uint32_t salt;
  LOTAR_FN void operator()(std::size_t i) const {
    auto x = (static_cast<std::uint32_t>(i) + salt * 1000003u) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    to[i] = static_cast<T>(static_cast<float>((x ^ x >> 13) % 256) / 128 - 1);
  }
};

/// A block of two 3x3 units, in training. Args: images, edge, channels.
template <class T>
class Problem {
 public:
  using Images = lotar::Tensor<T, 4, BenchBackend>;

  Problem(BenchBackend& b, const benchmark::State& state)
      : b_(b),
        channels_(static_cast<std::size_t>(state.range(2))),
        block_(block_table_, "block", channels_, channels_, 1, false),
        first_(unit_table_, "conv1", "bn1", options()),
        second_(unit_table_, "conv2", "bn2", options()),
        block_state_(b, block_table_, 1),
        unit_state_(b, unit_table_, 1),
        x_(b, {{static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)),
                static_cast<std::size_t>(state.range(1)), channels_}}),
        dy_(b, x_.extents) {
    b.for_each(x_.size(), Noise<T>{x_.data, 1});
  }

  /// The result, and the gradient of x; and what a step takes besides: dy filled, gradients cleared.
  std::pair<Images, Images> run(bool on_load) {
    b_.for_each(dy_.size(), Noise<T>{dy_.data, 2});  // the pass before made it the shortcut's
    auto pass = (on_load ? block_state_ : unit_state_).pass(b_, true);
    if (on_load) {
      Images y = block_.forward(b_, x_.share(), pass);
      return {std::move(y), block_.backward(b_, dy_.share(), pass)};
    }
    Images y = second_.forward(b_, first_.forward(b_, x_.share(), pass), pass, x_.share());
    Images inside = second_.backward(b_, dy_, pass);
    return {std::move(y), first_.backward(b_, inside, pass, dy_.share())};
  }

  /// Of convolutions forward and both ways back.
  double flops() const { return 2 * 3 * 2 * 9 * static_cast<double>(x_.size()) * static_cast<double>(channels_); }

 private:
  lotar::ConvUnit::Options options() const { return {channels_, channels_, 3, lotar::Conv2d{1, 1}}; }

  BenchBackend& b_;
  std::size_t channels_;
  lotar::ParameterTable block_table_, unit_table_;
  lotar::ResidualBlock block_;
  lotar::ConvUnit first_, second_;
  lotar::NetworkState<T, BenchBackend> block_state_, unit_state_;
  Images x_, dy_;
};

/// Whether the values are near those wanted as vectors: rounding to bf16 moves a few past a ReLU.
template <class T>
bool agree(const std::vector<T>& got, const std::vector<T>& wanted) {
  double squares = 0, off = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    using A = lotar::Accum<T>;
    const double w = static_cast<double>(static_cast<A>(wanted[i]));
    squares += w * w;
    off += std::pow(static_cast<double>(static_cast<A>(got[i])) - w, 2);
  }
  const double tolerance = std::is_same_v<T, bf16> ? 2e-2 : 1e-4;
  return off <= tolerance * tolerance * squares;  // NaN is not
}

template <class T>
void run(benchmark::State& state, bool on_load) {
  BenchBackend b;
  Problem<T> p(b, state);
  for (auto _ : state) {
    p.run(on_load);
    b.sync();
  }
  const auto got = p.run(true), wanted = p.run(false);
  if (!agree(got.first.to_host(b), wanted.first.to_host(b)) || !agree(got.second.to_host(b), wanted.second.to_host(b)))
    state.SkipWithError("the block and its units disagree");
  state.counters["FLOP/s"] =
      benchmark::Counter(p.flops() * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
template <class T>
void block(benchmark::State& state) {
  run<T>(state, true);
}
template <class T>
void units(benchmark::State& state) {
  run<T>(state, false);
}

/// Blocks of ResNet-18's four stages, width 64, on images of 32 pixels.
void stages(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"N", "edge", "C"})->Unit(benchmark::kMillisecond)->UseRealTime();
  const std::int64_t n = bench_large ? 1024 : 64;
  for (std::int64_t stage = 0; stage < 4; ++stage) bench->Args({n, 32 >> stage, 64 << stage});
}
BENCHMARK(block<float>)->Apply(stages);
BENCHMARK(units<float>)->Apply(stages);
BENCHMARK(block<bf16>)->Apply(stages);
BENCHMARK(units<bf16>)->Apply(stages);

}  // namespace
