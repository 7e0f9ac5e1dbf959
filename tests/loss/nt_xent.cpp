#include <lotar/loss/nt_xent.hpp>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../reference/loss.hpp"
#include "../test.hpp"
#include "wave.hpp"

using namespace lotar;

namespace {

template <class T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-10;

template <class T>
struct Result {
  std::vector<T> losses, dz, positives;
  double loss;  // sum of c_a l_a
};

/// Both phases. Without coefficients: 1 / 2N; those of the positives are the same unless they are given.
template <class T>
Result<T> run(TestBackend& b, const std::vector<T>& z, std::size_t rows, double temperature,
              std::vector<T> coefficients = {}, std::vector<T> of_positives = {},
              Denominator denominator = Denominator::all) {
  if (coefficients.empty()) coefficients.assign(rows, T(1) / static_cast<T>(rows));
  if (of_positives.empty()) of_positives = coefficients;
  const std::size_t cols = z.size() / rows;
  const Tensor<T, 2, TestBackend> tz(b, {rows, cols}, z), dz(b, {rows, cols});
  const Tensor<T, 1, TestBackend> losses(b, {rows}), c(b, {rows}, coefficients), e(b, {rows}, of_positives);
  const auto state = nt_xent_forward(b, tz, {.temperature = temperature, .denominator = denominator}, losses);
  nt_xent_backward(b, state, c, e, dz);
  Result<T> result{losses.to_host(b), dz.to_host(b), state.positives.to_host(b), 0};
  for (std::size_t a = 0; a < rows; ++a)
    result.loss += static_cast<double>(coefficients[a]) * static_cast<double>(result.losses[a]);
  return result;
}

template <class T, class... More>
Result<T> run(const std::vector<T>& z, std::size_t rows, double temperature, More&&... more) {
  TestBackend b;
  return run<T>(b, z, rows, temperature, std::forward<More>(more)...);
}

/// By plain loops over the definition, in double.
template <class T>
Result<double> reference(const std::vector<T>& z, std::size_t m, double temperature, const std::vector<double>& c,
                         const std::vector<double>& e, Denominator denominator = Denominator::all) {
  const std::size_t d = z.size() / m;
  std::vector<double> u(z.begin(), z.end()), norm(m), s(m * m), all(m);
  Result<double> result{std::vector<double>(m), std::vector<double>(z.size()), std::vector<double>(m), 0};
  for (std::size_t a = 0; a < m; ++a) {
    for (std::size_t j = 0; j < d; ++j) norm[a] += u[a * d + j] * u[a * d + j];
    norm[a] = std::sqrt(norm[a]);
    for (std::size_t j = 0; j < d; ++j) u[a * d + j] /= norm[a];
  }
  for (std::size_t a = 0; a < m; ++a) {
    double sum = 0;
    for (std::size_t b = 0; b < m; ++b) {
      for (std::size_t j = 0; j < d; ++j) s[a * m + b] += u[a * d + j] * u[b * d + j] / temperature;
      const bool negative = b != a && b != (a + m / 2) % m;
      if (negative || (b != a && denominator == Denominator::all)) sum += std::exp(s[a * m + b]);
    }
    all[a] = std::log(sum);
    result.positives[a] = s[a * m + (a + m / 2) % m];
    result.losses[a] = all[a] - result.positives[a];
    result.loss += c[a] * result.losses[a];
  }
  for (std::size_t a = 0; a < m; ++a) {
    std::vector<double> du(d);
    for (std::size_t b = 0; b < m; ++b) {
      if (b == a) continue;
      const bool positive = b == (a + m / 2) % m;
      const double term = positive && denominator == Denominator::negatives ? 0 : 1;
      const double g = term * c[a] * std::exp(s[a * m + b] - all[a]) + term * c[b] * std::exp(s[b * m + a] - all[b]) -
                       (positive ? e[a] + e[b] : 0);
      for (std::size_t j = 0; j < d; ++j) du[j] += g * u[b * d + j] / temperature;
    }
    double along = 0;
    for (std::size_t j = 0; j < d; ++j) along += du[j] * u[a * d + j];
    for (std::size_t j = 0; j < d; ++j) result.dz[a * d + j] = (du[j] - along * u[a * d + j]) / norm[a];
  }
  return result;
}

/// Every value within `relative` of the largest wanted one.
template <class T>
void check_close(const std::vector<T>& got, const std::vector<double>& wanted, double relative) {
  REQUIRE(got.size() == wanted.size());
  double scale = 0, error = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    scale = max(scale, std::abs(wanted[i]));
    const double off = std::abs(static_cast<double>(got[i]) - wanted[i]);
    error = off <= error ? error : off;  // keeps NaN
  }
  CHECK(error <= relative * scale);
}

