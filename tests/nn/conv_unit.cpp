#include <lotar/nn/conv_unit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "../worst.hpp"
#include "layers.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("in evaluation the unit is relu(norm(conv x) + residual), by hand", T, float, double) {
  TestBackend b;
  ParameterTable table;
  const ConvUnit unit(table, "conv", "bn", {1, 2, 1, Conv2d{1, 0}});
  NetworkState<T, TestBackend> state(b, table, 1);
  std::vector<T> values(table.size(), T(0)), statistics(table.statistics_size(), T(0));
  const auto set = [](std::vector<T>& to, const Parameter& p, std::vector<T> v) {
    for (std::size_t i = 0; i < v.size(); ++i) to[p.offset + i] = v[i];
  };
  set(values, entry(table.parameters(), "conv.weight"), {2, -1});
  set(values, entry(table.parameters(), "bn.weight"), {3, 1});
  set(values, entry(table.parameters(), "bn.bias"), {1, 0});
  set(statistics, entry(table.statistics(), "bn.running_mean"), {4, 0});
  set(statistics, entry(table.statistics(), "bn.running_var"), {T(.25 - 1e-5), T(1 - 1e-5)});
  b.upload(values, state.values.flat());
  b.upload(statistics, state.statistics.flat());
  auto pass = state.pass(b, false);
  const Extents<4> in{{1, 1, 3, 1}}, out{{1, 1, 3, 2}};
  const std::vector<T> x{1, 2, 3}, residual{0, 0, 0, 3, -20, 5};
  // channel 0: 3 (2 x - 4) / .5 + 1, channel 1: -x
  const double plain[] = {0, 0, 1, 0, 13, 0}, added[] = {0, 0, 1, 1, 0, 2};
  const auto y = unit.forward(b, Array<4, T>(b, in, x), pass).to_host(b);
  const auto z = unit.forward(b, Array<4, T>(b, in, x), pass, Array<4, T>(b, out, residual)).to_host(b);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(y[i] == doctest::Approx(plain[i]).epsilon(1e-6));
    CHECK(z[i] == doctest::Approx(added[i]).epsilon(1e-6));
  }
  CHECK(pass.tape.empty());
}

TEST_CASE("gradients match central differences") {
  const struct {
    std::size_t kernel;
    Conv2d conv;
    bool relu, residual;
  } cases[] = {{3, {1, 1}, true, true}, {3, {2, 1}, true, false}, {1, {2, 0}, false, false}, {1, {1, 0}, false, true}};
  for (const auto& k : cases) {
    ParameterTable table;
    const ConvUnit unit(table, "conv", "bn", {2, 3, k.kernel, k.conv, k.relu});
    const Extents<4> in{{2, 3, 4, 2}};
    const Extents<4> out = conv2d_output(in, {{3, k.kernel, k.kernel, 2}}, k.conv);
    check_gradients(
        table, in.size() + (k.residual ? out.size() : 0),
        [&](auto& b, const std::vector<double>& v, auto& pass) {
          const auto middle = v.begin() + static_cast<std::ptrdiff_t>(in.size());
          Array<4> x(b, in, std::vector<double>(v.begin(), middle));
          if (!k.residual) return unit.forward(b, std::move(x), pass);
          return unit.forward(b, std::move(x), pass, Array<4>(b, out, std::vector<double>(middle, v.end())));
        },
        [&](auto& b, auto dy, auto& pass) {
          std::vector<double> all = unit.backward(b, dy, pass).to_host(b);
          if (k.residual)
            for (const double d : dy.to_host(b)) all.push_back(d);  // dy has become the residual's gradient
          return all;
        });
  }
}

/// A unit's result and all of its gradients, from values that bf16 holds.
template <class T>
std::vector<std::vector<double>> stored_as(bool relu) {
  TestBackend b;
  ParameterTable table;
  const ConvUnit unit(table, "conv", "bn", {5, 6, 3, Conv2d{2, 1}, relu});
  NetworkState<T, TestBackend> state(b, table, 1);
  const auto rounded = [](std::vector<float> values) {
    for (float& v : values) v = static_cast<float>(bf16(v));
    return values;
  };
  const auto input = [&](const Extents<4>& extents, std::size_t stream) {
    const std::vector<float> values = rounded(noise_values<float>(extents.size(), stream));
    std::vector<T> stored;
    for (const float v : values) stored.push_back(static_cast<T>(v));
    return Array<4, T>(b, extents, stored);
  };
  b.upload(rounded(state.values.to_host(b)), state.values.flat());
  auto pass = state.pass(b, true);
  const auto y = unit.forward(b, input({{4, 7, 6, 5}}, 1), pass);
  const auto dy = input(y.extents, 2);
  const auto dx = unit.backward(b, dy, pass);
  std::vector<std::vector<double>> all;
  const auto add = [&](const auto& values) {
    all.emplace_back();
    for (const auto v : values) all.back().push_back(static_cast<double>(static_cast<float>(v)));
  };
  add(y.to_host(b)), add(dx.to_host(b));
  const auto gradients = state.gradients.to_host(b);
  for (const Parameter& p : table.parameters()) add(part(gradients, p));
  return all;
}

