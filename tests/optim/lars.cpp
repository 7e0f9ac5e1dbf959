#include <lotar/optim/lars.hpp>

#include <vector>

#include "training.hpp"

using namespace lotar;

namespace {

/// The thesis' formula by plain loops over one tensor after the other.
std::vector<double> plain(const ParameterTable& table, const LarsOptions& o, std::vector<double> w, std::size_t steps) {
  const std::vector<float> rates = step_rates(steps);
  std::vector<double> v(w.size(), 0);
  for (std::size_t t = 0; t < steps; ++t) {
    const std::vector<double> g = gradients_of(table, w, t);
    for (const Parameter& p : table.parameters()) {
      const bool out = o.exclude_norm_and_bias && p.kind != ParameterKind::conv;
      const double decay = out ? 0 : o.weight_decay;
      double ww = 0, gg = 0;
      for (std::size_t i = p.offset; i < p.offset + p.size; ++i) ww += w[i] * w[i], gg += g[i] * g[i];
      ww = std::sqrt(ww), gg = std::sqrt(gg);
      const double lambda = out || ww < 1e-15 || gg < 1e-15 ? 1 : o.trust * ww / (gg + decay * ww);
      for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
        v[i] = o.momentum * v[i] + static_cast<double>(rates[t]) * lambda * (g[i] + decay * w[i]);
        w[i] -= v[i];
      }
    }
  }
  return w;
}

/// Starts with the third tensor at zero, as biases do.
template <class A>
std::vector<A> start(const ParameterTable& table) {
  std::vector<A> values = initial_values<A>(table);
  const Parameter& bias = table.parameters()[2];
  for (std::size_t i = 0; i < bias.size; ++i) values[bias.offset + i] = A(0);
  return values;
}

}  // namespace

TEST_CASE_TEMPLATE("20 steps agree with plain loops", A, float, double) {
  TestBackend b;
  const ParameterTable table = small_table({10000, 4096, 3, 130, 4097});  // tensors of one tile and of several
  for (const bool exclude : {false, true}) {
    CAPTURE(exclude);
    const LarsOptions options{.weight_decay = .05, .trust = .02, .exclude_norm_and_bias = exclude};
    Lars<A, TestBackend> lars(b, table, options);
    check_close(packed(table, train(b, table, lars, start<A>(table))),
                packed(table, plain(table, options, start<double>(table), 20)),
                std::is_same_v<A, float> ? 1e-5 : 1e-12);
  }
}

TEST_CASE("the first step of a tensor is trust lr ||w|| long, and lr ||g|| if it was zero") {
  TestBackend b;
  const ParameterTable table = small_table();
  Lars<double, TestBackend> lars(b, table, {.weight_decay = 0});
  const std::vector<double> w = start<double>(table), g = gradients_of(table, w, 0),
                            after = train(b, table, lars, w, 0, 1);
  for (const Parameter& p : table.parameters()) {
    double length = 0, step = 0, gradient = 0;
    for (std::size_t i = p.offset; i < p.offset + p.size; ++i) {
      length += w[i] * w[i], gradient += g[i] * g[i], step += (after[i] - w[i]) * (after[i] - w[i]);
    }
    const double wanted = length == 0 ? gradient : 1e-6 * length;
    CHECK(std::sqrt(step) == doctest::Approx(.0625 * std::sqrt(wanted)));
  }
}

TEST_CASE("what is out of range or misshapen is refused") {
  TestBackend b;
  const ParameterTable table = small_table();
  using S = Lars<float, TestBackend>;
  CHECK_THROWS_WITH_AS(S(b, table, {.momentum = -1}), "Lars: momentum must be in [0, 1), got -1", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.weight_decay = -1}), "Lars: weight_decay must be finite and >= 0, got -1",
                       ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.trust = 0}), "Lars: trust must be finite and > 0, got 0", ConfigError);

  S lars(b, table);
  const Tensor<float, 1, TestBackend> w(b, {256}), wrong(b, {255}), rates(b, {1});
  const Tensor<Clock, 1, TestBackend> clock(b, {1});
  CHECK_THROWS_WITH_AS(lars.step(b, w, wrong, rates, clock), "Lars::step: gradients must be [256], got [255]",
                       ShapeError);
}
