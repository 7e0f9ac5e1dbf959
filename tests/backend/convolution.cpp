#include "convolution.hpp"

#include <cstdint>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

/// Of bf16: one rounding of the largest, and two: what is added to may be rounded again, and make the largest smaller.
/// CUDA rounds gradients of most filters, too.
constexpr double once = 4e-3, twice = 8e-3;

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, TestBackend>;

/// The three operations of one convolution against plain loops, with beta 0 over NaN and beta 1 over values.
template <class T>
void check_convolution(TestBackend& b, const ConvolutionCase& p) {
  CAPTURE(to_string(p.x));
  CAPTURE(to_string(p.filter));
  CAPTURE(p.conv.stride);
  CAPTURE(p.conv.padding);
  const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
  const auto hx = convolution_values<T>(p.x.size(), 0), hw = convolution_values<T>(p.filter.size(), 1),
             hdy = convolution_values<T>(p.y().size(), 2);
  auto wanted = convolution_by_loops(p, to_double(hx), to_double(hw), to_double(hdy));
  const Array<T, 4> x(b, p.x, hx), w(b, p.filter, hw), dy(b, p.y(), hdy);
  const Array<T, 4> y(b, p.y()), dx(b, p.x), dw(b, p.filter);  // NaN
  b.conv2d_forward(x, w, p.conv, y);
  b.conv2d_backward_data(dy, w, p.conv, 0, dx);
  b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
  CHECK(worst_error(y.to_host(b), wanted.y) <= tolerance);
  CHECK(worst_error(dx.to_host(b), wanted.dx) <= tolerance);
  CHECK(worst_error(dw.to_host(b), wanted.dfilter) <= tolerance);

  b.copy(x.view(), dx.view());
  b.copy(w.view(), dw.view());
  b.conv2d_backward_data(dy, w, p.conv, 1, dx);
  b.conv2d_backward_filter(x, dy, p.conv, 1, dw);
  for (std::size_t i = 0; i < hx.size(); ++i) wanted.dx[i] += static_cast<double>(hx[i]);
  for (std::size_t i = 0; i < hw.size(); ++i) wanted.dfilter[i] += static_cast<double>(hw[i]);
  CHECK(worst_error(dx.to_host(b), wanted.dx) <= tolerance);
  CHECK(worst_error(dw.to_host(b), wanted.dfilter) <= tolerance);
}

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

TEST_CASE_TEMPLATE("convolutions agree with plain loops", T, float, double) {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t kernel : {1u, 2u, 3u, 7u})
    for (const std::size_t stride : {1u, 2u})
      for (const std::size_t padding : {0u, 1u, 3u})
        check_convolution<T>(b, {{2, 9, 8, 3}, {4, kernel, kernel, 3}, {stride, padding}});
}

TEST_CASE_TEMPLATE("convolutions of any number of channels", T, float, double) {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t c : {1u, 3u, 16u, 33u})
    for (const std::size_t k : {1u, 3u, 16u, 33u}) check_convolution<T>(b, {{2, 5, 4, c}, {k, 3, 3, c}, {1, 1}});
}

TEST_CASE("convolutions of odd shapes") {
  TestBackend b({.poison_allocations = true});
  check_convolution<double>(b, {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 0}});
  check_convolution<double>(b, {{1, 1, 1, 2}, {3, 3, 3, 2}, {2, 1}});
  check_convolution<double>(b, {{3, 7, 5, 2}, {3, 1, 1, 2}, {3, 0}});   // most of x is read by nobody: dx is 0 there
  check_convolution<double>(b, {{2, 6, 11, 3}, {2, 3, 5, 3}, {2, 2}});  // a filter that is no square
  check_convolution<double>(b, {{2, 3, 4, 2}, {2, 2, 2, 2}, {1, 3}});   // more padding than filter: a border of zeros
  check_convolution<double>(b, {{17, 4, 4, 5}, {6, 3, 3, 5}, {1, 1}});
  check_convolution<float>(b, {{1, 32, 32, 3}, {64, 3, 3, 3}, {1, 1}});
  for (const std::size_t stride : {1u, 2u})  // no border, and channels that fill no number of tiles
    for (const std::size_t c : {3u, 13u, 35u}) check_convolution<float>(b, {{5, 7, 6, c}, {37, 1, 1, c}, {stride, 0}});
  check_convolution<float>(b, {{2, 40, 39, 13}, {35, 3, 3, 13}, {2, 1}});  // many pixels
  check_convolution<float>(b, {{2, 2, 601, 3}, {4, 1, 3, 3}, {1, 0}});     // and many in a line
}

