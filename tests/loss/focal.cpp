#include <lotar/loss/focal.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <lotar/core/tensor.hpp>
#include <lotar/loss/nt_xent.hpp>

#include "../reference/loss.hpp"
#include "../test.hpp"
#include "wave.hpp"

using namespace lotar;

namespace {

struct Focal {
  std::vector<double> losses, slopes;
};

Focal focal(std::vector<double> losses, double gamma) {
  TestBackend b;
  const std::size_t n = losses.size();
  const Tensor<double, 1, TestBackend> l(b, {n}, losses), slopes(b, {n});
  focal_losses(b, gamma, l.view(), slopes.view());
  return {l.to_host(b), slopes.to_host(b)};
}

}  // namespace

TEST_CASE("a loss of log 2 has missed half: (1/2)^gamma") {
  const double l = std::log(2.);
  CHECK(focal({l}, 2).losses[0] == doctest::Approx(l / 4));
  CHECK(focal({l}, 1).losses[0] == doctest::Approx(l / 2));
  const Focal far = focal({50}, 2);
  CHECK(far.losses[0] == doctest::Approx(50));
  CHECK(far.slopes[0] == doctest::Approx(1));
}

TEST_CASE("a loss of 0 stays so, and tiny ones keep their digits") {
  for (const double gamma : {0.5, 1., 2.}) {
    const Focal none = focal({0, 1e-18}, gamma);
    CHECK(none.losses[0] == 0);
    CHECK(none.slopes[0] == 0);
    CHECK(none.losses[1] == doctest::Approx(std::pow(1e-18, 1 + gamma)).scale(0));
    CHECK(none.slopes[1] == doctest::Approx((1 + gamma) * std::pow(1e-18, gamma)).scale(0));
  }
}

TEST_CASE("small losses keep their digits in float") {
  for (const double l : {0.2, 0.06, 0.04, 1e-2, 1e-4, 1e-6, 1e-8}) {
    CAPTURE(l);
    TestBackend b;
    const Tensor<float, 1, TestBackend> losses(b, {1}, std::vector<float>{static_cast<float>(l)}), slopes(b, {1});
    focal_losses(b, 2, losses.view(), slopes.view());
    const double x = static_cast<double>(static_cast<float>(l)), missed = -std::expm1(-x);
    CHECK(static_cast<double>(losses.to_host(b)[0]) == doctest::Approx(missed * missed * x).epsilon(1e-5).scale(0));
    CHECK(static_cast<double>(slopes.to_host(b)[0]) ==
          doctest::Approx(missed * missed + 2 * missed * std::exp(-x) * x).epsilon(1e-5).scale(0));
  }
}

TEST_CASE("slopes are derivatives") {
  constexpr double h = 1e-6;
  for (const double gamma : {0.5, 1., 2., 3.5})
    for (const double l : {0.01, 0.5, 1.5, 6.}) {
      const std::vector<double> around = focal({l - h, l + h}, gamma).losses;
      CHECK(focal({l}, gamma).slopes[0] == doctest::Approx((around[1] - around[0]) / (2 * h)).epsilon(1e-7).scale(0));
    }
}

TEST_CASE("focal NT-Xent and its gradient agree with PyTorch") {
  TestBackend b;
  const std::vector<double> rows = wave<double>(8, 3);
  std::vector<double> cosines;
  for (std::size_t a = 0; a < 8; ++a) cosines.push_back(std::cos(static_cast<double>(a)));
  const Tensor<double, 2, TestBackend> z(b, {8, 3}, rows), dz(b, {8, 3});
  const Tensor<double, 1, TestBackend> losses(b, {8}), slopes(b, {8});
  const auto state = nt_xent_forward(b, z, {.temperature = .2}, losses);
  focal_losses(b, 2, losses.view(), slopes.view());
  check_near(losses.to_host(b), expected::focal_losses, 1e-10);
  std::vector<double> coefficients = slopes.to_host(b);
  for (std::size_t a = 0; a < 8; ++a) coefficients[a] *= cosines[a];
  const Tensor<double, 1, TestBackend> c(b, {8}, coefficients);
  nt_xent_backward(b, state, c, dz);
  check_near(dz.to_host(b), expected::focal_gradient, 1e-10);
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  const Tensor<double, 1, TestBackend> two(b, {2}), three(b, {3});
  CHECK_THROWS_WITH_AS(focal_losses(b, 2, two.view(), three.view()), "focal_losses: slopes must be [2], got [3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(focal_losses(b, 0, two.view(), two.view()), "focal_losses: gamma must be finite and > 0, got 0",
                       ConfigError);
  CHECK_THROWS_AS(focal_losses(b, std::numeric_limits<double>::quiet_NaN(), two.view(), two.view()), ConfigError);
}
