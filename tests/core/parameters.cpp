#include <lotar/core/parameters.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

constexpr Init ones{Init::Kind::constant, 1};

}  // namespace

TEST_CASE("an empty table") {
  const ParameterTable table;
  CHECK(table.parameters().empty());
  CHECK(table.statistics().empty());
  CHECK(table.size() == 0);
  CHECK(table.statistics_size() == 0);
  CHECK(table.count() == 0);
}

TEST_CASE("parameters follow each other at multiples of 64") {
  ParameterTable table;
  CHECK(table.add("conv1.weight", {4, 3, 3, 3}, ParameterKind::conv, {Init::Kind::normal, .1}) == 0);  // 108 elements
  CHECK(table.add("bn1.weight", {64}, ParameterKind::norm, ones) == 128);
  CHECK(table.add("bn1.bias", {1}, ParameterKind::norm, {}) == 192);
  CHECK(table.add("fc.weight", {10, 13}, ParameterKind::linear, {Init::Kind::uniform, .2}) == 256);
  CHECK(table.add("fc.bias", {10}, ParameterKind::bias, {}) == 448);
  CHECK(table.size() == 512);
  CHECK(table.count() == 108 + 64 + 1 + 130 + 10);

  REQUIRE(table.parameters().size() == 5);
  const Parameter& conv = table.parameters()[0];
  CHECK(conv.name == "conv1.weight");
  CHECK(conv.shape == std::vector<std::size_t>{4, 3, 3, 3});
  CHECK(conv.kind == ParameterKind::conv);
  CHECK(conv.init.kind == Init::Kind::normal);
  CHECK(conv.init.scale == .1);
  CHECK(conv.offset == 0);
  CHECK(conv.size == 108);
  const Parameter& fc = table.parameters()[3];
  CHECK(fc.kind == ParameterKind::linear);
  CHECK(fc.init.kind == Init::Kind::uniform);
  CHECK(fc.offset == 256);
  CHECK(fc.size == 130);
  CHECK(table.parameters()[4].kind == ParameterKind::bias);
  CHECK(table.parameters()[4].init.scale == 0);
}

TEST_CASE("statistics lie in an array of their own and are not counted") {
  ParameterTable table;
  table.add("weight", {100}, ParameterKind::norm, ones);
  CHECK(table.add_statistic("running_mean", {100}, 0) == 0);
  CHECK(table.add_statistic("running_var", {100}, 1) == 128);
  CHECK(table.size() == 128);
  CHECK(table.statistics_size() == 256);
  CHECK(table.count() == 100);
  REQUIRE(table.statistics().size() == 2);
  CHECK(table.statistics()[1].name == "running_var");
  CHECK(table.statistics()[1].init.kind == Init::Kind::constant);
  CHECK(table.statistics()[1].init.scale == 1);
}

TEST_CASE("a parameter of no elements takes no place") {
  ParameterTable table;
  CHECK(table.add("none", {0, 5}, ParameterKind::linear, ones) == 0);
  CHECK(table.add("one", {}, ParameterKind::linear, ones) == 0);  // a scalar
  CHECK(table.size() == 64);
  CHECK(table.count() == 1);
}

TEST_CASE("more elements than can be counted are refused") {
  ParameterTable table;
  constexpr std::size_t many = std::size_t{1} << 32, most = ~std::size_t{63};
  CHECK_THROWS_WITH_AS(table.add("wide", {many, many + 1}, ParameterKind::linear, ones),
                       "ParameterTable: \"wide\" has too many elements", ConfigError);
  CHECK_THROWS_WITH_AS(table.add_statistic("long", {most + 1}, 0), "ParameterTable: \"long\" has too many elements",
                       ConfigError);
  CHECK(table.add_statistic("long", {most}, 0) == 0);
  table.add("one", {1}, ParameterKind::bias, ones);
  CHECK_THROWS_WITH_AS(table.add("rest", {most - 63}, ParameterKind::bias, ones),
                       "ParameterTable: \"rest\" has too many elements", ConfigError);
  CHECK(table.add("rest", {most - 64}, ParameterKind::bias, ones) == 64);
  CHECK(table.size() == most);
}

TEST_CASE("a name is taken once, by a parameter or a statistic") {
  ParameterTable table;
  table.add("a", {1}, ParameterKind::bias, ones);
  table.add_statistic("b", {1}, 0);
  CHECK_THROWS_WITH_AS(table.add("a", {2}, ParameterKind::bias, ones), "ParameterTable: the name \"a\" is taken",
                       ConfigError);
  CHECK_THROWS_WITH_AS(table.add("b", {2}, ParameterKind::bias, ones), "ParameterTable: the name \"b\" is taken",
                       ConfigError);
  CHECK_THROWS_WITH_AS(table.add_statistic("a", {2}, 0), "ParameterTable: the name \"a\" is taken", ConfigError);
  CHECK_THROWS_WITH_AS(table.add_statistic("b", {2}, 0), "ParameterTable: the name \"b\" is taken", ConfigError);
  CHECK(table.parameters().size() == 1);
  CHECK(table.statistics().size() == 1);
  CHECK(table.size() == 64);
}
