#include <lotar/optim/prune.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

/// Two convolutions of 3 and 4 weights around a linear layer of 2.
ParameterTable table() {
  ParameterTable t;
  t.add("a", {3, 1, 1, 1}, ParameterKind::conv, {});
  t.add("b", {1, 2}, ParameterKind::linear, {});
  t.add("c", {4, 1, 1, 1}, ParameterKind::conv, {});
  return t;
}

/// The mask of a, b and c.
std::vector<float> mask(double fraction, const std::vector<float>& a, const std::vector<float>& b,
                        const std::vector<float>& c) {
  TestBackend backend;
  const ParameterTable t = table();
  std::vector<float> values(t.size());
  std::copy(a.begin(), a.end(), values.begin());
  std::copy(b.begin(), b.end(), values.begin() + 64);
  std::copy(c.begin(), c.end(), values.begin() + 128);
  const Tensor<float, 1, TestBackend> device(backend, {t.size()}, values), out(backend, {t.size()});
  MagnitudePruning<float, TestBackend>(backend, t, t.size(), fraction).mask(backend, device, out);
  const std::vector<float> all = out.to_host(backend);
  std::vector<float> kept(all.begin(), all.begin() + 3);
  kept.insert(kept.end(), all.begin() + 64, all.begin() + 66);
  kept.insert(kept.end(), all.begin() + 128, all.begin() + 132);
  return kept;
}

}  // namespace

TEST_CASE("the smallest of all convolutions together go, whatever their sign; linear layers stay") {
  CHECK(mask(3. / 7, {-.5f, .1f, 3}, {0, 0}, {-.2f, 1, -4, .3f}) == std::vector<float>{1, 0, 1, 1, 1, 0, 1, 1, 0});
}

TEST_CASE("exactly ceil(fraction n) go; of equal ones those that stand first") {
  const std::vector<float> same(4, 1);
  CHECK(mask(.5, {1, -1, 1}, {1, 1}, same) == std::vector<float>{0, 0, 0, 1, 1, 0, 1, 1, 1});
  CHECK(mask(.01, {1, 1, 1}, {1, 1}, same) == std::vector<float>{0, 1, 1, 1, 1, 1, 1, 1, 1});
  CHECK(mask(.99, {1, 1, 1}, {1, 1}, same) == std::vector<float>{0, 0, 0, 1, 1, 0, 0, 0, 1});  // one is left
  CHECK(mask(.2, {0, -0.f, 1}, {0, 0}, same) == std::vector<float>{0, 0, 1, 1, 1, 1, 1, 1, 1});
}

TEST_CASE("a fraction that is a number of weights prunes that number") {
  TestBackend b;
  ParameterTable t;
  t.add("w", {100, 1, 1, 1}, ParameterKind::conv, {});
  for (std::size_t k = 1; k < 100; ++k)
    CHECK(MagnitudePruning<float, TestBackend>(b, t, t.size(), static_cast<double>(k) / 100).pruned() == k);
  CHECK(MagnitudePruning<float, TestBackend>(b, t, t.size(), .0701).pruned() == 8);
}

TEST_CASE("as many as sorting says, of many weights") {
  TestBackend b;
  ParameterTable t;
  t.add("w", {70001, 1, 1, 1}, ParameterKind::conv, {});
  std::vector<float> values(t.size());
  for (std::size_t i = 0; i < 70001; ++i) values[i] = std::sin(static_cast<float>(i * i % 977));
  const Tensor<float, 1, TestBackend> device(b, {t.size()}, values), out(b, {t.size()});
  const MagnitudePruning<float, TestBackend> pruning(b, t, t.size(), .9);
  CHECK(pruning.pruned() == 63001);
  pruning.mask(b, device, out);
  std::vector<std::pair<float, std::size_t>> order;
  for (std::size_t i = 0; i < 70001; ++i) order.emplace_back(std::abs(values[i]), i);
  std::sort(order.begin(), order.end());
  std::vector<float> wanted(t.size(), 1);
  for (std::size_t i = 0; i < 63001; ++i) wanted[order[i].second] = 0;
  CHECK(out.to_host(b) == wanted);
}

TEST_CASE("what cannot be pruned is refused") {
  TestBackend b;
  using Pruning = MagnitudePruning<float, TestBackend>;
  const ParameterTable t = table();
  for (const double fraction : {0., 1., -.1, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_WITH_AS(Pruning(b, t, t.size(), fraction),
                         ("MagnitudePruning: the fraction must be in (0, 1), got " + number_text(fraction)).c_str(),
                         ConfigError);
  ParameterTable linear;
  linear.add("w", {2, 2}, ParameterKind::linear, {});
  CHECK_THROWS_WITH_AS(Pruning(b, linear, linear.size(), .5), "MagnitudePruning: there are no convolutions to prune",
                       ConfigError);
  const Tensor<float, 1, TestBackend> values(b, {64}), all(b, {t.size()});
  CHECK_THROWS_WITH_AS(Pruning(b, t, t.size(), .5).mask(b, values, all),
                       "MagnitudePruning::mask: values must be at least [192], got [64]", ShapeError);
}
