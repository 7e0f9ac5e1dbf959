#include <lotar/nn/conv_unit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/nn/state.hpp>

#include "../backend.hpp"

namespace {

using lotar::bf16;

// What goes in repeats after 4 channels, and so does what comes out: plain loops need only these.
constexpr std::size_t period = 4;

/// -1, 0 or 1: with these the convolution is exact in bf16 too.
LOTAR_FN float value(std::size_t row, std::size_t channel, std::uint32_t salt) {
  auto x = (static_cast<std::uint32_t>(row * period + channel % period) + salt * 1000003u) * 2654435761u;
  x = (x ^ x >> 15) * 2246822519u;
  return static_cast<float>((x ^ x >> 13) % 3) - 1;
}

/// f(row, channel) of an array whose rows repeat too.
template <class T>
struct Repeating {
  T* to;
  std::size_t rows, channels;
  std::uint32_t salt;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    to[r * channels + c] = static_cast<T>(value(r % rows, c, salt));
  }
};

/// A 3x3 unit of as many channels out as in, over x, with x as the gradient of the result.
struct Problem {
  /// Args: images, edge, channels.
  explicit Problem(const benchmark::State& state)
      : images(static_cast<std::size_t>(state.range(0))),
        edge(static_cast<std::size_t>(state.range(1))),
        channels(static_cast<std::size_t>(state.range(2))) {}

  std::size_t pixels() const { return images * edge * edge; }
  double flops() const { return 2 * 9 * static_cast<double>(pixels()) * static_cast<double>(channels * channels); }

  /// g(pixel, place in the filter) for the 3x3 around a pixel; of backward's mirrored filter if turned.
  template <class G>
  void for_each_tap(std::size_t pixel, bool turned, const G& g) const {
    const std::size_t col = pixel % edge, row = pixel / edge % edge;
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t s = 0; s < 3; ++s)
        if (row + r - 1 < edge && col + s - 1 < edge)  // below 0 wraps to a large number
          g(pixel + (r * edge + s) - edge - 1, turned ? 8 - (r * 3 + s) : r * 3 + s);
  }

  std::size_t images, edge, channels;
};

/// The unit by plain loops, for the channels that differ.
class Plain {
 public:
  explicit Plain(const Problem& p) : p_(p), normal_(p.pixels() * period), deviation_(period), moved_(normal_.size()) {
    const auto n = static_cast<double>(p.pixels()), repeats = static_cast<double>(p.channels / period);
    for (std::size_t k = 0; k < period; ++k) {
      double sum = 0, squares = 0;
      for (std::size_t i = 0; i < p.pixels(); ++i) {
        double& u = normal_[i * period + k];
        p.for_each_tap(i, false, [&](std::size_t pixel, std::size_t tap) {
          for (std::size_t c = 0; c < period; ++c) u += double{value(pixel, c, 1)} * double{value(k * 9 + tap, c, 2)};
        });
        u *= repeats;
        sum += u, squares += u * u;
      }
      deviation_[k] = std::sqrt(squares / n - sum / n * (sum / n) + 1e-5);
      double mean = 0, along = 0;  // of the gradient that the ReLU lets through, and of its product with normal_
      for (std::size_t i = 0; i < p.pixels(); ++i) {
        double& u = normal_[i * period + k];
        u = (u - sum / n) / deviation_[k];
        if (u > 0) mean += double{value(i, k, 1)} / n, along += double{value(i, k, 1)} * u / n;
      }
      for (std::size_t i = 0; i < p.pixels(); ++i) {
        const double u = normal_[i * period + k], dy = u > 0 ? double{value(i, k, 1)} : 0.;
        moved_[i * period + k] = (dy - mean - u * along) / deviation_[k];
      }
    }
  }

  double y(std::size_t pixel, std::size_t k) const { return std::max(normal_[pixel * period + k % period], 0.); }
  double dx(std::size_t pixel, std::size_t c) const {
    double sum = 0;
    p_.for_each_tap(pixel, true, [&](std::size_t from, std::size_t tap) {
      for (std::size_t k = 0; k < period; ++k) sum += moved_[from * period + k] * double{value(k * 9 + tap, c, 2)};
    });
    return sum * static_cast<double>(p_.channels / period);
  }
  double dfilter(std::size_t k, std::size_t place, std::size_t c) const {
    double sum = 0;
    for (std::size_t i = 0; i < p_.pixels(); ++i)
      p_.for_each_tap(i, false, [&](std::size_t pixel, std::size_t tap) {
        if (tap == place) sum += moved_[i * period + k % period] * double{value(pixel, c, 1)};
      });
    return sum;
  }

