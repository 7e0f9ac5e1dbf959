#include <cmath>
#include <cstddef>
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

/// The mean of each column of parts of `height` rows of [rows, cols], and the sum of squares about it, by plain loops.
void moments_by_loops(const std::vector<double>& y, std::size_t cols, std::size_t height, std::vector<double>& mean,
                      std::vector<double>& squares) {
  const std::size_t rows = y.size() / cols;
  for (std::size_t first = 0; first < rows; first += height)
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t count = rows - first < height ? rows - first : height;
      double sum = 0, square = 0;
      for (std::size_t r = first; r < first + count; ++r) sum += y[r * cols + c];
      const double m = sum / static_cast<double>(count);
      for (std::size_t r = first; r < first + count; ++r) square += (y[r * cols + c] - m) * (y[r * cols + c] - m);
      mean.push_back(m), squares.push_back(square);
    }
}

struct Moments {
  std::vector<double> y, mean, squares;
  std::size_t height = 0;
  bool operator==(const Moments&) const = default;
};

template <class T, class B>
Moments moments_of(B& b, const ConvolutionCase& p) {
  Moments got;
  if constexpr (ConvMomentsBackend<B>) {
    using A = Accum<T>;
    got.height = b.template conv2d_moment_rows<T>(p.x, p.filter, p.conv);
    if (got.height == 0) return got;
    const std::size_t cols = p.y()[3], rows = p.y()[0] * p.y()[1] * p.y()[2];
    const Array<T, 4> x(b, p.x, convolution_values<T>(p.x.size(), 0)),
        w(b, p.filter, convolution_values<T>(p.filter.size(), 1)), y(b, p.y());
    const Array<A, 2> mean(b, {(rows + got.height - 1) / got.height, cols}), squares(b, mean.extents);  // NaN
    b.conv2d_forward(x, w, p.conv, y, {mean, squares, got.height});
    got.y = to_double(y.to_host(b)), got.mean = to_double(mean.to_host(b)), got.squares = to_double(squares.to_host(b));
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
};

}  // namespace

TEST_CASE_TEMPLATE("the moments of a convolution are those of its result", T, float, double, bf16) {
  TestBackend b;
  const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5;
  for (const ConvolutionCase& p : cases) {
    CAPTURE(to_string(p.x));
    CAPTURE(to_string(p.filter));
    const Moments got = moments_of<T>(b, p);
    CHECK((got.height > 0) <= ConvMomentsBackend<TestBackend>);
    if (got.height == 0) continue;
    std::vector<double> mean, squares;
    moments_by_loops(got.y, p.filter[0], got.height, mean, squares);
    double worst = 0, largest = 0;
    for (const double v : got.y) largest = std::fmax(largest, std::abs(v));
    for (std::size_t i = 0; i < mean.size(); ++i) worst = worst_of(worst, std::abs(got.mean[i] - mean[i]));
    CHECK(worst <= tolerance * largest);
    CHECK(worst_error(got.squares, squares) <= tolerance);
    const auto wanted =
        convolution_by_loops(p, to_double(convolution_values<T>(p.x.size(), 0)),
                             to_double(convolution_values<T>(p.filter.size(), 1)), std::vector<double>(got.y.size()));
    CHECK(worst_error(got.y, wanted.y) <= (sizeof(T) == 2 ? 4e-3 : tolerance));
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
    const ConvolutionCase p{{2, 8, 8, 16}, {16, 3, 3, 16}, {1, 1}}, none{{0, 8, 8, 16}, {16, 3, 3, 16}, {1, 1}};
    const std::size_t height = b.template conv2d_moment_rows<float>(p.x, p.filter, p.conv);
    REQUIRE(height > 0);
    const std::size_t parts = (128 + height - 1) / height;
    const Array<float, 4> x(b, p.x), w(b, p.filter), y(b, p.y()), no_x(b, none.x), no_y(b, none.y());
    const Array<float, 2> right(b, {parts, 16}), wrong(b, {parts + 1, 16}), empty(b, {0, 16});
    const std::string text = " must be " + to_string(right.extents) + ", got " + to_string(wrong.extents);
    CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, p.conv, y, {wrong, right, height}),
                         ("conv2d_forward: moments.mean" + text).c_str(), ShapeError);
    CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, p.conv, y, {right, wrong, height}),
                         ("conv2d_forward: moments.squares" + text).c_str(), ShapeError);
    b.conv2d_forward(no_x, w, p.conv, no_y, {empty, empty, height});
  } else {
    CHECK_FALSE(ConvMomentsBackend<B>);
  }
}
