#include <lotar/backend/cuda.hpp>

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "convolution.hpp"
#include "refusal.hpp"

using namespace lotar;

namespace {

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, Cuda>;

/// The three operations of one convolution, of bf16 or float.
template <class T>
struct Convolutions {
  ConvolutionCase p;
  Array<T, 4> x, w, dy, y, dx;
  Array<float, 4> dw;

  explicit Convolutions(Cuda& b, std::size_t channels = 16)
      : p{{8, 8, 8, channels}, {24, 3, 3, channels}, {1, 1}},
        x(b, p.x, convolution_values<T>(p.x.size(), 0)),
        w(b, p.filter, convolution_values<T>(p.filter.size(), 1)),
        dy(b, p.y(), convolution_values<T>(p.y().size(), 2)),
        y(b, p.y()),
        dx(b, p.x),
        dw(b, p.filter) {}
  void run(Cuda& b) const {
    b.conv2d_forward(x, w, p.conv, y);
    b.conv2d_backward_data(dy, w, p.conv, 0, dx);
    b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
  }
};

/// Enough images of 16 x 16 for several tiles of every part of a device.
constexpr std::size_t many = on_device ? 2400 : 10;

/// Whether the device has kernels of its own for convolutions to 64 channels, and this program the code.
bool has_own_kernels(Cuda& b) {
  const Array<bf16, 4> x(b, {1, 2, 2, 64}), w(b, {64, 3, 3, 64});
  return b.conv2d_moment_parts(x, w, {1, 1}, x.view()) > 0;  // which cuda.cu tests
}

/// The sums taken of the gradient, and the gradient, which is as it is without.
void check_norm_sums(Cuda& b, const ConvolutionCase& p, bool taken) {
  CAPTURE(to_string(p.x));
  const std::size_t c = p.x[3];
  const ConvolutionValues<bf16> a(p);
  const std::vector<float> norm = norm_coefficients<float>(c);
  const Array<bf16, 4> x(b, p.x, a.x), w(b, p.filter, a.filter), dy(b, p.y(), a.dy), dx(b, p.x);
  b.conv2d_backward_data(dy, w, p.conv, 0, dx);
  const auto wanted = to_double(dx.to_host(b));
  const Array<float, 2> by(b, {3, c}, norm);
  const ConvInput<bf16, Cuda::Memory> input(x, by);
  b.fill(dx.view(), bf16(std::nanf("")));
  const std::size_t parts = b.conv2d_norm_sum_parts(dy, w, input, p.conv, dx.view());
  CHECK((parts > 0) == taken);
  const Array<float, 2> sum(b, {parts, c}), product(b, {parts, c});
  b.conv2d_backward_data(dy, w, input, p.conv, dx.view(), {sum.view(), product.view()});
  CHECK(to_double(dx.to_host(b)) == wanted);
  if (!taken) return;
  const NormSumsAnswer sums = norm_sums_by_loops(a.x, norm, wanted);
  CHECK(worst_of_sums(sum.to_host(b), sums.sum, sums.magnitude) <= 2e-6);
  CHECK(worst_of_sums(product.to_host(b), sums.product, sums.magnitude) <= 2e-6);
}

}  // namespace

TEST_CASE("sums that a norm's backward pass begins with are taken of gradients of 64 channels") {
  Cuda b({.poison_allocations = true});
  const bool own = has_own_kernels(b);
  for (const std::size_t images : {std::size_t{3}, many}) {
    check_norm_sums(b, to_64({images, 16, 16, 64}), own);
    check_norm_sums(b, to_64({images, 16, 16, 3}), false);
  }
}

TEST_CASE("what is normalized when it is read gives the bits of what was normalized before") {
  Cuda b({.poison_allocations = true});
  const bool own = has_own_kernels(b);
  for (const Extents<4>& extents : {Extents<4>{many, 16, 16, 64}, {1, 2, 42, 64}, {3, 9, 40, 64}, {3, 9, 40, 3}}) {
    const ConvolutionCase p = to_64(extents);
    CAPTURE(to_string(p.x));
    const ConvolutionValues<bf16> a(p);
    const std::vector<float> norm = norm_coefficients<float>(extents[3]);
    const Array<bf16, 4> x(b, p.x, a.x), before(b, p.x, normalized_by(a.x, norm)), w(b, p.filter, a.filter),
        dy(b, p.y(), a.dy);
    const Array<float, 2> by(b, {3, extents[3]}, norm);
    const auto outcome = [&](const ConvInput<bf16, Cuda::Memory>& input) {
      const Array<bf16, 4> y(b, p.y());
      const Array<float, 4> dw(b, p.filter);
      b.conv2d_forward(input, w, p.conv, y);
      b.conv2d_backward_filter(input, dy, p.conv, 0, dw);
      return std::pair(to_double(y.to_host(b)), dw.to_host(b));
    };
    const bool normalizes = b.conv2d_normalizes(p.x, w.view(), p.conv);
    CHECK(normalizes == (own && extents[3] == 64));
    if (normalizes)
      CHECK((outcome({x, by}) == outcome(before)));
    else
      CHECK_THROWS_WITH_AS(outcome({x, by}), doctest::Contains("conv2d_forward: wanted a convolution that normalizes"),
                           ConfigError);
  }
}

