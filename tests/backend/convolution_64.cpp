#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <tuple>
#include <type_traits>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "convolution.hpp"

using namespace lotar;

// 3x3 convolutions of bf16 to 64 channels, for which some devices have kernels of their own.
namespace {

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, TestBackend>;

std::vector<double> added(std::vector<double> gradient, double beta, const std::vector<double>& to) {
  for (std::size_t i = 0; i < gradient.size(); ++i) gradient[i] += beta * to[i];
  return gradient;
}

/// The three operations against plain loops, added to what is there or not.
void check_by_loops(TestBackend& b, const ConvolutionCase& p, double beta) {
  CAPTURE(to_string(p.x));
  CAPTURE(beta);
  const ConvolutionValues<bf16> a(p);
  const auto wanted = convolution_by_loops(p, to_double(a.x), to_double(a.filter), to_double(a.dy));
  const Array<bf16, 4> x(b, p.x, a.x), w(b, p.filter, a.filter), dy(b, p.y(), a.dy), y(b, p.y()), dx(b, p.x);
  const Array<float, 4> dw(b, p.filter);
  std::vector<double> before_x(p.x.size()), before_w(p.filter.size());
  if (beta != 0) {  // or else NaN
    b.copy(x.view(), dx.view());
    b.fill(dw.view(), 1);
    before_x = to_double(a.x);
    before_w.assign(before_w.size(), 1.);
  }
  b.conv2d_forward(x, w, p.conv, y);
  b.conv2d_backward_data(dy, w, p.conv, beta, dx);
  b.conv2d_backward_filter(x, dy, p.conv, beta, dw);
  CHECK(worst_error(y.to_host(b), wanted.y) <= rounded_once);
  CHECK(worst_error(dx.to_host(b), added(wanted.dx, beta, before_x)) <= (beta == 0 ? rounded_once : rounded_twice));
  CHECK(worst_error(dw.to_host(b), added(wanted.dfilter, beta, before_w)) <=
        (beta == 0 ? rounded_once : rounded_twice));
}

/// The moments that a backend takes as it convolves, against those of the result without them.
template <class B>
void check_moments(B& b, const ConvolutionCase& p, const std::vector<bf16>& hx, const Tensor<bf16, 4, B>& w,
                   const std::vector<bf16>& wanted_y) {
  if constexpr (ConvMomentsBackend<B>) {
    const Tensor<bf16, 4, B> x(b, p.x, hx), y(b, p.y());
    const std::size_t parts = b.conv2d_moment_parts(x, w, p.conv, y.view());
    const Tensor<float, 2, B> mean(b, {{parts, 64}}), squares(b, {{parts, 64}});
    const Tensor<float, 1, B> counts(b, {{parts}});
    b.conv2d_forward(x, w, p.conv, y.view(), {mean.view(), squares.view(), counts.view()});
    CHECK(to_double(y.to_host(b)) == to_double(wanted_y));
    if (parts == 0) return;
    const auto n = counts.to_host(b);
    CHECK(std::accumulate(n.begin(), n.end(), 0.f) == static_cast<float>(wanted_y.size() / 64));
    const MomentErrors errors = moment_errors(wanted_y, mean.to_host(b), squares.to_host(b), n);
    CHECK(errors.mean <= 1e-6);
    CHECK(errors.squares <= 1e-5);
  }
}

/// Enough images for several tiles of every part of a device.
constexpr std::size_t many = on_device ? 1200 : 5;

}  // namespace

TEST_CASE("convolutions to 64 channels, of images of any size") {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t channels : {1u, 3u, 8u, 64u})
    for (const Extents<4>& x : {Extents<4>{1, 1, 1, channels}, {3, 5, 40, channels}, {2, 100, 2, channels}})
      for (const double beta : {0., 1.}) check_by_loops(b, to_64(x), beta);
  for (const double beta : {.5, 2.}) check_by_loops(b, to_64({2, 5, 6, 64}), beta);
}

TEST_CASE("convolutions to 64 channels, of rows that fit a multiprocessor's memory just so, or not") {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t width : {42u, 43u, 74u, 75u}) check_by_loops(b, to_64({1, 2, width, 64}), 0);
  for (const std::size_t width : {255u, 286u, 287u, 734u, 735u}) check_by_loops(b, to_64({1, 2, width, 3}), 0);
}