TEST_CASE("stored as bf16, the unit differs from float by bf16's rounding") {
  for (const bool relu : {false, true}) {
    const auto wanted = stored_as<float>(relu), got = stored_as<bf16>(relu);
    REQUIRE(got.size() == 5);
    for (std::size_t k = 0; k < (relu ? 1 : got.size()); ++k) {  // a ReLU may turn where a value is rounded to 0
      CAPTURE(k);
      double worst = 0, largest = 0;
      REQUIRE(got[k].size() == wanted[k].size());
      for (std::size_t i = 0; i < got[k].size(); ++i) {
        worst = worst_of(worst, std::abs(got[k][i] - wanted[k][i]));
        largest = std::fmax(largest, std::abs(wanted[k][i]));
      }
      CHECK(worst <= 0x1p-7 * largest);
    }
  }
}

/// A backend that takes the moments of parts of 5 rows, one part after the other.
struct TakesMoments : TestBackend {
  TakesMoments() = default;
  explicit TakesMoments(TestBackend base) : TestBackend(std::move(base)) {}
  TakesMoments fork() const { return TakesMoments(TestBackend::fork()); }

  template <class T>
  std::size_t conv2d_moment_parts(const View<const std::type_identity_t<T>, 4, Memory>&,
                                  const View<const std::type_identity_t<T>, 4, Memory>&, Conv2d,
                                  const View<T, 4, Memory>& y) const {
    return (y.size() / y.extent(3) + 4) / 5;
  }
  template <class Input, class T>
  void conv2d_forward(const Input& x, const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y) {
    TestBackend::conv2d_forward(x, filter, conv, y);
  }
  template <class Input, class T>
  void conv2d_forward(const Input& x, const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y, const ColumnMoments<Accum<T>, Memory>& moments) {
    conv2d_forward(x, filter, conv, y);
    std::vector<T> values(y.size());
    download(y.flat(), std::span<T>(values));
    const std::size_t cols = y.extent(3), rows = y.size() / cols, parts = moments.mean.extent(0);
    REQUIRE(parts == (rows + 4) / 5);
    std::vector<Accum<T>> mean(parts * cols), squares(parts * cols), counts(parts);
    for (std::size_t p = 0; p < parts; ++p) counts[p] = static_cast<Accum<T>>(std::min<std::size_t>(5, rows - p * 5));
    for (std::size_t i = 0; i < parts * cols; ++i) {
      const std::size_t first = i / cols * 5, count = std::min<std::size_t>(5, rows - first);
      const auto value = [&](std::size_t r) { return static_cast<Accum<T>>(values[(first + r) * cols + i % cols]); };
      for (std::size_t r = 0; r < count; ++r) mean[i] += value(r) / static_cast<Accum<T>>(count);
      for (std::size_t r = 0; r < count; ++r) squares[i] += (value(r) - mean[i]) * (value(r) - mean[i]);
    }
    upload(mean, moments.mean.flat());
    upload(squares, moments.squares.flat());
    upload(counts, moments.counts);
    ++taken;
  }

  std::size_t taken = 0;
};
static_assert(ConvMomentsBackend<TakesMoments>);

TEST_CASE("a backend that takes moments as it convolves trains alike; in evaluation it takes none") {
  const auto run = [](auto& b) {
    using B = std::decay_t<decltype(b)>;
    ParameterTable table;
    const ConvUnit unit(table, "conv", "bn", {2, 3, 3, Conv2d{2, 1}});
    NetworkState<double, B> state(b, table, 1);
    const Extents<4> in{{3, 5, 4, 2}}, out{{3, 3, 2, 3}};
    auto pass = state.pass(b, true);
    const auto input = [&](const Extents<4>& extents, std::size_t stream) {
      return Tensor<double, 4, B>(b, extents, noise_values(extents.size(), stream));
    };
    std::vector<double> all = unit.forward(b, input(in, 1), pass, input(out, 3)).to_host(b);
    const auto add = [&](const std::vector<double>& values) { all.insert(all.end(), values.begin(), values.end()); };
    add(unit.backward(b, input(out, 2), pass).to_host(b));
    add(state.gradients.to_host(b)), add(state.statistics.to_host(b));
    auto evaluation = state.pass(b, false);
    add(unit.forward(b, input(in, 1), evaluation).to_host(b));
    return all;
  };
  TestBackend b;
  TakesMoments takes;
  const std::vector<double> wanted = run(b), got = run(takes);
  CHECK(takes.taken == 1);
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-12));
}

