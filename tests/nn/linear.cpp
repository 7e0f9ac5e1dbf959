#include <lotar/nn/linear.hpp>

#include <cmath>
#include <utility>
#include <vector>

#include "layers.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("y = x W^T + bias, by hand", T, float, double) {
  TestBackend b;
  ParameterTable table;
  const Linear layer(table, "fc", 2, 3);
  NetworkState<T, TestBackend> state(b, table, 1);
  std::vector<T> values(table.size(), T(0));
  const Parameter &w = entry(table.parameters(), "fc.weight"), &bias = entry(table.parameters(), "fc.bias");
  for (std::size_t i = 0; i < 6; ++i) values[w.offset + i] = static_cast<T>(i + 1);      // 1 2, 3 4, 5 6
  for (std::size_t i = 0; i < 3; ++i) values[bias.offset + i] = static_cast<T>(10 * i);  // 0, 10, 20
  b.upload(values, state.values.flat());
  auto pass = state.pass(b, true);
  const auto y = layer.forward(b, Array<2, T>(b, {{2, 2}}, std::vector<T>{1, 1, 0, -1}), pass);
  CHECK(y.to_host(b) == std::vector<T>{3, 17, 31, -2, 6, 14});
  const auto dx = layer.backward(b, Array<2, T>(b, {{2, 3}}, std::vector<T>{1, 0, 0, 0, 1, 1}), pass);
  CHECK(dx.to_host(b) == std::vector<T>{1, 2, 8, 10});
  const auto gradients = state.gradients.to_host(b);
  CHECK(part(gradients, w) == std::vector<T>{1, 1, 0, -1, 0, -1});
  CHECK(part(gradients, bias) == std::vector<T>{1, 1, 1});
}

TEST_CASE("gradients match central differences and are added to") {
  for (const bool bias : {true, false}) {
    ParameterTable table;
    const Linear layer(table, "fc", 5, 3, bias);
    check_gradients(
        table, 20,
        [&](auto& b, const std::vector<double>& x, auto& pass) {
          return layer.forward(b, Array<2>(b, {{4, 5}}, x), pass);
        },
        [&](auto& b, const auto& dy, auto& pass) { return layer.backward(b, dy, pass).to_host(b); });
  }
  TestBackend b;
  ParameterTable table;
  const Linear layer(table, "fc", 2, 2);
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  std::vector<float> once;
  for (int time = 1; time <= 2; ++time) {
    layer.forward(b, Array<2, float>(b, {{2, 2}}, std::vector<float>{1, 2, 3, 4}), pass);
    layer.backward(b, Array<2, float>(b, {{2, 2}}, std::vector<float>{1, 2, 3, 4}), pass);
    const auto now = state.gradients.to_host(b);
    if (time == 1) once = now;
    for (std::size_t i = 0; i < now.size(); ++i) CHECK(now[i] == static_cast<float>(time) * once[i]);
  }
}

TEST_CASE("parameters are declared as PyTorch has them") {
  ParameterTable table;
  const Linear layer(table, "fc", 16, 3), bare(table, "bare", 4, 2, false);
  CHECK(layer.in() == 16);
  CHECK(layer.out() == 3);
  REQUIRE(table.parameters().size() == 3);
  const Parameter &weight = table.parameters()[0], &bias = table.parameters()[1];
  CHECK(weight.name == "fc.weight");
  CHECK(weight.shape == std::vector<std::size_t>{3, 16});
  CHECK(weight.kind == ParameterKind::linear);
  CHECK(bias.name == "fc.bias");
  CHECK(bias.shape == std::vector<std::size_t>{3});
  CHECK(bias.kind == ParameterKind::bias);
  for (const Parameter* p : {&weight, &bias}) {
    CHECK(p->init.kind == Init::Kind::uniform);
    CHECK(p->init.scale == .25);
  }
  CHECK(table.parameters()[2].name == "bare.weight");
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  ParameterTable table;
  const Linear layer(table, "fc", 2, 3);
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(layer.forward(b, Array<2, float>(b, {{4, 3}}), pass), "Linear: x must be [4, 2], got [4, 3]",
                       ShapeError);
  layer.forward(b, Array<2, float>(b, {{4, 2}}), pass);
  CHECK_THROWS_WITH_AS(layer.backward(b, Array<2, float>(b, {{4, 2}}), pass),
                       "Linear::backward: dy must be [4, 3], got [4, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(Linear(table, "none", 0, 3), "Linear: in and out must be >= 1, got 0 and 3", ConfigError);
}

TEST_CASE("a pass whose arrays are another network's, or without gradients, is refused") {
  TestBackend b;
  ParameterTable table, other;
  const Linear small(other, "fc", 2, 3), layer(table, "fc", 20, 30);
  NetworkState<float, TestBackend> state(b, table, 1), less(b, other, 1);
  auto wrong = less.pass(b, true), pass = state.pass(b, true);
  CHECK_THROWS_AS(layer.forward(b, Array<2, float>(b, {{4, 20}}), wrong), ShapeError);
  layer.forward(b, Array<2, float>(b, {{4, 20}}), pass);
  pass.gradients = {};
  CHECK_THROWS_WITH_AS(layer.backward(b, Array<2, float>(b, {{4, 30}}), pass),
                       "Pass: gradients must reach entry 670, got [0]", ShapeError);
}
