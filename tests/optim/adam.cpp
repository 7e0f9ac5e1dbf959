#include <lotar/optim/adam.hpp>

#include <vector>

#include "../reference/optim.hpp"
#include "training.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("20 steps agree with PyTorch", A, float, double) {
  TestBackend b;
  const ParameterTable table = small_table();
  const double tolerance = std::is_same_v<A, float> ? 1e-5 : 1e-12;
  Adam<A, TestBackend> plain(b, table);
  check_close(packed(table, train(b, table, plain, initial_values<A>(table))), expected::adam, tolerance);
  Adam<A, TestBackend> decay(b, table, {.beta1 = .8, .beta2 = .95, .epsilon = 1e-3, .weight_decay = .1});
  check_close(packed(table, train(b, table, decay, initial_values<A>(table))), expected::adam_decay, tolerance);
}

TEST_CASE("the first step has the length of the learning rate, whatever the betas") {
  TestBackend b;
  const ParameterTable table = small_table({5000});  // more than a tile
  for (const double beta : {0., .9}) {
    Adam<double, TestBackend> adam(b, table, {.beta1 = beta, .beta2 = beta, .epsilon = 1e-300});
    const std::vector<double> start = initial_values<double>(table), g = gradients_of(table, start, 0);
    std::vector<double> wanted = start;
    for (std::size_t i = 0; i < 5000; ++i) wanted[i] -= .0625 * (g[i] > 0 ? 1 : -1);
    check_close(train(b, table, adam, start, 0, 1), wanted, 1e-12);
  }
}

TEST_CASE("what is out of range or misshapen is refused") {
  TestBackend b;
  const ParameterTable table = small_table();
  using S = Adam<float, TestBackend>;
  CHECK_THROWS_WITH_AS(S(b, table, {.beta1 = -.5}), "Adam: beta1 must be in [0, 1), got -0.5", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.beta2 = 1}), "Adam: beta2 must be in [0, 1), got 1", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.epsilon = 0}), "Adam: epsilon must be finite and > 0, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(S(b, table, {.epsilon = 1e-60}),
                       "Adam: epsilon must be finite and > 0, got 1e-60, which is used as 0",
                       ConfigError);  // as a float it is 0
  CHECK_THROWS_WITH_AS(S(b, table, {.weight_decay = NAN}), "Adam: weight_decay must be finite and >= 0, got nan",
                       ConfigError);

  S adam(b, table);
  const Tensor<float, 1, TestBackend> w(b, {256}), wrong(b, {255}), rates(b, {1});
  const Tensor<Clock, 1, TestBackend> clock(b, {1});
  CHECK_THROWS_WITH_AS(adam.step(b, wrong, w, rates, clock), "Adam::step: values must be [256], got [255]", ShapeError);
}