TEST_CASE("backward adds to a gradient given; backward_first gives the parameters' gradients alone") {
  TestBackend b;
  ParameterTable table;
  const ConvUnit unit(table, "conv", "bn", {2, 3, 3, Conv2d{2, 1}});
  NetworkState<double, TestBackend> state(b, table, 1);
  const Extents<4> in{{2, 5, 4, 2}}, out{{2, 3, 2, 3}};
  const auto run = [&](auto backward) {
    auto pass = state.pass(b, true);
    unit.forward(b, Array<4>(b, in, noise_values(in.size(), 1)), pass);
    return backward(Array<4>(b, out, noise_values(out.size(), 2)), pass);
  };
  const auto dx = run([&](auto dy, auto& pass) { return unit.backward(b, dy, pass).to_host(b); });
  const auto gradients = state.gradients.to_host(b);
  const auto sum = run([&](auto dy, auto& pass) {
    return unit.backward(b, dy, pass, Array<4>(b, in, noise_values(in.size(), 3))).to_host(b);
  });
  for (std::size_t i = 0; i < dx.size(); ++i) CHECK(sum[i] == doctest::Approx(dx[i] + noise(3, i)).epsilon(1e-12));
  run([&](auto dy, auto& pass) {
    unit.backward_first(b, dy, pass);
    CHECK(pass.tape.empty());
    return 0;
  });
  CHECK(state.gradients.to_host(b) == gradients);
}

TEST_CASE("filters are declared [K, R, S, C], He normal by fan_out") {
  ParameterTable table;
  const ConvUnit unit(table, "layer1.0.conv1", "layer1.0.bn1", {4, 2, 3, Conv2d{1, 1}});
  REQUIRE(table.parameters().size() == 3);
  const Parameter& filter = table.parameters()[0];
  CHECK(filter.name == "layer1.0.conv1.weight");
  CHECK(filter.shape == std::vector<std::size_t>{2, 3, 3, 4});
  CHECK(filter.kind == ParameterKind::conv);
  CHECK(filter.init.kind == Init::Kind::normal);
  CHECK(filter.init.scale == doctest::Approx(1 / 3.));  // sqrt(2 / (2 * 3 * 3))
  CHECK(table.parameters()[1].name == "layer1.0.bn1.weight");
  CHECK(table.parameters()[2].name == "layer1.0.bn1.bias");
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  ParameterTable table;
  const ConvUnit unit(table, "conv", "bn", {2, 3, 3, Conv2d{1, 1}});
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(
      unit.forward(b, Array<4, float>(b, {{1, 4, 4, 3}}), pass),
      "conv2d: x [N, H, W, C] and filter [K, R, S, C] must agree in C, got [1, 4, 4, 3] and [3, 3, 3, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(unit.forward(b, Array<4, float>(b, {{1, 4, 4, 2}}), pass, Array<4, float>(b, {{1, 4, 4, 2}})),
                       "ConvUnit: residual must be [1, 4, 4, 3], got [1, 4, 4, 2]", ShapeError);
  auto fresh = state.pass(b, true);
  unit.forward(b, Array<4, float>(b, {{1, 4, 4, 2}}), fresh);
  CHECK_THROWS_WITH_AS(unit.backward(b, Array<4, float>(b, {{1, 4, 3, 3}}), fresh),
                       "BatchNorm::backward: dy must be [16, 3], got [12, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(ConvUnit(table, "none", "no_norm", {2, 0, 3, Conv2d{1, 1}}),
                       "ConvUnit: channels, kernel and stride must be >= 1, got 2, 0, 3 and 1", ConfigError);
}

TEST_CASE("a pass whose arrays are another network's, or without gradients, is refused") {
  TestBackend b;
  ParameterTable table, other;
  const ConvUnit unit(table, "conv", "bn", {2, 3, 3, Conv2d{1, 1}});
  NetworkState<float, TestBackend> state(b, table, 1), none(b, other, 1);
  auto wrong = none.pass(b, true), pass = state.pass(b, true);
  const Array<4, float> dy(b, {{1, 4, 4, 3}});
  CHECK_THROWS_WITH_AS(unit.forward(b, Array<4, float>(b, {{1, 4, 4, 2}}), wrong),
                       "Pass: filters must reach entry 54, got [0]", ShapeError);
  const Tensor<float, 1, TestBackend> no_statistics;
  pass.statistics = no_statistics;
  CHECK_THROWS_WITH_AS(unit.forward(b, Array<4, float>(b, {{1, 4, 4, 2}}), pass),
                       "Pass: statistics must reach entry 3, got [0]", ShapeError);
  auto again = state.pass(b, true);
  unit.forward(b, Array<4, float>(b, {{1, 4, 4, 2}}), again);
  again.gradients = {};
  CHECK_THROWS_AS(unit.backward(b, dy, again), ShapeError);
}