 private:
  const Problem& p_;
  std::vector<double> normal_, deviation_, moved_;  // [pixels, period], [period], [pixels, period]
};

/// Whether f(row, channel) is what stands in some rows and channels of an array, but for the rounding of T.
template <class T, class A, class F>
bool agrees(const std::vector<A>& got, std::size_t channels, std::size_t spots, const F& f) {
  double worst = 0, largest = 0;
  for (std::size_t spot = 0; spot < spots; ++spot) {
    const std::size_t row = spot * 15485863 % (got.size() / channels), c = spot * 7919 % channels;
    const double wanted = f(row, c), off = std::abs(static_cast<double>(got[row * channels + c]) - wanted);
    worst = off > worst || off != off ? off : worst;
    largest = std::max(largest, std::abs(wanted));
  }
  return worst <= (std::is_same_v<T, bf16> ? 1e-2 : 1e-3) * largest;
}

/// Training's forward pass, and backward's unless it is left out. FLOPs are those of the convolutions.
template <class T>
void unit(benchmark::State& state, bool backward) {
  using Images = lotar::Tensor<T, 4, BenchBackend>;
  const Problem p(state);
  BenchBackend b;
  lotar::ParameterTable table;
  const lotar::ConvUnit unit(table, "conv", "bn", {p.channels, p.channels, 3, lotar::Conv2d{1, 1}});
  lotar::NetworkState<T, BenchBackend> net(b, table, 1);
  const lotar::Parameter filter = table.parameters().front();
  b.for_each(9 * p.channels, p.channels, Repeating<float>{net.values.data + filter.offset, 9 * period, p.channels, 2});
  const Images x(b, {p.images, p.edge, p.edge, p.channels}), dy(b, x.extents);
  const auto run = [&](lotar::Pass<T, BenchBackend>& pass, Images& y, Images& dx) {
    y = unit.forward(b, x.share(), pass);
    if (backward) dx = unit.backward(b, dy, pass);
    pass.tape.clear();
  };
  for (const Images* to : {&x, &dy})
    b.for_each(p.pixels(), p.channels, Repeating<T>{to->data, p.pixels(), p.channels, 1});

  auto timed = net.pass(b, true);
  Images y, dx;
  for (auto _ : state) {
    run(timed, y, dx);
    b.sync();
  }
  auto checked = net.pass(b, true);
  run(checked, y, dx);
  const Plain plain(p);
  bool right = agrees<T>(y.to_host(b), p.channels, 999, [&](std::size_t i, std::size_t k) { return plain.y(i, k); });
  if (backward) {
    std::vector<float> dfilter(filter.size);
    b.download(net.gradients.rows(filter.offset, filter.size), dfilter);
    right = right && agrees<T>(dfilter, p.channels, 19,
                               [&](std::size_t row, std::size_t c) { return plain.dfilter(row / 9, row % 9, c); });
    right = right &&
            agrees<T>(dx.to_host(b), p.channels, 999, [&](std::size_t i, std::size_t c) { return plain.dx(i, c); });
  }
  if (!right) state.SkipWithError("an element is wrong");
  state.counters["FLOP/s"] = benchmark::Counter(
      (backward ? 3 : 1) * p.flops() * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
template <class T>
void forward(benchmark::State& state) {
  unit<T>(state, false);
}
template <class T>
void forward_backward(benchmark::State& state) {
  unit<T>(state, true);
}

/// The 3x3 units of ResNet-18's four stages, width 64, on images of 32 pixels.
void stages(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"N", "edge", "C"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (std::int64_t n = 128; n <= (bench_large ? 512 : 128); n *= 4)
    for (std::int64_t stage = 0; stage < 4; ++stage) bench->Args({n, 32 >> stage, 64 << stage});
}
BENCHMARK(forward<float>)->Apply(stages);
BENCHMARK(forward<bf16>)->Apply(stages);
BENCHMARK(forward_backward<float>)->Apply(stages);
BENCHMARK(forward_backward<bf16>)->Apply(stages);

}  // namespace
