#include <cmath>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../threads.hpp"
#include "convolution.hpp"

using namespace lotar;

// What a backend that takes no moments does is tested with nn/conv_unit.hpp.
namespace {

template <class T, std::size_t N>
using Array = Tensor<T, N, TestBackend>;

struct Moments {
  std::vector<double> y, mean, squares, counts;  // of y as it is stored
  bool operator==(const Moments&) const = default;
};

/// Those that the backend takes; without counts where it takes none.
template <class T, class B>
Moments moments_of(B& b, const ConvolutionCase& p) {
  Moments got;
  if constexpr (ConvMomentsBackend<B>) {
    using A = Accum<T>;
    const Array<T, 4> x(b, p.x, convolution_values<T>(p.x.size(), 0)),
        w(b, p.filter, convolution_values<T>(p.filter.size(), 1)), y(b, p.y());
    const std::size_t parts = b.conv2d_moment_parts(x, w, p.conv, y.view()), cols = p.filter[0];
    if (parts == 0) return got;
    const Array<A, 2> mean(b, {parts, cols}), squares(b, {parts, cols});  // NaN
    const Array<A, 1> counts(b, {parts});
    b.conv2d_forward(x, w, p.conv, y.view(), {mean.view(), squares.view(), counts.view()});
    got = {to_double(y.to_host(b)), to_double(mean.to_host(b)), to_double(squares.to_host(b)),
           to_double(counts.to_host(b))};
  }
  return got;
}

const ConvolutionCase cases[] = {
    {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 0}},        // one row
    {{37, 5, 6, 7}, {35, 3, 3, 7}, {1, 1}},      // parts end within an image
    {{18, 16, 15, 3}, {20, 3, 3, 3}, {1, 1}},    // and within a line of it
    {{5, 17, 14, 18}, {33, 3, 3, 18}, {2, 1}},   //
    {{3, 19, 23, 3}, {16, 7, 7, 3}, {2, 3}},     //
    {{40, 3, 3, 16}, {1100, 1, 1, 16}, {2, 0}},  // many columns: parts of few rows
    {{3, 9, 13, 16}, {24, 3, 3, 16}, {1, 1}},    // tiles that are not full
    {{70, 8, 8, 16}, {64, 3, 3, 16}, {1, 1}},    // many tiles
    {{9, 5, 4, 240}, {280, 3, 3, 240}, {1, 1}},  // few tiles, a large filter
    {{3, 5, 40, 64}, {64, 3, 3, 64}, {1, 1}},    // to 64 channels: kernels of their own on some devices
    {{7, 32, 32, 3}, {64, 3, 3, 3}, {1, 1}},     //
    {{2, 60, 2, 8}, {64, 3, 3, 8}, {1, 1}},      //
};

}  // namespace

TEST_CASE_TEMPLATE("the moments of a convolution are those of its result", T, float, double, bf16) {
  TestBackend b({.poison_allocations = true});
  const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;
  for (const ConvolutionCase& p : cases) {
    CAPTURE(to_string(p.x));
    CAPTURE(to_string(p.filter));
    const Moments got = moments_of<T>(b, p);
    if (got.counts.empty()) {
      CHECK(std::string(TestBackend::name) != "cpu");  // which takes them of all
      continue;
    }
    const auto wanted =
        convolution_by_loops(p, to_double(convolution_values<T>(p.x.size(), 0)),
                             to_double(convolution_values<T>(p.filter.size(), 1)), std::vector<double>(got.y.size()));
    CHECK(worst_error(got.y, wanted.y) <= (sizeof(T) == 2 ? 4e-3 : tolerance));
    const std::size_t cols = p.filter[0];
    CHECK(std::accumulate(got.counts.begin(), got.counts.end(), 0.) == static_cast<double>(got.y.size() / cols));
    const ColumnStatistics of_y = statistics_by_loops(got.y, cols),
                           of_parts = statistics_of_parts({got.mean, got.squares}, got.counts);
    double largest = 0, worst_mean = 0;
    for (const double v : got.y) largest = std::fmax(largest, std::abs(v));
    for (std::size_t c = 0; c < cols; ++c) worst_mean = worst_of(worst_mean, std::abs(of_parts.mean[c] - of_y.mean[c]));
    CHECK(worst_mean <= tolerance * largest);
    CHECK(worst_error(of_parts.squares, of_y.squares) <= tolerance);
  }
}

TEST_CASE_TEMPLATE("moments have the same bits for any number of threads", T, float, bf16) {
  for (const ConvolutionCase& p : cases) {
    CAPTURE(to_string(p.x));
    TestBackend one = with_threads<TestBackend>(1), four = with_threads<TestBackend>(4);
    CHECK(moments_of<T>(one, p) == moments_of<T>(four, p));
  }
}

TEST_CASE_TEMPLATE("moments that do not fit are refused; of no images there are none", B, TestBackend) {
  if constexpr (ConvMomentsBackend<B>) {
    B b;
    const ConvolutionCase p{{2, 8, 8, 64}, {64, 3, 3, 64}, {1, 1}}, none{{0, 8, 8, 64}, {64, 3, 3, 64}, {1, 1}};
    const Array<bf16, 4> x(b, p.x), w(b, p.filter), y(b, p.y()), no_x(b, none.x), no_y(b, none.y());
    const std::size_t parts = b.conv2d_moment_parts(x, w, p.conv, y.view());
    CHECK(b.conv2d_moment_parts(no_x, w, p.conv, no_y.view()) == 0);
    if (parts == 0) return;
    const Array<float, 2> right(b, {parts, 64}), wrong(b, {parts + 1, 64});
    const Array<float, 1> counts(b, {parts});
    const std::string text = " must be " + to_string(right.extents) + ", got " + to_string(wrong.extents);
    CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, p.conv, y, {wrong, right, counts}),
                         ("conv2d_forward: moments.mean" + text).c_str(), ShapeError);
    CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, p.conv, y, {right, wrong, counts}),
                         ("conv2d_forward: moments.squares" + text).c_str(), ShapeError);
  } else {
    CHECK_FALSE(ConvMomentsBackend<B>);
  }
}
