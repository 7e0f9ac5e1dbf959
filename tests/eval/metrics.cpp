#include <lotar/eval/metrics.hpp>

#include <cmath>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

const std::vector<Group> four = {Group::few, Group::many, Group::medium, Group::many};

}  // namespace

TEST_CASE("accuracy by class, group and over all, by hand") {
  // class 0: 1 of 2; class 1: 3 of 3; class 2: 0 of 1; class 3: 1 of 2
  const Accuracy a = accuracy(std::vector<std::int32_t>{0, 3, 1, 1, 1, 0, 3, 2},
                              std::vector<std::int32_t>{0, 0, 1, 1, 1, 2, 3, 3}, four);
  CHECK(a.classes == std::vector<double>{.5, 1, 0, .5});
  CHECK(a.all == 5. / 8);
  CHECK(a.many == 4. / 5);  // over images, not over classes
  CHECK(a.medium == 0);
  CHECK(a.few == .5);
  // of .8, 0, .5: mean 13/30, squares .16..
  CHECK(a.group_deviation == doctest::Approx(std::sqrt((.64 + .25) / 3 - 13. * 13 / 900)));
}

TEST_CASE("what has no images has no accuracy") {
  const Accuracy a = accuracy(std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, four);
  CHECK(a.all == 1);
  CHECK(a.many == 1);
  CHECK(a.classes[1] == 1);
  CHECK(std::isnan(a.classes[0]));
  CHECK(std::isnan(a.medium));
  CHECK(std::isnan(a.group_deviation));
  CHECK(std::isnan(accuracy({}, {}, four).all));
}

TEST_CASE("accuracy refuses what does not fit") {
  const std::vector<std::int32_t> two = {0, 1}, high = {0, 4}, low = {-1, 0};
  CHECK_THROWS_WITH_AS(accuracy(std::vector<std::int32_t>{0}, two, four), "accuracy: predictions must be [2], got [1]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(accuracy(two, high, four), "accuracy: labels must be in [0, 4), got 4 at 1", ConfigError);
  CHECK_THROWS_WITH_AS(accuracy(low, two, four), "accuracy: predictions must be in [0, 4), got -1 at 0", ConfigError);
}

TEST_CASE("the spread of runs") {
  const Spread s = spread(std::vector<double>{64, 66, 62});
  CHECK(s.mean == 64);
  CHECK(s.deviation == 2);
  const Spread one = spread(std::vector<double>{3});
  CHECK(one.mean == 3);
  CHECK(std::isnan(one.deviation));
  CHECK_THROWS_WITH_AS(spread({}), "spread: wanted at least one value, got none", ConfigError);
}