TEST_CASE("convolutions to 64 channels of arrays that begin at any value") {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t channels : {3u, 8u, 64u}) {
    CAPTURE(channels);
    const ConvolutionCase p = to_64({2, 5, 6, channels});
    const ConvolutionValues<bf16> a(p);
    const auto wanted = convolution_by_loops(p, to_double(a.x), to_double(a.filter), to_double(a.dy));
    for (std::size_t misplaced = 0; misplaced < 4; ++misplaced) {
      CAPTURE(misplaced);
      const auto begin = [&](std::size_t array) { return array == misplaced ? std::size_t{1} : std::size_t{0}; };
      const Array<bf16> x(b, {p.x.size() + 1}), w(b, {p.filter.size() + 1}), dy(b, {p.y().size() + 1}),
          y(b, {p.y().size() + 1});
      const Array<float> dw(b, {p.filter.size() + 1});
      const auto vx = x.rows(begin(0), p.x.size()).reshape(p.x), vdy = dy.rows(begin(2), p.y().size()).reshape(p.y()),
                 vy = y.rows(begin(2), p.y().size()).reshape(p.y());
      const auto vw = w.rows(begin(1), p.filter.size()).reshape(p.filter);
      const auto vdw = dw.rows(begin(3), p.filter.size()).reshape(p.filter);
      b.upload(a.x, vx.flat()), b.upload(a.filter, vw.flat()), b.upload(a.dy, vdy.flat());
      b.conv2d_forward(vx, vw, p.conv, vy);
      b.conv2d_backward_filter(vx, vdy, p.conv, 0, vdw);
      b.conv2d_backward_data(vdy, vw, p.conv, 0, vx);
      const auto host = [&](const auto& view) {
        std::vector<std::remove_cvref_t<decltype(view.data[0])>> values(view.size());
        b.download(view.flat(), std::span(values));
        return values;
      };
      CHECK(worst_error(host(vy), wanted.y) <= rounded_once);
      CHECK(worst_error(host(vdw), wanted.dfilter) <= rounded_once);
      CHECK(worst_error(host(vx), wanted.dx) <= rounded_once);
    }
  }
}

TEST_CASE("an image's result does not depend on those beside it, gradients of filters count all, moments are of all") {
  TestBackend b({.poison_allocations = true});
  for (const std::size_t channels : {3u, 64u}) {
    CAPTURE(channels);
    const ConvolutionCase one = to_64({2, 16, 16, channels}), all = to_64({2 * many, 16, 16, channels});
    const auto repeated = [&](const std::vector<bf16>& values) {
      std::vector<bf16> more;
      for (std::size_t i = 0; i < many; ++i) more.insert(more.end(), values.begin(), values.end());
      return more;
    };
    const ConvolutionValues<bf16> a(one);
    const Array<bf16, 4> w(b, one.filter, a.filter);
    const auto run = [&](const ConvolutionCase& p, const std::vector<bf16>& hx, const std::vector<bf16>& hdy) {
      const Array<bf16, 4> x(b, p.x, hx), dy(b, p.y(), hdy), y(b, p.y()), dx(b, p.x);
      const Array<float, 4> dw(b, p.filter);
      b.conv2d_forward(x, w, p.conv, y);
      b.conv2d_backward_data(dy, w, p.conv, 0, dx);
      b.conv2d_backward_data(dy, w, p.conv, 1, dx);
      b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
      return std::tuple(y.to_host(b), dx.to_host(b), dw.to_host(b));
    };
    const auto hx = repeated(a.x), hdy = repeated(a.dy);
    const auto [y, dx, dw] = run(one, a.x, a.dy);
    const auto results = run(all, hx, hdy);
    const auto& [all_y, all_dx, all_dw] = results;
    CHECK(worst_error(all_y, to_double(repeated(y))) <= rounded_once);
    CHECK(worst_error(all_dx, to_double(repeated(dx))) <= rounded_twice);
    std::vector<double> wanted = to_double(dw);
    for (double& v : wanted) v *= static_cast<double>(many);
    CHECK(worst_error(all_dw, wanted) <= rounded_twice);
    for (std::size_t i = 0; i < many / 200 + 1; ++i) {
      const auto again = run(all, hx, hdy);
      CHECK(to_double(std::get<0>(again)) == to_double(all_y));
      CHECK(to_double(std::get<1>(again)) == to_double(all_dx));
      CHECK(std::get<2>(again) == all_dw);
    }
    check_moments(b, all, hx, w, all_y);
  }
}
