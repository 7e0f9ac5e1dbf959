#include <lotar/train/objective.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

#include "../loss/wave.hpp"
#include "../test.hpp"
#include "../worst.hpp"

using namespace lotar;

namespace {

struct Result {
  std::vector<double> losses, weights, dz;
  double loss;  // (1 / 2n) sum of w l
};

Result objective(const std::vector<double>& rows, const Lotar& method, const ObjectiveOptions& options) {
  TestBackend b;
  const std::size_t n = rows.size() / 6;  // in three dimensions
  const Tensor<double, 2, TestBackend> z(b, {2 * n, 3}, rows), dz(b, {2 * n, 3});
  const Tensor<double, 1, TestBackend> losses(b, {2 * n}), distances(b, {n}), weights(b, {n}), temperature(b, {1});
  b.fill(temperature.view(), .2);
  const Anchors<double, TestBackend> batch{z, losses, distances, weights};
  contrastive_objective(b, method, temperature, options, batch, dz.view());
  Result r{losses.to_host(b), weights.to_host(b), dz.to_host(b), 0};
  for (std::size_t a = 0; a < 2 * n; ++a) r.loss += r.weights[a % n] * r.losses[a] / static_cast<double>(2 * n);
  return r;
}

/// The largest error of the gradient against central differences of `loss`, by the largest entry.
template <class Loss>
double gradient_error(const std::vector<double>& rows, const std::vector<double>& dz, const Loss& loss) {
  constexpr double h = 1e-5;
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<double> up = rows, down = rows;
    up[i] += h, down[i] -= h;
    worst = worst_of(worst, std::abs((loss(up) - loss(down)) / (2 * h) - dz[i]));
    largest = std::max(largest, std::abs(dz[i]));
  }
  return worst / largest;
}

}  // namespace

TEST_CASE("the gradient is that of the weighted loss, with every form of the loss and every form of LoTaR") {
  const std::vector<double> rows = wave<double>(8, 3);
  for (const char* preset : {"readme", "thesis_code", "figure", "normalized"}) {
    CAPTURE(preset);
    const LotarOptions lotar = lotar_preset(preset);
    for (const double gamma : {0., 1., 2.}) {
      CAPTURE(gamma);
      const Result r = objective(rows, Lotar(lotar), {.focal = gamma});
      const double error = gradient_error(rows, r.dz, [&](const std::vector<double>& at) {
        const Result moved = objective(at, Lotar(lotar), {.focal = gamma});
        if (lotar.gradient_through_weights) return moved.loss;
        double loss = 0;  // the weights are constants
        for (std::size_t a = 0; a < 8; ++a) loss += r.weights[a % 4] * moved.losses[a] / 8;
        return loss;
      });
      CHECK(error < 1e-6);
    }
  }
}

TEST_CASE("DCLW's gradient is that of its loss, whose two weights are constants") {
  const std::vector<double> rows = wave<double>(8, 3);
  const Lotar method;
  const Result r = objective(rows, method, {.dclw = .5});
  // l = log-sum-exp - v s_ap, by plain loops
  const auto parts = [](const std::vector<double>& z) {
    std::vector<double> all(8), positive(8);
    const auto cosine = [&](std::size_t a, std::size_t b) {
      double ab = 0, aa = 0, bb = 0;
      for (std::size_t j = 0; j < 3; ++j) {
        ab += z[3 * a + j] * z[3 * b + j];
        aa += z[3 * a + j] * z[3 * a + j];
        bb += z[3 * b + j] * z[3 * b + j];
      }
      return ab / std::sqrt(aa * bb);
    };
    for (std::size_t a = 0; a < 8; ++a) {
      for (std::size_t b = 0; b < 8; ++b)
        if (b % 4 != a % 4) all[a] += std::exp(cosine(a, b) / .2);
      all[a] = std::log(all[a]);
      positive[a] = cosine(a, (a + 4) % 8) / .2;
    }
    return std::pair(all, positive);
  };
  const auto [all, positive] = parts(rows);
  std::vector<double> v(8);
  for (std::size_t a = 0; a < 8; ++a) v[a] = (all[a] - r.losses[a]) / positive[a];
  const double error = gradient_error(rows, r.dz, [&](const std::vector<double>& at) {
    const auto [moved_all, moved_positive] = parts(at);
    double loss = 0;
    for (std::size_t a = 0; a < 8; ++a) loss += r.weights[a % 4] * (moved_all[a] - v[a] * moved_positive[a]) / 8;
    return loss;
  });
  CHECK(error < 1e-6);
}

TEST_CASE("without LoTaR, focal or DCLW it is SimCLR") {
  const std::vector<double> rows = wave<double>(8, 3);
  const Result none = objective(rows, Lotar({.sign = 0}), {});
  CHECK(none.weights == std::vector<double>(4, 1.0));
  TestBackend b;
  const Tensor<double, 2, TestBackend> z(b, {8, 3}, rows);
  const Tensor<double, 1, TestBackend> losses(b, {8});
  nt_xent_forward(b, z, {.temperature = .2}, losses);
  CHECK(none.losses == losses.to_host(b));
}

TEST_CASE("LoTaR's weights multiply DCLW's losses") {
  const std::vector<double> rows = wave<double>(8, 3);
  const Result plain = objective(rows, Lotar({.sign = 0}), {.dclw = .5}),
               lotar = objective(rows, Lotar(), {.dclw = .5});
  CHECK(plain.losses == lotar.losses);
  CHECK(plain.dz != lotar.dz);
  CHECK(*std::max_element(lotar.weights.begin(), lotar.weights.end()) -
            *std::min_element(lotar.weights.begin(), lotar.weights.end()) ==
        doctest::Approx(1));
}

TEST_CASE("what excludes each other is refused") {
  CHECK_THROWS_WITH_AS(check_objective({.focal = 2, .dclw = .5}), "objective: focal and dclw exclude each other",
                       ConfigError);
  CHECK_THROWS_WITH_AS(check_objective({.focal = -1}), "objective: focal must be finite and >= 0, got -1", ConfigError);
  CHECK_THROWS_AS(check_objective({.dclw = std::numeric_limits<double>::quiet_NaN()}), ConfigError);
}