TEST_CASE("convolutions of bf16 give bf16, and gradients of filters in float") {
  TestBackend b({.poison_allocations = true});
  std::vector<ConvolutionCase> cases;
  for (const Conv2d conv : {Conv2d{1, 1}, Conv2d{2, 1}, Conv2d{1, 0}})
    for (const std::size_t channels : {1u, 3u, 5u, 12u, 16u, 64u})
      cases.push_back({{4, 9, 8, channels}, {32, 3, 3, channels}, conv});
  cases.push_back({{3, 9, 8, 5}, {6, 1, 1, 5}, {2, 0}});
  cases.push_back({{3, 8, 7, 16}, {24, 1, 1, 16}, {3, 0}});
  for (const ConvolutionCase& p : cases) {
    const Conv2d conv = p.conv;
    CAPTURE(conv.stride);
    CAPTURE(conv.padding);
    CAPTURE(to_string(p.x));
    CAPTURE(to_string(p.filter));
    const auto hx = convolution_values<bf16>(p.x.size(), 0), hw = convolution_values<bf16>(p.filter.size(), 1),
               hdy = convolution_values<bf16>(p.y().size(), 2);
    auto wanted = convolution_by_loops(p, to_double(hx), to_double(hw), to_double(hdy));
    const Array<bf16, 4> x(b, p.x, hx), w(b, p.filter, hw), dy(b, p.y(), hdy), y(b, p.y()), dx(b, p.x);
    const Array<float, 4> dw(b, p.filter);
    b.conv2d_forward(x, w, conv, y);
    b.conv2d_backward_data(dy, w, conv, 0, dx);
    b.conv2d_backward_filter(x, dy, conv, 0, dw);
    CHECK(worst_error(y.to_host(b), wanted.y) <= once);
    CHECK(worst_error(dx.to_host(b), wanted.dx) <= once);
    CHECK(worst_error(dw.to_host(b), wanted.dfilter) <= once);
    b.copy(x.view(), dx.view());
    b.fill(dw.view(), 1);
    b.conv2d_backward_data(dy, w, conv, 1, dx);
    b.conv2d_backward_filter(x, dy, conv, 1, dw);
    const auto added = to_double(hx);
    for (std::size_t i = 0; i < added.size(); ++i) wanted.dx[i] += added[i];
    for (double& v : wanted.dfilter) v += 1;
    CHECK(worst_error(dx.to_host(b), wanted.dx) <= twice);
    CHECK(worst_error(dw.to_host(b), wanted.dfilter) <= twice);
  }
}

TEST_CASE("arrays of few channels may begin at any value, and nothing beside them is written") {
  TestBackend b({.poison_allocations = true});
  const ConvolutionCase p{{3, 7, 5, 3}, {5, 2, 3, 3}, {2, 1}};
  const auto hx = convolution_values<bf16>(p.x.size(), 0), hw = convolution_values<bf16>(p.filter.size(), 1),
             hdy = convolution_values<bf16>(p.y().size(), 2);
  const auto wanted = convolution_by_loops(p, to_double(hx), to_double(hw), to_double(hdy));
  const Array<bf16> all_x(b, {p.x.size() + 2}), all_w(b, {p.filter.size() + 2}), all_dy(b, {p.y().size() + 2}),
      all_y(b, {p.y().size() + 2}), all_dx(b, {p.x.size() + 2});
  const Array<float> all_dw(b, {p.filter.size() + 2});
  const auto inside = [&](const auto& all, const Extents<4>& e) { return all.rows(1, e.size()).reshape(e); };
  const auto x = inside(all_x, p.x), w = inside(all_w, p.filter), dy = inside(all_dy, p.y());
  b.upload(hx, x.flat()), b.upload(hw, w.flat()), b.upload(hdy, dy.flat());
  for (const auto* all : {&all_y, &all_dx}) b.fill(all->view(), bf16(7.f));
  b.fill(all_dw.view(), 7);
  b.conv2d_forward(x, w, p.conv, inside(all_y, p.y()));
  b.conv2d_backward_data(dy, w, p.conv, 0, inside(all_dx, p.x));
  b.conv2d_backward_filter(x, dy, p.conv, 0, inside(all_dw, p.filter));
  const auto check = [&](auto values, const std::vector<double>& inner) {
    CHECK(static_cast<float>(values.front()) == 7);
    CHECK(static_cast<float>(values.back()) == 7);
    values.erase(values.begin()), values.pop_back();
    CHECK(worst_error(values, inner) <= 4e-3);
  };
  check(all_y.to_host(b), wanted.y);
  check(all_dx.to_host(b), wanted.dx);
  check(all_dw.to_host(b), wanted.dfilter);
}

TEST_CASE("a convolution by a lone 1 is a shift") {
  TestBackend b;
  const Array<float, 4> x(b, {1, 2, 2, 1}, std::vector<float>{1, 2, 3, 4}), y(b, {1, 2, 2, 1});
  std::vector<float> filter(9);
  filter[1 * 3 + 2] = 1;  // row 1, column 2: the right neighbour
  b.conv2d_forward(x, Array<float, 4>(b, {1, 3, 3, 1}, filter), {1, 1}, y);
  CHECK(y.to_host(b) == std::vector<float>{2, 0, 4, 0});
}