TEST_CASE(
    "an x that begins at any value has no moments, no norm and no sums taken of it; sums that do not fit are refused") {
  Cuda b({.poison_allocations = true});
  const ConvolutionCase p = to_64({2, 5, 6, 64});
  const Array<bf16> memory(b, {p.x.size() + 1});
  const auto x = memory.rows(1, p.x.size()).reshape(p.x);
  const Array<bf16, 4> w(b, p.filter), y(b, p.y()), dx(b, p.x);
  const Array<float, 2> by(b, {3, 64}), none(b, {0, 64}), narrow(b, {3, 63});
  const ConvInput<bf16, Cuda::Memory> input(x, by);
  CHECK(b.conv2d_moment_parts(x, w, p.conv, y.view()) == 0);
  CHECK(b.conv2d_norm_sum_parts(y, w, input, p.conv, dx.view()) == 0);
  CHECK_THROWS_WITH_AS(b.conv2d_forward(input, w, p.conv, y.view(), {none.view(), none.view(), {}}),
                       doctest::Contains("x aligned to 16 bytes, got forward of bf16"), ConfigError);
  CHECK_THROWS_WITH_AS(b.conv2d_backward_data(y, w, input, p.conv, dx.view(), {narrow.view(), none.view()}),
                       "conv2d_backward_data: sums.sum must be [0, 64], got [3, 63]", ShapeError);
  CHECK_THROWS_WITH_AS(b.conv2d_backward_data(y, w, input, p.conv, dx.view(), {none.view(), narrow.view()}),
                       "conv2d_backward_data: sums.product must be [0, 64], got [3, 63]", ShapeError);
  const ConvInput<bf16, Cuda::Memory> misfit(x, narrow);
  CHECK_THROWS_WITH_AS(b.conv2d_backward_data(y, w, misfit, p.conv, dx.view(), {none.view(), none.view()}),
                       "conv2d_backward_data: x.norm must be [3, 64], got [3, 63]", ShapeError);
}

TEST_CASE_TEMPLATE("cuDNN has plans for ordinary convolutions, which are told and taken again", T, bf16, float) {
  Cuda b;
  CHECK(b.plans().empty());
  const Convolutions<T> first(b);
  first.run(b);
  const auto plans = b.plans();
  for (const char* kind : {"forward", "backward_data", "backward_filter"}) {
    CAPTURE(kind);
    bool planned = false;
    for (const auto& [problem, plan] : plans) planned = planned || (problem.starts_with(kind) && plan != "none");
    CHECK(planned);
  }

  Cuda again;
  again.use_plans(plans);
  const Convolutions<T> second(again);
  second.run(again);
  CHECK(again.plans() == plans);
  CHECK(second.y.to_host(again) == first.y.to_host(b));
  CHECK(second.dx.to_host(again) == first.dx.to_host(b));
  CHECK(second.dw.to_host(again) == first.dw.to_host(b));
}

TEST_CASE("bf16 of few channels runs by plans of eight but for filters' gradients, and these by plans of bf16") {
  Cuda b;
  const std::string of = " of bf16 to bf16: x [8, 8, 8, ";
  for (const std::size_t channels : {3u, 16u}) {
    CAPTURE(channels);
    Convolutions<bf16>(b, channels).run(b);
    for (const std::string kind : {"forward", "backward_data", "backward_filter"}) {
      CAPTURE(kind);
      const std::size_t planned_channels = channels == 3 && kind != "backward_filter" ? 8 : channels;
      bool planned = false;
      for (const auto& [problem, plan] : b.plans())
        planned =
            planned || (problem.starts_with(kind + of + std::to_string(planned_channels) + "]") && plan != "none");
      CHECK(planned);
    }
  }
  CHECK(b.plans().size() == 6);
}

TEST_CASE("a plan that cuDNN refuses is an error that names it and the convolution, a plan of none the plain loops") {
  Cuda b;
  const Convolutions<float> c(b);
  c.run(b);
  auto plans = b.plans();
  const auto wanted = to_double(c.y.to_host(b));
  for (auto& [problem, plan] : plans) plan = "none";
  b.use_plans(plans);
  c.run(b);
  CHECK(worst_error(c.y.to_host(b), wanted) <= 1e-5);
  for (auto& [problem, plan] : plans) plan = "999999";
  b.use_plans(plans);
  const std::string text = refusal([&] { c.run(b); });
  CHECK(text.find("conv2d: the plan \"999999\" for forward of float to float: x [8, 8, 8, 16]") == 0);
  CHECK(text.find("is refused by cuDNN " + std::to_string(cudnnGetVersion())) != std::string::npos);
  for (auto& [problem, plan] : plans) plan = "0 9223372036854775807=1";
  b.use_plans(plans);
  CHECK(refusal([&] { c.run(b); }).find("is refused by cuDNN ") != std::string::npos);
}

TEST_CASE("a recorded step keeps its plans when others are put in") {
  Cuda b;
  const Convolutions<float> c(b);
  auto step = b.record([&] { c.run(b); });
  step();
  step();
  const auto wanted = c.y.to_host(b);
  auto plans = b.plans();
  for (auto& [problem, plan] : plans) plan = "none";
  b.use_plans(plans);
  c.run(b);  // looks for plans anew
  b.fill(c.y.view(), 0);
  step();
  CHECK(c.y.to_host(b) == wanted);
}

TEST_CASE("plans that are timed leave results alone") {
  Cuda b({.poison_allocations = true, .deterministic = false});
  const Convolutions<float> c(b);
  c.run(b);
  const auto dx = c.dx.to_host(b), dw = c.dw.to_host(b);
  b.conv2d_backward_data(c.dy, c.w, c.p.conv, 1, c.dx);
  b.conv2d_backward_filter(c.x, c.dy, c.p.conv, 1, c.dw);
  auto twice_dx = to_double(dx), twice_dw = to_double(dw);
  for (double& v : twice_dx) v *= 2;
  for (double& v : twice_dw) v *= 2;
  CHECK(worst_error(c.dx.to_host(b), twice_dx) <= 1e-5);
  CHECK(worst_error(c.dw.to_host(b), twice_dw) <= 1e-5);
}
