#include <lotar/loss/reweight.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <lotar/core/tensor.hpp>
#include <lotar/loss/nt_xent.hpp>

#include "../reference/loss.hpp"
#include "../test.hpp"
#include "wave.hpp"

using namespace lotar;

namespace {

template <class T>
struct Result {
  std::vector<T> d, w, coefficients, dz;
  double loss;
};

/// LoTaR's loss and gradient: NT-Xent, distances, weights, coefficients, and the gradients of both ways.
template <class T>
Result<T> run(const std::vector<T>& z, std::size_t rows, const LotarOptions& options) {
  TestBackend b;
  const Tensor<T, 2, TestBackend> tz(b, {rows, z.size() / rows}, z), dz(b, tz.extents);
  const Tensor<T, 1, TestBackend> losses(b, {rows}), d(b, {rows / 2}), w(b, {rows / 2}), c(b, {rows});
  const auto state = nt_xent_forward(b, tz, {.temperature = .2}, losses);
  view_distances(b, tz, options, d);
  lotar_weights(b, d, options, w);
  pair_coefficients(b, w, c);
  nt_xent_backward(b, state, c, dz);
  lotar_weights_backward(b, tz, d, losses, options, dz);
  Result<T> result{d.to_host(b), w.to_host(b), c.to_host(b), dz.to_host(b), 0};
  const auto l = losses.to_host(b);
  for (std::size_t a = 0; a < rows; ++a)
    result.loss += static_cast<double>(result.coefficients[a]) * static_cast<double>(l[a]);
  return result;
}

/// The weights of given distances.
template <class T>
std::vector<T> weights(const std::vector<T>& d, double sign) {
  TestBackend b;
  const Tensor<T, 1, TestBackend> td(b, {d.size()}, d), w(b, {d.size()});
  lotar_weights(b, td, {.sign = sign}, w);
  return w.to_host(b);
}

template <class T>
void check_close(const std::vector<T>& got, const std::vector<double>& wanted, double epsilon) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(epsilon));
}

/// The gradient that passes through the weights when there is one dimension and the second views are 0: d_i = |z_i|,
/// and d of image i / dz_i = its sign. The sums of the losses of both views are 2N g_i.
std::vector<double> through_weights(const std::vector<double>& d, const std::vector<double>& g) {
  TestBackend b;
  const std::size_t n = d.size();
  std::vector<double> z(2 * n), l(2 * n);
  for (std::size_t i = 0; i < n; ++i) {
    z[i] = d[i];
    l[i] = static_cast<double>(2 * n) * g[i] + 1, l[i + n] = -1;
  }
  const Tensor<double, 2, TestBackend> tz(b, {2 * n, 1}, z), dz(b, {2 * n, 1}, std::vector<double>(2 * n, 100));
  const Tensor<double, 1, TestBackend> td(b, {n}, d), losses(b, {2 * n}, l);
  lotar_weights_backward(b, tz, td, losses, {.gradient_through_weights = true}, dz);
  auto result = dz.to_host(b);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(result[i] - 100 == doctest::Approx(100 - result[i + n]));
    result[i] -= 100;  // it adds
  }
  result.resize(n);
  return result;
}

}  // namespace

TEST_CASE_TEMPLATE("a worked example", T, float, double) {
  const std::vector<T> z{1, 2, T(.5), -1, -1, T(.3), T(.9), T(1.7), T(.2), T(-1.1), T(-.7), T(.8)};
  const auto far = run(z, 6, lotar_preset("readme"));
  check_close(far.d, {.316228, .316228, .583095}, 1e-5);
  check_close(far.w, {.666667, .666667, 1.666667}, 1e-5);
  check_close(far.coefficients, {.666667 / 6, .666667 / 6, 1.666667 / 6, .666667 / 6, .666667 / 6, 1.666667 / 6}, 1e-5);
  CHECK(far.loss == doctest::Approx(.0605842498).epsilon(1e-5));
  const auto near = run(z, 6, lotar_preset("thesis_code"));
  check_close(near.w, {1.333333, 1.333333, .333333}, 1e-5);
  CHECK(near.loss == doctest::Approx(.0304827419).epsilon(1e-5));
}

TEST_CASE_TEMPLATE("distances, weights, losses and gradients are PyTorch's for all options", T, float, double) {
  const double epsilon = sizeof(T) == 4 ? 3e-5 : 1e-10;
  REQUIRE(expected::lotar.size() == 16);
  for (const expected::Lotar& e : expected::lotar) {
    const LotarOptions options{.sign = e.sign,
                               .distance = e.squared ? ViewDistance::squared_l2 : ViewDistance::l2,
                               .projections = e.normalized ? Projections::normalized : Projections::raw,
                               .gradient_through_weights = e.gradient_through_weights};
    CAPTURE(e.sign);
    CAPTURE(e.squared);
    CAPTURE(e.normalized);
    CAPTURE(e.gradient_through_weights);
    const auto got = run(wave<T>(8, 3), 8, options);
    check_close(got.d, e.d, epsilon);
    check_close(got.w, e.w, 10 * epsilon);
    CHECK(got.loss == doctest::Approx(e.loss).epsilon(epsilon));
    check_close(got.dz, e.dz, 10 * epsilon);
  }
}