TEST_CASE("the backward operations are adjoints of the forward one") {
  TestBackend b;
  for (const std::size_t stride : {1u, 2u}) {
    const ConvolutionCase p{{3, 10, 9, 5}, {7, 3, 3, 5}, {stride, 1}};
    const Array<double, 4> x(b, p.x, convolution_values<double>(p.x.size(), 0)),
        w(b, p.filter, convolution_values<double>(p.filter.size(), 1)),
        dy(b, p.y(), convolution_values<double>(p.y().size(), 2));
    const Array<double, 4> y(b, p.y()), dx(b, p.x), dw(b, p.filter);
    b.conv2d_forward(x, w, p.conv, y);
    b.conv2d_backward_data(dy, w, p.conv, 0, dx);
    b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
    const double product = inner(y.to_host(b), dy.to_host(b));
    CHECK(inner(x.to_host(b), dx.to_host(b)) == doctest::Approx(product).epsilon(1e-11));
    CHECK(inner(w.to_host(b), dw.to_host(b)) == doctest::Approx(product).epsilon(1e-11));
  }
}

TEST_CASE("convolutions of no images") {
  TestBackend b;
  const Array<float, 4> x(b, {0, 4, 4, 2}), y(b, {0, 4, 4, 3}), w(b, {3, 3, 3, 2}, convolution_values<float>(54, 0));
  b.conv2d_forward(x, w, {1, 1}, y);
  b.conv2d_backward_data(y, w, {1, 1}, 0, x);
  b.conv2d_backward_filter(x, y, {1, 1}, 1, w);
  CHECK(w.to_host(b) == convolution_values<float>(54, 0));
  b.conv2d_backward_filter(x, y, {1, 1}, 0, w);
  CHECK(w.to_host(b) == std::vector<float>(54));
}

TEST_CASE("convolutions give the same bits each time and allocate once") {
  TestBackend b;
  const ConvolutionCase p{{20, 8, 8, 16}, {24, 3, 3, 16}, {1, 1}};
  const Array<float, 4> x(b, p.x, convolution_values<float>(p.x.size(), 0)),
      dy(b, p.y(), convolution_values<float>(p.y().size(), 2)), first(b, p.filter), second(b, p.filter);
  b.conv2d_backward_filter(x, dy, p.conv, 0, first);
  const std::size_t allocations = b.pool().allocations();
  b.conv2d_backward_filter(x, dy, p.conv, 0, second);
  CHECK(b.pool().allocations() == allocations);
  CHECK(first.to_host(b) == second.to_host(b));
}

TEST_CASE("an image's result does not depend on its neighbours") {
  TestBackend b;
  const ConvolutionCase p{{3, 6, 6, 4}, {5, 3, 3, 4}, {1, 1}};
  const Array<float, 4> x(b, p.x, convolution_values<float>(p.x.size(), 0)),
      w(b, p.filter, convolution_values<float>(p.filter.size(), 1)), y(b, p.y()), alone(b, {1, 6, 6, 5});
  b.conv2d_forward(x, w, p.conv, y);
  b.conv2d_forward(x.rows(2, 1), w, p.conv, alone);
  const auto all = y.to_host(b), last = alone.to_host(b);
  for (std::size_t i = 0; i < last.size(); ++i)
    CHECK(last[i] == doctest::Approx(all[2 * last.size() + i]).epsilon(1e-5));
}

TEST_CASE("convolutions refuse shapes that do not fit") {
  TestBackend b;
  const Array<float, 4> x(b, {2, 4, 4, 3}), w(b, {5, 3, 3, 3}), narrow(b, {5, 3, 3, 2}), y(b, {2, 4, 4, 5}),
      wide(b, {2, 4, 5, 5}), large(b, {5, 7, 7, 3});
  CHECK_THROWS_WITH_AS(b.conv2d_forward(x, narrow, {1, 1}, y),
                       "conv2d: x [N, H, W, C] and filter [K, R, S, C] must agree in C, got [2, 4, 4, 3] and "
                       "[5, 3, 3, 2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, {1, 1}, wide), "conv2d_forward: y must be [2, 4, 4, 5], got [2, 4, 5, 5]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_forward(x, large, {1, 1}, y),
                       "conv2d: filter [5, 7, 7, 3] with stride 1 does not fit [2, 4, 4, 3] padded by 1", ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_forward(x, w, {0, 1}, y),
                       "conv2d: filter [5, 3, 3, 3] with stride 0 does not fit [2, 4, 4, 3] padded by 1", ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_backward_data(wide, w, {1, 1}, 0, x),
                       "conv2d_backward_data: dy must be [2, 4, 4, 5], got [2, 4, 5, 5]", ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_backward_filter(x, wide, {1, 1}, 0, w),
                       "conv2d_backward_filter: dy must be [2, 4, 4, 5], got [2, 4, 5, 5]", ShapeError);
}
