#include <lotar/optim/sgd.hpp>

#include <vector>

#include "../reference/optim.hpp"
#include "training.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("20 steps agree with PyTorch", A, float, double) {
  TestBackend b;
  const ParameterTable table = small_table();
  Sgd<A, TestBackend> sgd(b, table, {.momentum = .9, .weight_decay = .01});
  const double tolerance = std::is_same_v<A, float> ? 1e-5 : 1e-12;
  check_close(packed(table, train(b, table, sgd, initial_values<A>(table))), expected::sgd, tolerance);
}

TEST_CASE("without momentum and decay a step is w - lr g") {
  TestBackend b;
  const ParameterTable table = small_table({5000});  // more than a tile
  Sgd<double, TestBackend> sgd(b, table, {.momentum = 0, .weight_decay = 0});
  const std::vector<double> start = initial_values<double>(table), g = gradients_of(table, start, 0);
  std::vector<double> wanted = start;
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] -= .0625 * g[i];
  check_close(train(b, table, sgd, start, 0, 1), wanted, 1e-15);
}

TEST_CASE("what is out of range or misshapen is refused") {
  TestBackend b;
  const ParameterTable table = small_table();
  using S = Sgd<float, TestBackend>;
  CHECK_THROWS_WITH_AS(S(b, table, {.momentum = 1}), "Sgd: momentum must be in [0, 1), got 1", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.momentum = NAN}), "Sgd: momentum must be in [0, 1), got nan", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.weight_decay = -1}), "Sgd: weight_decay must be finite and >= 0, got -1",
                       ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.weight_decay = INFINITY}), "Sgd: weight_decay must be finite and >= 0, got inf",
                       ConfigError);

  S sgd(b, table);
  const Tensor<float, 1, TestBackend> w(b, {256}), wrong(b, {255}), rates(b, {1}), none(b, {0});
  const Tensor<Clock, 1, TestBackend> clock(b, {1}), clocks(b, {2});
  CHECK_THROWS_WITH_AS(sgd.step(b, wrong, w, rates, clock), "Sgd::step: values must be [256], got [255]", ShapeError);
  CHECK_THROWS_WITH_AS(sgd.step(b, w, wrong, rates, clock), "Sgd::step: gradients must be [256], got [255]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(sgd.step(b, w, w, none, clock), "Sgd::step: rates must have at least one entry, got [0]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(sgd.step(b, w, w, rates, clocks), "Sgd::step: clock must be [1], got [2]", ShapeError);
}