TEST_CASE("the gradient matches central differences, through the weights or with them held") {
  const std::size_t m = 10, n = m / 2;
  const auto z = wave<double>(m, 19);
  for (const double sign : {1., -1.})
    for (const auto distance : {ViewDistance::l2, ViewDistance::squared_l2})
      for (const auto projections : {Projections::raw, Projections::normalized})
        for (const bool through : {false, true}) {
          const LotarOptions options{sign, distance, projections, through};
          CAPTURE(sign);
          CAPTURE(through);
          const auto at = run(z, m, options);
          const auto value = [&](const std::vector<double>& x) {
            if (through) return run(x, m, options).loss;
            TestBackend b;
            const Tensor<double, 2, TestBackend> tx(b, {m, 19}, x);
            const Tensor<double, 1, TestBackend> losses(b, {m});
            nt_xent_forward(b, tx, {.temperature = .2}, losses);
            const auto l = losses.to_host(b);
            double sum = 0;
            for (std::size_t i = 0; i < m; ++i) sum += at.w[i % n] * l[i] / static_cast<double>(m);
            return sum;
          };
          for (std::size_t i = 0; i < z.size(); i += 3) {
            auto up = z, down = z;
            up[i] += 1e-6, down[i] -= 1e-6;
            CHECK(at.dz[i] == doctest::Approx((value(up) - value(down)) / 2e-6).epsilon(1e-6));
          }
        }
}

TEST_CASE("weights have mean 1 and range 1, whatever the shift and scale of the distances") {
  std::vector<double> d;
  for (int i = 0; i < 1237; ++i) d.push_back(std::abs(std::sin(1.3 * i)) + .2);
  for (const double sign : {1., -1.}) {
    const auto w = weights(d, sign);
    double mean = 0;
    for (const double x : w) mean += x / static_cast<double>(w.size());
    CHECK(mean == doctest::Approx(1).epsilon(1e-12));
    const auto [low, high] = std::minmax_element(w.begin(), w.end());
    CHECK(*high - *low == doctest::Approx(1).epsilon(1e-12));
    const auto farthest = static_cast<std::size_t>(std::max_element(d.begin(), d.end()) - d.begin());
    CHECK(w[farthest] == (sign > 0 ? *high : *low));
    auto moved = d;
    for (double& x : moved) x = 7 * x + 3;
    check_close(weights(moved, sign), w, 1e-12);
  }
}

TEST_CASE("distances that are nearly equal are weighted as others, and have their gradient") {
  std::vector<float> d(2048, 1.41421f);
  for (std::size_t i = 0; i < d.size(); i += 7) d[i] += 3 * 0x1p-23f;  // three roundings more
  for (const double sign : {1., -1.}) {
    const auto w = weights(d, sign);
    double mean = 0;
    for (const float x : w) mean += static_cast<double>(x) / static_cast<double>(w.size());
    CHECK(mean == doctest::Approx(1).epsilon(1e-6));
    const auto [low, high] = std::minmax_element(w.begin(), w.end());
    CHECK(*low > 0);
    CHECK(*high < 2);
  }
  std::vector<double> far{1, 4, 1, 2, 3, 4, 4}, near = far, g{1, 2, 3, 4, 5, 6, 8};
  for (double& x : near) x = 1 + 0x1p-52 * x;
  auto steep = through_weights(near, g);
  for (double& x : steep) x *= 0x1p-52;
  check_close(steep, through_weights(far, g), 1e-12);
}

TEST_CASE("equal distances weigh 1 and have no gradient") {
  CHECK(weights<double>({.5, .5, .5}, 1) == std::vector<double>{1, 1, 1});
  CHECK(weights<double>({.1}, -1) == std::vector<double>{1});
  CHECK(through_weights({2, 2, 2}, {1, 2, 3}) == std::vector<double>{0, 0, 0});
}

TEST_CASE("ties for the largest and smallest distance share the gradient as PyTorch's do") {
  const std::vector<double> d{1, 4, 1, 2, 4, 4}, g{1, 2, 3, 4, 5, 6};
  check_close(through_weights(d, g), expected::weights_gradient_with_ties, 1e-12);
}