/// Losses, positives and gradient of a batch, all different in their weights, as the definition has them.
template <class T>
void check_batch(std::size_t m, std::size_t d) {
  CAPTURE(m);
  CAPTURE(d);
  const auto z = wave<T>(m, d);
  std::vector<T> c, e;
  for (std::size_t a = 0; a < m; ++a) {
    c.push_back(static_cast<T>(1 + a % 3) / static_cast<T>(m));
    e.push_back(static_cast<T>(1 + a % 5) / static_cast<T>(m));
  }
  for (const Denominator denominator : {Denominator::all, Denominator::negatives}) {
    const auto got = run<T>(z, m, .2, c, e, denominator);
    const auto wanted = reference(z, m, .2, std::vector<double>(c.begin(), c.end()),
                                  std::vector<double>(e.begin(), e.end()), denominator);
    check_close(got.losses, wanted.losses, tolerance<T>);
    check_close(got.positives, wanted.positives, tolerance<T>);
    check_close(got.dz, wanted.dz, tolerance<T>);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("equal rows give log(2N-1) and no gradient", T, float, double) {
  for (const std::size_t m : {2u, 4u, 10u})
    for (const std::size_t d : {3u, 48u}) {
      std::vector<T> z;
      for (std::size_t i = 0; i < m; ++i) {
        z.insert(z.end(), {T(.6), T(0), T(.8)});
        z.resize((i + 1) * d);
      }
      const auto r = run<T>(z, m, .5);
      for (const T l : r.losses) CHECK(l == doctest::Approx(std::log(static_cast<double>(m) - 1)).epsilon(1e-6));
      for (const T g : r.dz) CHECK(static_cast<double>(g) == doctest::Approx(0).epsilon(1e-6));
    }
}

TEST_CASE_TEMPLATE("one image has no negatives: no loss, no gradient", T, float, double) {
  for (const auto& z : {std::vector<T>{1, 2, -3, 1}, wave<T>(2, 32)}) {
    const auto r = run<T>(z, 2, .2);
    CHECK(r.losses == std::vector<T>(2));
    for (const T g : r.dz) CHECK(std::abs(g) < 1e-6);
  }
  TestBackend b;
  for (int degrees = 0; degrees < 180; ++degrees)
    for (const double temperature : {.05, .2, 1.}) {
      const double angle = 3.14159265358979 / 180 * degrees;
      const std::vector<T> z{1, 0, static_cast<T>(std::cos(angle)), static_cast<T>(std::sin(angle))};
      CHECK(run<T>(b, z, 2, temperature).losses == std::vector<T>(2));
    }
}

TEST_CASE_TEMPLATE("no loss is negative, and small ones are right to 2^-22", T, float, double) {
  // Two images at any angle, whose views are at a small one. Sums just above 1 are rounded twice by 2^-24; in double it
  // is the reference that loses as much, of a difference of numbers up to 20.
  const double relative = sizeof(T) == 4 ? 1e-5 : 1e-13, absolute = sizeof(T) == 4 ? 0x1p-22 : 1e-14;
  TestBackend b;
  for (int degrees = 1; degrees < 180; ++degrees)
    for (const double temperature : {.05, .1, .5}) {
      const double angle = 3.14159265358979 / 180 * degrees;
      std::vector<T> z(4 * 16);
      const double angles[] = {0, angle, .01, angle + .01};
      for (std::size_t a = 0; a < 4; ++a) {
        z[a * 16] = static_cast<T>(std::cos(angles[a]));
        z[a * 16 + 1] = static_cast<T>(std::sin(angles[a]));
      }
      const std::vector<double> mean(4, .25);
      const auto got = run<T>(b, z, 4, temperature);
      const auto right = reference(z, 4, temperature, mean, mean);
      for (std::size_t a = 0; a < 4; ++a) {
        CHECK(got.losses[a] >= 0);
        const double off = std::abs(static_cast<double>(got.losses[a]) - right.losses[a]);
        CHECK(off <= relative / temperature * right.losses[a] + absolute);
      }
    }
}

TEST_CASE_TEMPLATE("a worked example", T, float, double) {
  const auto r = run<T>({1, 2, T(.5), -1, -1, T(.3), T(.9), T(1.7), T(.2), T(-1.1), T(-.7), T(.8)}, 6, .2);
  const double wanted[] = {.0470046, .00119164, .0135065, .04235884, .00127438, .16786502};
  const double epsilon = sizeof(T) == 4 ? 3e-4 : 1e-5;  // log of a sum just above 1, which a float rounds by 6e-8
  for (std::size_t a = 0; a < 6; ++a) CHECK(r.losses[a] == doctest::Approx(wanted[a]).epsilon(epsilon).scale(0));
  CHECK(r.loss == doctest::Approx(.0455334959).epsilon(1e-5).scale(0));
}

TEST_CASE_TEMPLATE("losses and gradients are PyTorch's", T, float, double) {
  const std::size_t m = 8;
  const auto z = wave<T>(m, 3);
  const auto plain = run<T>(z, m, .2);
  check_close(plain.losses, expected::nt_xent_losses, tolerance<T>);
  check_close(plain.dz, expected::nt_xent_gradient, tolerance<T>);
  std::vector<T> c;
  for (std::size_t a = 0; a < m; ++a) c.push_back(static_cast<T>(std::cos(static_cast<double>(a))));
  check_close(run<T>(z, m, .2, c).dz, expected::nt_xent_weighted_gradient, tolerance<T>);
}

TEST_CASE("the gradient matches central differences, whatever the coefficients") {
  const std::size_t m = 6, d = 4;
  const auto z = wave<double>(m, d);
  const std::vector<double> c{.3, -1, 0, 2, .5, .1};
  const auto dz = run(z, m, .3, c).dz;
  for (std::size_t i = 0; i < z.size(); ++i) {
    auto up = z, down = z;
    up[i] += 1e-5, down[i] -= 1e-5;
    CHECK(dz[i] == doctest::Approx((run(up, m, .3, c).loss - run(down, m, .3, c).loss) / 2e-5).epsilon(1e-6));
  }
}

TEST_CASE_TEMPLATE("batches of several tiles agree with plain loops", T, float, double) {
  for (const std::size_t m : {26u, 514u, 1026u}) check_batch<T>(m, m == 26 ? 17 : 5);
}

TEST_CASE_TEMPLATE("widths that tensor cores take agree with plain loops", T, float, double) {
  // less than a tile of 32 columns, of 128 rows, and more; a positive's columns in one tile and in two; several parts
  const std::size_t shapes[][2] = {{4, 16}, {6, 128}, {34, 96}, {62, 64}, {130, 48}, {258, 128}, {322, 32}, {1026, 16}};
  for (const auto& [m, d] : shapes) check_batch<T>(m, d);
  if (!on_device) return;  // others have no tiles of parts, and take seconds
  check_batch<T>(2050, 128);
  check_batch<T>(4098, 16);
}

TEST_CASE_TEMPLATE("small temperatures neither overflow nor lose the gradient", T, float, double) {
  for (const auto& [m, d] : {std::pair<std::size_t, std::size_t>{26, 5}, {26, 64}, {514, 5}}) {
    CAPTURE(m);
    CAPTURE(d);
    const auto z = wave<T>(m, d);
    for (const double temperature : {.05, .01, .002}) {
      const auto got = run<T>(z, m, temperature);
      const std::vector<double> mean(m, 1 / static_cast<double>(m));
      const auto wanted = reference(z, m, temperature, mean, mean);
      check_close(got.losses, wanted.losses, tolerance<T>);
      check_close(got.dz, wanted.dz, tolerance<T> / temperature);
    }
  }
}

TEST_CASE_TEMPLATE("a row of zeros is at right angles to all others and has no gradient", T, float, double) {
  for (const std::size_t d : {2u, 32u}) {
    std::vector<T> z(4 * d);
    z[d] = z[2 * d + 1] = z[3 * d] = z[3 * d + 1] = 1;
    const auto r = run<T>(z, 4, .2);
    CHECK(r.losses[0] == doctest::Approx(std::log(3)));
    T others = 0;
    for (std::size_t j = 0; j < d; ++j) {
      CHECK(r.dz[j] == 0);
      others += std::abs(r.dz[d + j]);
    }
    for (const T g : r.dz) CHECK(is_finite(g));
    CHECK(others > 0);
  }
}

TEST_CASE("NaN in one row is NaN in every loss") {
  for (const float l : run<float>({1, 2, std::nanf(""), -1, -1, 3, 2, 2}, 4, .2).losses) CHECK(std::isnan(l));
  auto z = wave<float>(130, 32);
  z[70 * 32] = std::nanf("");
  for (const float l : run<float>(z, 130, .2).losses) CHECK(std::isnan(l));
}

TEST_CASE("a row too long for its square is NaN in every loss, and in its gradient") {
  const auto r = run<float>({1, 2, 1e20f, 0, -1, 3, 2, 2}, 4, .2);
  for (const float l : r.losses) CHECK(std::isnan(l));
  CHECK(std::isnan(r.dz[2]));
  auto z = wave<float>(130, 32);
  z[70 * 32] = 1e20f;
  for (const float l : run<float>(z, 130, .2).losses) CHECK(std::isnan(l));
}

TEST_CASE_TEMPLATE("coefficients times a power of 2 give the gradient times that", T, float, double) {
  const std::size_t m = 66;
  for (const std::size_t d : {7u, 64u}) {
    CAPTURE(d);
    const auto z = wave<T>(m, d);
    std::vector<T> c, e;
    for (std::size_t a = 0; a < m; ++a) {
      c.push_back(static_cast<T>(std::cos(static_cast<double>(a))) * (a % 7 == 0 ? T(1e-4) : T(1)));
      e.push_back(static_cast<T>(std::sin(static_cast<double>(a))));
    }
    const auto plain = run<T>(z, m, .2, c, e).dz;
    for (const T power : {T(0x1p-40), T(0x1p40), T(0)}) {
      auto scaled_c = c, scaled_e = e, wanted = plain;
      for (auto* values : {&scaled_c, &scaled_e, &wanted})
        for (T& x : *values) x *= power;
      CHECK(run<T>(z, m, .2, scaled_c, scaled_e).dz == wanted);
    }
  }
}

TEST_CASE("the same bits every time, recorded or not") {
  const std::size_t m = 322;
  for (const std::size_t d : {7u, 32u}) {
    CAPTURE(d);
    TestBackend b;
    const Tensor<float, 2, TestBackend> z(b, {m, d}, wave<float>(m, d)), dz(b, {m, d});
    const Tensor<float, 1, TestBackend> losses(b, {m}), c(b, {m}, std::vector<float>(m, 1));
    const auto wanted = run<float>(wave<float>(m, d), m, .2, std::vector<float>(m, 1));
    auto step = b.record([&] { nt_xent_backward(b, nt_xent_forward(b, z, {}, losses), c, dz); });
    for (int i = 0; i < 4; ++i) {
      b.fill(losses.view(), 0.f);
      b.fill(dz.view(), 0.f);
      step();
      CHECK(losses.to_host(b) == wanted.losses);
      CHECK(dz.to_host(b) == wanted.dz);
    }
  }
}

TEST_CASE("extra memory grows linearly with the batch") {
  for (const std::size_t d : {2u, 32u}) {
    CAPTURE(d);
    TestBackend b;
    std::size_t extra[2];
    for (const std::size_t i : {0u, 1u}) {
      const std::size_t m = std::size_t{1024} << i;
      const Tensor<float, 2, TestBackend> z(b, {m, d}, wave<float>(m, d)), dz(b, {m, d});
      const Tensor<float, 1, TestBackend> losses(b, {m}), c(b, {m}, std::vector<float>(m, 1));
      const auto step = [&] { nt_xent_backward(b, nt_xent_forward(b, z, {}, losses), c, dz); };
      step();  // libraries take memory of their own once
      const std::size_t before = b.pool().used(), allocations = b.pool().allocations();
      b.pool().reset_peak();
      step();
      extra[i] = b.pool().peak() - before;
      CHECK(b.pool().used() == before);
      CHECK(b.pool().allocations() == allocations);
    }
    CHECK(extra[1] <= 2 * extra[0]);
    CHECK(extra[1] < 2048 * 2048 * sizeof(float) / 3);
  }
}

TEST_CASE("bad input is refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> z(b, {4, 2}), odd(b, {3, 2}), none(b, {0, 2});
  const Tensor<float, 1, TestBackend> losses(b, {4}), short_losses(b, {2});
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, odd, {}, losses),
                       "nt_xent_forward: z must be [2N, D] with N >= 1, got [3, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, none, {}, losses),
                       "nt_xent_forward: z must be [2N, D] with N >= 1, got [0, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, {}, short_losses), "nt_xent_forward: losses must be [4], got [2]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, short_losses, Denominator::all, losses),
                       "nt_xent_forward: temperature must be [1], got [2]", ShapeError);
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, {.temperature = 0}, losses),
                       "nt_xent_forward: temperature must be finite and > 0, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, {.temperature = -.5}, losses),
                       "nt_xent_forward: temperature must be finite and > 0, got -0.5", ConfigError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, {.temperature = infinity}, losses),
                       "nt_xent_forward: temperature must be finite and > 0, got inf", ConfigError);
  CHECK_THROWS_WITH_AS(nt_xent_forward(b, z, {.temperature = std::abs(infinity - infinity)}, losses),
                       "nt_xent_forward: temperature must be finite and > 0, got nan", ConfigError);

  b.fill(z, 1.f);
  const auto state = nt_xent_forward(b, z, {}, losses);
  CHECK_THROWS_WITH_AS(nt_xent_backward(b, state, short_losses, z),
                       "nt_xent_backward: coefficients must be [4], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(nt_xent_backward(b, state, losses, short_losses, z),
                       "nt_xent_backward: of_positives must be [4], got [2]", ShapeError);
  CHECK_THROWS_WITH_AS(nt_xent_backward(b, state, losses, odd), "nt_xent_backward: dz must be [4, 2], got [3, 2]",
                       ShapeError);
}
