#include <lotar/nn/init.hpp>

#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace lotar;

namespace {

ParameterTable table_of(std::size_t n) {
  ParameterTable table;
  table.add("normal", {n}, ParameterKind::conv, {Init::Kind::normal, .25});
  table.add("uniform", {n}, ParameterKind::linear, {Init::Kind::uniform, .5});
  table.add("constant", {3}, ParameterKind::norm, {Init::Kind::constant, 1});
  table.add("again", {n}, ParameterKind::conv, {Init::Kind::normal, .25});
  return table;
}

}  // namespace

TEST_CASE("draws have the moments of their distributions") {
  const std::size_t n = 100000;
  const ParameterTable table = table_of(n);
  const auto values = initial_parameters<double>(table, 1);
  for (const Parameter& p : table.parameters()) {
    if (p.init.kind == Init::Kind::constant) continue;
    const bool normal = p.init.kind == Init::Kind::normal;
    double sum = 0, squares = 0, fourth = 0, most = 0;
    for (std::size_t i = p.offset; i < p.offset + n; ++i) {
      const double v = values[i] / p.init.scale;
      sum += v, squares += v * v, fourth += v * v * v * v, most = std::max(most, std::abs(v));
    }
    // The moments of a normal of deviation 1, or of a uniform draw in [-1, 1]; bounds of five standard errors.
    const double samples = static_cast<double>(n), second = normal ? 1 : 1 / 3., kurtic = normal ? 3 : 1 / 5.;
    const double eighth = normal ? 105 : 1 / 9.;
    CHECK(std::abs(sum / samples) < 5 * std::sqrt(second / samples));
    CHECK(std::abs(squares / samples - second) < 5 * std::sqrt((kurtic - second * second) / samples));
    CHECK(std::abs(fourth / samples - kurtic) < 5 * std::sqrt((eighth - kurtic * kurtic) / samples));
    if (normal) {
      CHECK(most > 3.5);  // missed with a probability of e^-46
      CHECK(most < 6);    // exceeded with one of 2e-4, by another seed
    } else {
      CHECK(most <= 1);
      CHECK(most > .999);
    }
  }
}

TEST_CASE("draws are a function of the seed and the parameter's place: golden values") {
  const ParameterTable table = table_of(5);
  const auto values = initial_parameters<float>(table, 7);
  const auto at = [&](std::size_t p, std::size_t i) { return values[table.parameters()[p].offset + i]; };
  const float normal[] = {-0x1.64da9cp-3f, 0x1.a99e1p-3f, -0x1.924cc4p-5f, 0x1.85d93cp-2f, -0x1.fb9856p-2f},
              uniform[] = {-0x1.4d9188p-2f, -0x1.344afp-2f, -0x1.affad4p-2f, -0x1.d62a28p-3f, 0x1.f950ap-4f};
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(at(0, i) == normal[i]);
    CHECK(at(1, i) == uniform[i]);
    CHECK(at(0, i) != at(3, i));
  }
  CHECK(initial_parameters<float>(table, 7) == values);
  CHECK(initial_parameters<float>(table, 8)[0] != values[0]);
  const auto doubles = initial_parameters<double>(table, 7);
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(doubles[i] == static_cast<double>(values[i]));
}

TEST_CASE("constants are themselves, and gaps are zeros") {
  const ParameterTable table = table_of(5);
  const auto values = initial_parameters<float>(table, 7);
  CHECK(values.size() == table.size());
  std::vector<bool> used(values.size());
  for (const Parameter& p : table.parameters())
    for (std::size_t i = p.offset; i < p.offset + p.size; ++i) used[i] = true;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!used[i]) CHECK(values[i] == 0);
  for (std::size_t i = 0; i < 3; ++i) CHECK(values[table.parameters()[2].offset + i] == 1);
}

TEST_CASE("running statistics start from their constants") {
  ParameterTable table;
  table.add_statistic("mean", {2}, 0);
  table.add_statistic("var", {3}, 1);
  const auto values = initial_statistics<double>(table);
  CHECK(values.size() == table.statistics_size());
  std::vector<double> wanted(values.size(), 0);
  for (std::size_t i = 0; i < 3; ++i) wanted[table.statistics()[1].offset + i] = 1;
  CHECK(values == wanted);
}
