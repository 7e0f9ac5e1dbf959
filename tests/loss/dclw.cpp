#include <lotar/loss/dclw.hpp>

#include <cmath>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../reference/loss.hpp"
#include "../test.hpp"
#include "wave.hpp"

using namespace lotar;

namespace {

constexpr NtXentOptions decoupled{.temperature = .2, .denominator = Denominator::negatives};

template <class T>
struct Result {
  std::vector<T> losses, v, dz;
};

/// Losses, weights, and the gradient with cos(a) for coefficients.
template <class T>
Result<T> dclw(const std::vector<T>& rows, std::size_t m, double sigma = .5) {
  TestBackend b;
  const std::size_t cols = rows.size() / m;
  const Tensor<T, 2, TestBackend> z(b, {m, cols}, rows), dz(b, {m, cols});
  const Tensor<T, 1, TestBackend> losses(b, {m}), v(b, {m});
  const auto state = nt_xent_forward(b, z, decoupled, losses);
  dclw_losses(b, state, sigma, losses.view(), v.view());
  Result<T> r{losses.to_host(b), v.to_host(b), {}};
  std::vector<T> c(m), e(m);
  for (std::size_t a = 0; a < m; ++a) {
    c[a] = static_cast<T>(std::cos(static_cast<double>(a)));
    e[a] = c[a] * r.v[a];
  }
  const Tensor<T, 1, TestBackend> tc(b, {m}, c), te(b, {m}, e);
  nt_xent_backward(b, state, tc, te, dz);
  r.dz = dz.to_host(b);
  return r;
}

}  // namespace

TEST_CASE_TEMPLATE("losses, weights and gradient agree with PyTorch", T, float, double) {
  constexpr double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-10;
  const Result<T> r = dclw(wave<T>(8, 3), 8);
  check_near(r.v, expected::dclw_weights, tolerance);
  check_near(r.losses, expected::dclw_losses, tolerance);
  check_near(r.dz, expected::dclw_gradient, tolerance);
}

TEST_CASE("weights have mean 1 and favour views that lie far apart; equal cosines weigh 1") {
  // image 0: equal views; image 1: opposite ones
  const Result<double> r = dclw<double>({1, 0, 0, 1, 1, 0, 0, -1}, 4);
  CHECK(r.v[0] + r.v[1] == doctest::Approx(2));
  CHECK(r.v[1] > r.v[0]);
  CHECK(r.v[2] == r.v[0]);
  // softmax over (1, -1) / 0.5
  CHECK(r.v[0] == doctest::Approx(2 - 2 / (1 + std::exp(-4.))));
  const Result<double> equal = dclw<double>({1, 0, 0, 1, 1, 0, 0, 1}, 4);
  for (const double v : equal.v) CHECK(v == doctest::Approx(1));
  // two orthogonal negatives: log(2 exp(0)) - 1 / 0.2
  for (const double l : equal.losses) CHECK(l == doctest::Approx(std::log(2.) - 5));
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  const Tensor<double, 2, TestBackend> z(b, {4, 2}, wave<double>(4, 2)), two(b, {2, 2}, wave<double>(2, 2));
  const Tensor<double, 1, TestBackend> losses(b, {4}), v(b, {4}), short_losses(b, {2});
  const auto state = nt_xent_forward(b, z, decoupled, losses);
  CHECK_THROWS_WITH_AS(dclw_losses(b, state, 0, losses.view(), v.view()),
                       "dclw_losses: sigma must be finite and > 0, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(dclw_losses(b, state, .5, losses.view(), short_losses.view()),
                       "dclw_losses: v must be [4], got [2]", ShapeError);
  const auto plain = nt_xent_forward(b, z, {.temperature = .2}, losses);
  CHECK_THROWS_WITH_AS(dclw_losses(b, plain, .5, losses.view(), v.view()),
                       "dclw_losses: wanted losses with the denominator of the negatives", ConfigError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, two, decoupled, short_losses),
                       "nt_xent_forward: z must be [2N, D] with N >= 2, got [2, 2]", ShapeError);
}
