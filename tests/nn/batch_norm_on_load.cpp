#include <cstddef>
#include <string>
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

TEST_CASE_TEMPLATE("sums that are given are not taken again; those of another norm, or of other channels, are refused",
                   B, TestBackend, OneRank) {
  using Matrix = Tensor<double, 2, B>;
  B b;
  ParameterTable table;
  const std::size_t rows = 37, cols = 6;
  const BatchNorm norm(table, "bn", cols, true), no_relu(table, "bn2", cols, false);
  NetworkState<double, B> state(b, table, 1);
  auto values = state.values.to_host(b);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += .5 * noise(2, i);
  b.upload(values, state.values.flat());
  const std::vector<double> x = noise_values(rows * cols, 1), dy = noise_values(rows * cols, 3);
  const auto backward = [&](const std::vector<double>& sum, const std::vector<double>& product, std::size_t parts) {
    auto pass = state.pass(b, true);
    pass.synchronized = Distributed<B>;
    norm.forward(b, Matrix(b, {rows, cols}, x), pass);
    std::vector<double> all =
        norm.backward(b, Matrix(b, {rows, cols}, dy), pass,
                      {Matrix(b, {parts, cols}, sum).view(), Matrix(b, {parts, cols}, product).view()})
            .to_host(b);
    const auto gradients = state.gradients.to_host(b);
    all.insert(all.end(), gradients.begin(), gradients.end());
    return all;
  };
  auto pass = state.pass(b, true);
  const auto y = norm.forward(b, Matrix(b, {rows, cols}, x), pass).to_host(b);
  std::vector<double> mean(cols), sum(2 * cols), product(2 * cols);
  for (std::size_t i = 0; i < x.size(); ++i) mean[i % cols] += x[i] / static_cast<double>(rows);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (y[i] <= 0) continue;
    const std::size_t at = i / cols < 30 ? i % cols : cols + i % cols;
    sum[at] += dy[i];
    product[at] += dy[i] * (x[i] - mean[i % cols]);
  }
  const std::vector<double> wanted = backward({}, {}, 0), got = backward(sum, product, 2);
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-12));
  for (double& s : sum) s += 1;
  CHECK(backward(sum, product, 2) != got);

  const Matrix none(b, {2, cols}), narrow(b, {2, cols - 1});
  const NormSums<double, typename B::Memory> fitting{none.view(), none.view()};
  no_relu.forward(b, Matrix(b, {rows, cols}, x), pass);
  CHECK_THROWS_WITH_AS(no_relu.backward(b, Matrix(b, {rows, cols}, dy), pass, fitting),
                       "BatchNorm::backward: wanted sums of a norm with a ReLU and no residual, got one without a ReLU",
                       ConfigError);
  auto with_residual = state.pass(b, true);
  norm.forward(b, Matrix(b, {rows, cols}, x), with_residual, Matrix(b, {rows, cols}, x));
  CHECK_THROWS_WITH_AS(
      norm.backward(b, Matrix(b, {rows, cols}, dy), with_residual, fitting),
      "BatchNorm::backward: wanted sums of a norm with a ReLU and no residual, got one with a residual", ConfigError);
  for (const bool first : {false, true}) {
    auto another = state.pass(b, true);
    norm.forward(b, Matrix(b, {rows, cols}, x), another);
    const NormSums<double, typename B::Memory> sums{(first ? narrow : none).view(), (first ? none : narrow).view()};
    const std::string message =
        std::string("BatchNorm::backward: sums.") + (first ? "sum" : "product") + " must be [2, 6], got [2, 5]";
    CHECK_THROWS_WITH_AS(norm.backward(b, Matrix(b, {rows, cols}, dy), another, sums), message.c_str(), ShapeError);
  }
}

TEST_CASE("without a ReLU nothing is left to be normalized on load") {
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 3, false);
  NetworkState<double, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(norm.forward_on_load(b, Array<2, double>(b, {4, 3}), pass),
                       "BatchNorm::forward_on_load: wanted a norm with a ReLU, got one without", ConfigError);
}