TEST_CASE("the gradient through the weights of tiny distances does not overflow") {
  TestBackend b;
  for (const std::vector<float>& d : {std::vector<float>{1e-20f, 2e-20f}, {1e-20f, 4e-20f, 2e-20f}}) {
    const std::size_t n = d.size();
    std::vector<float> z = d, l(2 * n, 1.f);
    z.resize(2 * n);
    l[0] = 20;
    const Tensor<float, 2, TestBackend> tz(b, {2 * n, 1}, z), dz(b, {2 * n, 1}, std::vector<float>(2 * n));
    const Tensor<float, 1, TestBackend> td(b, {n}, d), losses(b, {2 * n}, l);
    lotar_weights_backward(b, tz, td, losses, {.gradient_through_weights = true}, dz);
    // that of distances 1e20 times as large, 1e20 times as steep
    std::vector<double> large(n), g(n, 2. / static_cast<double>(2 * n));
    for (std::size_t i = 0; i < n; ++i) large[i] = 1e20 * static_cast<double>(d[i]);
    g[0] = 21. / static_cast<double>(2 * n);
    const std::vector<double> wanted = through_weights(large, g);
    const std::vector<float> got = dz.to_host(b);
    for (std::size_t i = 0; i < n; ++i) {
      REQUIRE(is_finite(got[i]));
      CHECK(static_cast<double>(got[i]) * 1e-20 == doctest::Approx(wanted[i]).epsilon(1e-5));
    }
  }
}

TEST_CASE("views that are equal have no gradient") {
  for (const auto distance : {ViewDistance::l2, ViewDistance::squared_l2})
    for (const auto projections : {Projections::raw, Projections::normalized}) {
      const LotarOptions options{1, distance, projections, true}, held{1, distance, projections, false};
      const std::vector<double> z{3, 4, 0, 1, 1, 0, 3, 4, 1, 1, 2, 5};
      const auto through = run(z, 6, options), without = run(z, 6, held);
      CHECK(through.d[0] == 0);
      for (const std::size_t i : {0u, 1u, 6u, 7u}) CHECK(through.dz[i] == without.dz[i]);
      CHECK(through.dz != without.dz);
    }
}

TEST_CASE("a row of zeros has no gradient through a normalised distance, and does not disturb its partner") {
  const auto r = run<float>({0, 0, 1, 2, 1, 1, 3, -1}, 4,
                            {.projections = Projections::normalized, .gradient_through_weights = true});
  CHECK(r.d[0] == doctest::Approx(1));
  CHECK(r.dz[0] == 0);
  CHECK(r.dz[1] == 0);
  for (const float g : r.dz) CHECK(is_finite(g));
}

TEST_CASE("a row too long for its square shows in its normalised distance alone") {
  const auto d = run<float>({1e20f, 0, 1, 2, 1, 1, 3, -1}, 4, {.projections = Projections::normalized}).d;
  CHECK(std::isnan(d[0]));
  CHECK(is_finite(d[1]));
}

TEST_CASE("the presets") {
  const auto is = [](const LotarOptions& o, double sign, ViewDistance distance, bool gradient,
                     Projections projections = Projections::raw) {
    CHECK(o.sign == sign);
    CHECK(o.distance == distance);
    CHECK(o.projections == projections);
    CHECK(o.gradient_through_weights == gradient);
  };
  is({}, 1, ViewDistance::l2, false);
  is(lotar_preset("readme"), 1, ViewDistance::l2, false);
  is(lotar_preset("thesis_code"), -1, ViewDistance::l2, true);
  is(lotar_preset("figure"), 1, ViewDistance::squared_l2, false);
  is(lotar_preset("normalized"), 1, ViewDistance::l2, false, Projections::normalized);
  CHECK_THROWS_WITH_AS(lotar_preset("thesis"),
                       "lotar_preset: there is no \"thesis\"; known: readme, thesis_code, figure, normalized",
                       ConfigError);
}

TEST_CASE("a sign of 0 gives weight 1 to all") { CHECK(weights<double>({1, 4, 2}, 0) == std::vector<double>{1, 1, 1}); }

TEST_CASE("bad input is refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> z(b, {4, 3}), odd(b, {3, 3});
  const Tensor<float, 1, TestBackend> two(b, {2}), three(b, {3}), four(b, {4});
  CHECK_THROWS_WITH_AS(view_distances(b, odd, {}, two), "view_distances: z must be [2N, D] with N >= 1, got [3, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(view_distances(b, z, {}, three), "view_distances: d must be [2], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights(b, two, {}, three), "lotar_weights: w must be [2], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights(b, two, {.sign = .5}, two), "lotar_weights: sign must be 1, -1 or 0, got 0.5",
                       ConfigError);
  CHECK_THROWS_WITH_AS(pair_coefficients(b, two, three), "pair_coefficients: coefficients must be [4], got [3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights_backward(b, odd, two, four, {}, z),
                       "lotar_weights_backward: z must be [2N, D] with N >= 1, got [3, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights_backward(b, z, three, four, {}, z),
                       "lotar_weights_backward: d must be [2], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights_backward(b, z, two, three, {}, z),
                       "lotar_weights_backward: losses must be [4], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights_backward(b, z, two, four, {}, odd),
                       "lotar_weights_backward: dz must be [4, 3], got [3, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(lotar_weights_backward(b, z, two, four, {.sign = 2}, z),
                       "lotar_weights_backward: sign must be 1, -1 or 0, got 2", ConfigError);
}
