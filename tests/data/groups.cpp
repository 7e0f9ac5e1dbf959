#include <lotar/data/groups.hpp>

#include <array>

#include "../test.hpp"

using namespace lotar;

/// How many classes are Many, Medium and Few.
static std::array<long, 3> sizes(std::size_t classes, GroupConvention convention) {
  std::vector<std::size_t> counts(classes);
  for (std::size_t c = 0; c < classes; ++c) counts[c] = 1000 - c;
  const auto groups = group_classes(counts, convention);
  CHECK(std::is_sorted(groups.begin(), groups.end()));
  return {std::count(groups.begin(), groups.end(), Group::many),
          std::count(groups.begin(), groups.end(), Group::medium),
          std::count(groups.begin(), groups.end(), Group::few)};
}

TEST_CASE("the sizes of the groups") {
  using Three = std::array<long, 3>;
  CHECK(sizes(10, GroupConvention::thesis) == Three{3, 4, 3});
  CHECK(sizes(100, GroupConvention::thesis) == Three{33, 34, 33});
  CHECK(sizes(10, GroupConvention::sdclr) == Three{4, 3, 3});
  CHECK(sizes(100, GroupConvention::sdclr) == Three{34, 33, 33});
  for (const GroupConvention convention : {GroupConvention::thesis, GroupConvention::sdclr})
    CHECK(sizes(3, convention) == Three{1, 1, 1});
  CHECK(sizes(5, GroupConvention::thesis) == Three{1, 3, 1});
  CHECK(sizes(5, GroupConvention::sdclr) == Three{3, 1, 1});
}

TEST_CASE("classes are ranked by their images, equal ones by their id") {
  using enum Group;
  const std::vector<std::size_t> counts{5, 90, 5, 30, 5, 70};
  CHECK(group_classes(counts) == std::vector<Group>{medium, many, few, medium, few, many});
  const std::vector<std::size_t> equal(6, 1);
  CHECK(group_classes(equal) == std::vector<Group>{many, many, medium, medium, few, few});
}

TEST_CASE("shots are groups of so many images, which may be empty") {
  using enum Group;
  const std::vector<std::size_t> counts{0, 100, 19, 101, 20, 1280};
  CHECK(group_classes(counts, GroupConvention::shots) == std::vector<Group>{few, medium, few, many, medium, many});
  CHECK(group_classes(std::vector<std::size_t>(3, 5), GroupConvention::shots) == std::vector<Group>{few, few, few});
}

TEST_CASE("names, and what is refused") {
  CHECK(parse_group_convention("thesis") == GroupConvention::thesis);
  CHECK(parse_group_convention("sdclr") == GroupConvention::sdclr);
  CHECK(parse_group_convention("shots") == GroupConvention::shots);
  CHECK_THROWS_WITH_AS(parse_group_convention("x"), "groups \"x\": wanted thesis, sdclr or shots", ConfigError);
  const std::vector<std::size_t> two{1, 2};
  CHECK_THROWS_WITH_AS(group_classes(two), "group_classes: wanted at least 3 classes, got 2", ConfigError);
}
