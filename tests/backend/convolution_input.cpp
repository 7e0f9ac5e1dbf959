#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../threads.hpp"
#include "convolution.hpp"

using namespace lotar;

// What else a backend does with a norm is tested in nn/activation.cpp and nn/conv_unit_on_load.cpp.
namespace {

template <class T, std::size_t N>
using Array = Tensor<T, N, TestBackend>;

/// Whether the backend normalizes what this convolution reads; CUDA does for few, which cuda_convolution.cu tests, too.
template <class T, class B = TestBackend>
bool normalizes(const ConvolutionCase& p) {
  B b;
  const Array<T, 4> filter(b, p.filter);
  const bool does = b.conv2d_normalizes(p.x, filter.view(), p.conv);
  CHECK((does || std::string_view(b.name) == "cuda"));
  return does;
}

template <class T, class B>
void check_normalized(const ConvolutionCase& p) {
  CAPTURE(to_string(p.x));
  CAPTURE(to_string(p.filter));
  if constexpr (ConvInputBackend<B>) {
    using A = Accum<T>;
    B b;
    const std::size_t c = p.x[3];
    const auto hx = convolution_values<T>(p.x.size(), 0), hw = convolution_values<T>(p.filter.size(), 1),
               hdy = convolution_values<T>(p.y().size(), 2);
    const std::vector<A> norm = norm_coefficients<A>(c);
    std::vector<double> normalized = to_double(hx);
    for (std::size_t i = 0; i < normalized.size(); ++i) {
      const auto of = [&](std::size_t k) { return static_cast<double>(norm[k * c + i % c]); };
      normalized[i] = std::max(0., (normalized[i] - of(0)) * of(1) + of(2));
    }
    const auto wanted = convolution_by_loops(p, normalized, to_double(hw), to_double(hdy));
    const Array<T, 4> x(b, p.x, hx), w(b, p.filter, hw), dy(b, p.y(), hdy), y(b, p.y());
    const Array<A, 4> dw(b, p.filter);
    const Array<A, 2> by(b, {3, c}, norm);
    const ConvInput<T, typename B::Memory> input(x, by);
    if (!normalizes<T>(p)) {
      CHECK_THROWS_WITH_AS(b.conv2d_forward(input, w, p.conv, y),
                           doctest::Contains("conv2d_forward: wanted a convolution that normalizes"), ConfigError);
      CHECK_THROWS_WITH_AS(b.conv2d_backward_filter(input, dy, p.conv, 0, dw),
                           doctest::Contains("conv2d_backward_filter: wanted a convolution that normalizes"),
                           ConfigError);
      return;
    }
    b.conv2d_forward(input, w, p.conv, y);
    b.conv2d_backward_filter(input, dy, p.conv, 0, dw);
    const auto magnitudes = [](std::vector<double> v) {
      for (double& value : v) value = std::abs(value);
      return v;
    };
    const auto most =
        convolution_by_loops(p, magnitudes(normalized), magnitudes(to_double(hw)), magnitudes(to_double(hdy)));
    // bf16: what is normalized may be rounded, by 2^-9 of it, and results are.
    const double tolerance = sizeof(T) == 8 ? 1e-14 : sizeof(T) == 4 ? 1e-6 : 0x1p-8;
    const auto check = [&](const auto& got, const std::vector<double>& right, const std::vector<double>& sums) {
      double worst = 0;
      for (std::size_t i = 0; i < got.size(); ++i)
        worst = worst_of(worst, std::abs(static_cast<double>(static_cast<A>(got[i])) - right[i]));
      CHECK(worst <= tolerance * *std::max_element(sums.begin(), sums.end()));
    };
    check(y.to_host(b), wanted.y, most.y);
    check(dw.to_host(b), wanted.dfilter, most.dfilter);
  } else {
    CHECK_FALSE(ConvInputBackend<B>);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("an input is normalized as it is read, and the padding is 0", T, float, double, bf16) {
  for (const ConvolutionCase& p : {
           ConvolutionCase{{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 0}}, ConvolutionCase{{37, 5, 6, 7}, {35, 3, 3, 7}, {1, 1}},
           ConvolutionCase{{5, 17, 14, 18}, {33, 3, 3, 18}, {2, 1}},
           ConvolutionCase{{2, 9, 8, 16}, {24, 1, 1, 16}, {1, 0}},
           ConvolutionCase{{2, 9, 8, 20}, {24, 7, 7, 20}, {2, 3}},
           ConvolutionCase{{3, 9, 13, 19}, {24, 3, 3, 19}, {1, 1}},    // Winograd's tiles, not all full
           ConvolutionCase{{3, 9, 13, 16}, {24, 3, 3, 16}, {1, 0}},    // without padding
           ConvolutionCase{{2, 8, 8, 128}, {128, 3, 3, 128}, {1, 1}},  // where they beat products of pairs
           ConvolutionCase{{9, 5, 4, 240}, {280, 3, 3, 240}, {1, 1}},  // few tiles, a large filter
           ConvolutionCase{{260, 6, 5, 16}, {16, 3, 3, 16}, {1, 1}},   // many tiles
           ConvolutionCase{{5, 9, 14, 64}, {64, 3, 3, 64}, {1, 1}},    // some devices' own kernels
       })
    check_normalized<T, TestBackend>(p);
}

TEST_CASE_TEMPLATE("with a norm, the same bits for any number of threads; what is not a number stays", T, float, bf16) {
  if constexpr (ConvInputBackend<TestBackend>) {
    for (const ConvolutionCase& p : {ConvolutionCase{{13, 9, 13, 35}, {40, 3, 3, 35}, {1, 1}},
                                     ConvolutionCase{{9, 5, 4, 240}, {280, 3, 3, 240}, {1, 1}},
                                     ConvolutionCase{{7, 17, 14, 18}, {33, 3, 3, 18}, {2, 1}}}) {
      CAPTURE(to_string(p.x));
      const std::size_t c = p.x[3];
      if (!normalizes<T>(p)) continue;
      auto hx = convolution_values<T>(p.x.size(), 0);
      const auto outcome = [&](TestBackend b) {
        const Array<T, 4> x(b, p.x, hx), w(b, p.filter, convolution_values<T>(p.filter.size(), 1)), y(b, p.y());
        const Array<T, 4> dy(b, p.y(), convolution_values<T>(p.y().size(), 2));
        const Array<float, 2> norm(b, {3, c}, convolution_values<float>(3 * c, 3));
        const Array<float, 4> dw(b, p.filter);
        const ConvInput<T, TestBackend::Memory> input(x, norm);
        b.conv2d_forward(input, w, p.conv, y);
        b.conv2d_backward_filter(input, dy, p.conv, 0, dw);
        return std::pair(to_double(y.to_host(b)), dw.to_host(b));
      };
      const auto one = outcome(with_threads<TestBackend>(1));
      for (const int threads : {2, 3, 8}) CHECK((outcome(with_threads<TestBackend>(threads)) == one));
      hx[(p.x[2] + 1) * c] = static_cast<T>(std::nanf(""));  // pixel (1, 1), channel 0
      CHECK(std::isnan(outcome(with_threads<TestBackend>(1)).first[0]));
    }
  } else {
    CHECK_FALSE(ConvInputBackend<TestBackend>);
  }
}

TEST_CASE_TEMPLATE("a norm that does not fit is refused", B, TestBackend) {
  if constexpr (ConvInputBackend<B>) {
    B b;
    const Array<float, 4> x(b, {2, 8, 8, 16}), w(b, {16, 3, 3, 16}), y(b, {2, 8, 8, 16});
    const Array<float, 2> wrong(b, {3, 15});
    const ConvInput<float, typename B::Memory> input(x, wrong);
    CHECK_THROWS_WITH_AS(b.conv2d_forward(input, w, {1, 1}, y), "conv2d_forward: norm must be [3, 16], got [3, 15]",
                         ShapeError);
    CHECK_THROWS_WITH_AS(b.conv2d_backward_filter(input, y, {1, 1}, 0, w),
                         "conv2d_backward_filter: norm must be [3, 16], got [3, 15]", ShapeError);
  } else {
    CHECK_FALSE(ConvInputBackend<B>);
  }
}
