#include <lotar/backend/cuda.hpp>

#include <cstddef>
#include <string>

#include <lotar/core/tensor.hpp>

#include <doctest/doctest.h>

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

}  // namespace

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
