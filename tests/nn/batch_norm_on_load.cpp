#include <cstddef>
#include <vector>

#include <lotar/nn/batch_norm.hpp>

#include "layers.hpp"

// The norm that a convolution applies to what it reads: BatchNorm::forward_on_load beside BatchNorm::forward.

using namespace lotar;

TEST_CASE_TEMPLATE("what is left to be normalized on load is forward's result, and so are statistics and gradients", T,
                   float, double, bf16) {
  using A = Accum<T>;
  TestBackend b;
  ParameterTable table;
  const std::size_t rows = 37, cols = 6;
  const BatchNorm norm(table, "bn", cols, true);
  const auto values_of = [&](std::size_t salt) {
    std::vector<T> values;
    for (std::size_t i = 0; i < rows * cols; ++i) values.push_back(static_cast<T>(static_cast<A>(noise(salt, i))));
    return values;
  };
  const auto outcome = [&](bool on_load) {
    NetworkState<T, TestBackend> state(b, table, 1);
    auto values = state.values.to_host(b);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += static_cast<A>(.5 * noise(2, i));
    b.upload(values, state.values.flat());
    std::vector<std::vector<A>> all;
    for (const bool training : {true, false}) {
      auto pass = state.pass(b, training);
      const std::vector<T> x = values_of(1);
      std::vector<A> y(x.size());
      if (on_load) {
        const Tensor<A, 2, TestBackend> coefficients = norm.forward_on_load(b, Array<2, T>(b, {rows, cols}, x), pass);
        const std::vector<A> n = coefficients.to_host(b);
        for (std::size_t i = 0; i < y.size(); ++i) {
          const std::size_t c = i % cols;
          y[i] = static_cast<A>(static_cast<T>(max(norm_value(x[i], n[c], n[cols + c], n[2 * cols + c]), A(0))));
        }
      } else {
        const std::vector<T> stored = norm.forward(b, Array<2, T>(b, {rows, cols}, x), pass).to_host(b);
        for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<A>(stored[i]);
      }
      all.push_back(y);
      if (!training) continue;
      std::vector<A> dx;
      for (const T v : norm.backward(b, Array<2, T>(b, {rows, cols}, values_of(3)), pass).to_host(b))
        dx.push_back(static_cast<A>(v));
      all.push_back(dx);
      CHECK(pass.tape.empty());
    }
    all.push_back(state.gradients.to_host(b));
    all.push_back(state.statistics.to_host(b));
    return all;
  };
  CHECK(outcome(true) == outcome(false));
}

TEST_CASE("without a ReLU nothing is left to be normalized on load") {
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 3, false);
  NetworkState<double, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(norm.forward_on_load(b, Array<2, double>(b, {4, 3}), pass),
                       "BatchNorm::forward_on_load: wanted a norm with a ReLU", ConfigError);
}
