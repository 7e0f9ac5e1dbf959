#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../backend.hpp"
#if !defined(__CUDACC__)
#include <lotar/backend/cpu/winograd.hpp>
#include <lotar/backend/cpu/winograd_gradient.hpp>
#endif

namespace {

template <class T>
using Image = lotar::Tensor<T, 4, BenchBackend>;

/// A convolution of a batch, with values that are small integers: direct sums are exact in every order. Winograd's
/// algorithm divides, so its are not.
struct Problem {
  /// Args: images, edge, channels in, channels out, kernel, stride.
  explicit Problem(const benchmark::State& state)
      : conv{size(state, 5), size(state, 4) / 2},
        x{size(state, 0), size(state, 1), size(state, 1), size(state, 2)},
        filter{size(state, 3), size(state, 4), size(state, 4), size(state, 2)},
        y(lotar::conv2d_output(x, filter, conv)) {}

  static std::size_t size(const benchmark::State& state, std::size_t i) {
    return static_cast<std::size_t>(state.range(i));
  }
  double flops() const {
    return 2 * static_cast<double>(y.size()) * static_cast<double>(filter[1] * filter[2] * filter[3]);
  }

  lotar::Conv2d conv;
  lotar::Extents<4> x, filter, y;
};

/// A backend that says by which plans it convolves.
template <class B>
concept Planned = requires(B& b) {
  b.plans();
};

/// The value at a place of one of the operands: -1, 0 or 1.
float value(std::size_t place, std::size_t salt) {
  return static_cast<float>((place * 2654435761u + salt) / 65536 % 3) - 1;
}

template <class T>
Image<T> make(BenchBackend& b, const lotar::Extents<4>& extents, std::size_t salt) {
  std::vector<T> values(extents.size());
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<T>(value(i, salt));
  return Image<T>(b, extents, values);
}

std::size_t place(const lotar::Extents<4>& e, std::size_t i, std::size_t j, std::size_t k, std::size_t l) {
  return ((i * e[1] + j) * e[2] + k) * e[3] + l;
}

/// f(r, s, h, w) for every filter place (r, s) over an output pixel that reads inside the image, at (h, w).
template <class F>
void for_each_tap(const Problem& p, std::size_t row, std::size_t col, const F& f) {
  for (std::size_t r = 0; r < p.filter[1]; ++r)
    for (std::size_t s = 0; s < p.filter[2]; ++s) {
      const std::size_t h = row * p.conv.stride + r - p.conv.padding, w = col * p.conv.stride + s - p.conv.padding;
      if (h < p.x[1] && w < p.x[2]) f(r, s, h, w);  // below 0 wraps to a large number
    }
}

/// Compares elements of the result with plain loops, to 1e-5 of the largest or the rounding of Rounded, and counts.
/// Says by which plans the backend ran.
template <class Rounded, class T, class B, class Plain>
void finish(benchmark::State& state, B& b, const Problem& p, const Image<T>& got, const Plain& plain) {
  const std::vector<T> result = got.to_host(b);
  float largest = 0;
  for (const T r : result) largest = std::max(largest, std::abs(static_cast<float>(r)));
  for (std::size_t spot = 0; spot < 23; ++spot) {
    const std::size_t i = spot * 15485863 % result.size();
    const float error = std::abs(static_cast<float>(result[i]) - plain(i));
    if (!(error <= (sizeof(Rounded) == 2 ? 0x1p-8f : 1e-5f) * largest)) {
      state.SkipWithError("an element is wrong");
      return;
    }
  }
  state.counters["FLOP/s"] =
      benchmark::Counter(p.flops() * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
  if constexpr (Planned<B>) {
    std::string label;
    for (const auto& [problem, plan] : b.plans()) label += (label.empty() ? "plan " : ", ") + plan;
    state.SetLabel(label);
  }
}

template <class T, class B = BenchBackend>
void forward(benchmark::State& state) {
  const Problem p(state);
  B b;
  const Image<T> x = make<T>(b, p.x, 1), filter = make<T>(b, p.filter, 2), y(b, p.y);
  for (auto _ : state) {
    b.conv2d_forward(x, filter, p.conv, y);
    b.sync();
  }
  finish<T>(state, b, p, y, [&](std::size_t i) {
    const std::size_t k = i % p.y[3], q = i / p.y[3] % p.y[2], row = i / p.y[3] / p.y[2] % p.y[1];
    float sum = 0;
    for_each_tap(p, row, q, [&](std::size_t r, std::size_t s, std::size_t h, std::size_t w) {
      for (std::size_t c = 0; c < p.x[3]; ++c)
        sum += value(place(p.x, i / p.y[3] / p.y[2] / p.y[1], h, w, c), 1) * value(place(p.filter, k, r, s, c), 2);
    });
    return sum;
  });
}

template <class T, class B = BenchBackend>
void backward_data(benchmark::State& state) {
  const Problem p(state);
  B b;
  const Image<T> dy = make<T>(b, p.y, 3), filter = make<T>(b, p.filter, 2), dx(b, p.x);
  for (auto _ : state) {
    b.conv2d_backward_data(dy, filter, p.conv, 0, dx);
    b.sync();
  }
  finish<T>(state, b, p, dx, [&](std::size_t i) {
    const std::size_t c = i % p.x[3], column = i / p.x[3] % p.x[2], line = i / p.x[3] / p.x[2] % p.x[1];
    const std::size_t n = i / p.x[3] / p.x[2] / p.x[1];
    float sum = 0;
    for (std::size_t row = 0; row < p.y[1]; ++row)
      for (std::size_t q = 0; q < p.y[2]; ++q)
        for_each_tap(p, row, q, [&](std::size_t r, std::size_t s, std::size_t h, std::size_t w) {
          if (h != line || w != column) return;
          for (std::size_t k = 0; k < p.y[3]; ++k)
            sum += value(place(p.y, n, row, q, k), 3) * value(place(p.filter, k, r, s, c), 2);
        });
    return sum;
  });
}

/// @tparam beta  1 as in training, which adds to gradients
template <class T, int beta, class B = BenchBackend>
void backward_filter(benchmark::State& state) {
  const Problem p(state);
  B b;
  const Image<T> x = make<T>(b, p.x, 1), dy = make<T>(b, p.y, 3);
  const Image<float> dfilter(b, p.filter);
  b.fill(dfilter.view(), 0);
  for (auto _ : state) {
    b.conv2d_backward_filter(x, dy, p.conv, beta, dfilter);
    b.sync();
  }
  if (beta != 0) b.conv2d_backward_filter(x, dy, p.conv, 0, dfilter);  // which is compared
  // By plans, a gradient of bf16 is rounded to bf16 before it is added.
  finish<std::conditional_t<Planned<BenchBackend>, T, float>>(state, b, p, dfilter, [&](std::size_t i) {
    const std::size_t c = i % p.x[3], at_s = i / p.x[3] % p.filter[2], at_r = i / p.x[3] / p.filter[2] % p.filter[1];
    const std::size_t k = i / p.x[3] / p.filter[2] / p.filter[1];
    float sum = 0;
    for (std::size_t n = 0; n < p.y[0]; ++n)
      for (std::size_t row = 0; row < p.y[1]; ++row)
        for (std::size_t q = 0; q < p.y[2]; ++q)
          for_each_tap(p, row, q, [&](std::size_t r, std::size_t s, std::size_t h, std::size_t w) {
            if (r == at_r && s == at_s) sum += value(place(p.x, n, h, w, c), 1) * value(place(p.y, n, row, q, k), 3);
          });
    return sum;
  });
}

/// The convolutions of ResNet-18 on images of 32 pixels: its stem, the 3x3 of each stage at widths 64 and 16, and where
/// the second and the last stage begin the 3x3 and the 1x1 of stride 2.
void shapes(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t n = 128;
  bench->ArgNames({"N", "edge", "C", "K", "R", "stride"})->Unit(benchmark::kMillisecond)->UseRealTime();
  bench->Args({n, 32, 3, 64, 3, 1});
  for (const std::int64_t width : {64, 16})
    for (std::int64_t stage = 0; stage < 4; ++stage)
      bench->Args({n, 32 >> stage, width << stage, width << stage, 3, 1});
  for (const std::int64_t kernel : {3, 1}) {
    bench->Args({n, 32, 64, 128, kernel, 2});
    bench->Args({n, 8, 256, 512, kernel, 2});
  }
}
BENCHMARK(forward<float>)->Name("forward")->Apply(shapes);
BENCHMARK(backward_data<float>)->Name("backward_data")->Apply(shapes);
BENCHMARK(backward_filter<float, 0>)->Name("backward_filter")->Apply(shapes);
BENCHMARK(forward<lotar::bf16>)->Name("forward_bf16")->Apply(shapes);
BENCHMARK(backward_data<lotar::bf16>)->Name("backward_data_bf16")->Apply(shapes);
BENCHMARK(backward_filter<lotar::bf16, 0>)->Name("backward_filter_bf16")->Apply(shapes);
BENCHMARK(backward_filter<lotar::bf16, 1>)->Name("backward_filter_bf16_added")->Apply(shapes);

#if !defined(__CUDACC__)
// Each algorithm, also where Cpu takes the other one: how the bounds in detail::winograd_wins and
// detail::by_winograd are measured.

class Direct : public lotar::Cpu {
 public:
  Direct() : Cpu({.winograd = false}) {}
};

class Winograd : public lotar::Cpu {
 public:
  template <class T>
  void conv2d_forward(const Image<T>& x, const Image<T>& filter, lotar::Conv2d conv, const Image<T>& y) {
    const std::size_t c = x.extent(3);
    lotar::detail::winograd(*this, threads_, lotar::detail::winograd_forward(x.extents, y.extents, conv.padding),
                            {x.data}, lotar::detail::WinogradFilter<T>{filter.data, 9 * c, c, 1, false}, 0, y.data);
  }
  template <class T>
  void conv2d_backward_data(const Image<T>& dy, const Image<T>& filter, lotar::Conv2d conv, double beta,
                            const Image<T>& dx) {
    const std::size_t c = dx.extent(3);
    lotar::detail::winograd(*this, threads_, lotar::detail::winograd_backward(dx.extents, dy.extents, conv.padding),
                            {dy.data}, lotar::detail::WinogradFilter<T>{filter.data, 1, c, 9 * c, true}, beta, dx.data);
  }
  template <class T>
  void conv2d_backward_filter(const Image<T>& x, const Image<T>& dy, lotar::Conv2d conv, double beta,
                              const Image<float>& dfilter) {
    const lotar::detail::WinogradShape shape = lotar::detail::winograd_forward(x.extents, dy.extents, conv.padding);
    lotar::detail::winograd_gradient<T>(*this, threads_, shape, {x.data}, dy.data, beta, dfilter.data);
  }

 private:
  lotar::detail::Threads threads_{0};
};

/// 3x3 of stride 1 on both sides of each bound: of channels; of how far tiles of 4x4 are filled, in 25, 36 and 49
/// pixels of 64; of tiles.
void bounds(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"N", "edge", "C", "K", "R", "stride"})->Unit(benchmark::kMillisecond)->UseRealTime();
  bench->Args({8, 32, 8, 16, 3, 1})->Args({8, 32, 16, 8, 3, 1});
  for (const std::int64_t c : {16, 32, 64, 128}) bench->Args({8, 32, c, c, 3, 1});
  for (const std::int64_t edge : {5, 6, 7}) bench->Args({32, edge, 128, 128, 3, 1});
  for (const std::int64_t n : {4, 12}) bench->Args({n, 4, 64, 64, 3, 1});
}
BENCHMARK(forward<float, Direct>)->Name("forward_direct")->Apply(bounds);
BENCHMARK(forward<float, Winograd>)->Name("forward_winograd")->Apply(bounds);
BENCHMARK(backward_data<float, Direct>)->Name("backward_data_direct")->Apply(bounds);
BENCHMARK(backward_data<float, Winograd>)->Name("backward_data_winograd")->Apply(bounds);
BENCHMARK(backward_filter<float, 0, Direct>)->Name("backward_filter_direct")->Apply(bounds);
BENCHMARK(backward_filter<float, 0, Winograd>)->Name("backward_filter_winograd")->Apply(bounds);
BENCHMARK(forward<lotar::bf16, Direct>)->Name("forward_bf16_direct")->Apply(bounds);
BENCHMARK(forward<lotar::bf16, Winograd>)->Name("forward_bf16_winograd")->Apply(bounds);
BENCHMARK(backward_data<lotar::bf16, Direct>)->Name("backward_data_bf16_direct")->Apply(bounds);
BENCHMARK(backward_data<lotar::bf16, Winograd>)->Name("backward_data_bf16_winograd")->Apply(bounds);
BENCHMARK(backward_filter<lotar::bf16, 0, Direct>)->Name("backward_filter_bf16_direct")->Apply(bounds);
BENCHMARK(backward_filter<lotar::bf16, 0, Winograd>)->Name("backward_filter_bf16_winograd")->Apply(bounds);
#endif

}  // namespace
