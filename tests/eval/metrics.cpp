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
  // of .5, 1, 0, .5: mean .5
  CHECK(a.class_deviation == doctest::Approx(std::sqrt(.5 / 4)));
}

TEST_CASE("what has no images has no accuracy") {
  const Accuracy a = accuracy(std::vector<std::int32_t>{1}, std::vector<std::int32_t>{1}, four);
  CHECK(a.all == 1);
  CHECK(a.many == 1);
  CHECK(a.classes[1] == 1);
  CHECK(std::isnan(a.classes[0]));
  CHECK(std::isnan(a.medium));
  CHECK(std::isnan(a.group_deviation));
  CHECK(std::isnan(a.class_deviation));
  CHECK(std::isnan(accuracy({}, {}, four).all));
}

TEST_CASE("accuracy refuses what does not fit") {
  const std::vector<std::int32_t> two = {0, 1}, high = {0, 4}, low = {-1, 0};
  CHECK_THROWS_WITH_AS(accuracy(std::vector<std::int32_t>{0}, two, four), "accuracy: predictions must be [2], got [1]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(accuracy(two, high, four), "accuracy: labels must be in [0, 4), got 4 at 1", ConfigError);
  CHECK_THROWS_WITH_AS(accuracy(low, two, four), "accuracy: predictions must be in [0, 4), got -1 at 0", ConfigError);
}

TEST_CASE("a smaller last batch counts for as much as the others") {
  const std::vector<std::int32_t> labels{0, 1, 2, 3, 0}, found{0, 1, 2, 0, 1};
  CHECK(batch_mean_accuracy(found, labels, 5) == 3. / 5);
  CHECK(batch_mean_accuracy(found, labels, 100) == 3. / 5);
  CHECK(batch_mean_accuracy(found, labels, 4) == (3. / 4 + 0) / 2);
  CHECK(batch_mean_accuracy(found, labels, 2) == (1 + 1. / 2 + 0) / 3);
  CHECK(batch_mean_accuracy(found, labels, 1) == doctest::Approx(3. / 5));
  CHECK_THROWS_WITH_AS(batch_mean_accuracy(found, std::vector<std::int32_t>{1}, 2),
                       "batch_mean_accuracy: predictions must be [1], got [5]", ShapeError);
  CHECK_THROWS_WITH_AS(batch_mean_accuracy({}, {}, 2), "batch_mean_accuracy: wanted at least one label, got none",
                       ShapeError);
  CHECK_THROWS_WITH_AS(batch_mean_accuracy(found, labels, 0), "batch_mean_accuracy: batch_size must be >= 1, got 0",
                       ConfigError);
}

TEST_CASE("the mean over draws") {
  const Accuracy a{.5, .25, 1, 0, .5, 1, {0, 1}}, b{1, .75, 0, 0, .25, 0, {.5, NAN}};
  const Accuracy mean = mean_accuracy(std::vector{a, b});
  CHECK(mean.all == .75);
  CHECK(mean.many == .5);
  CHECK(mean.medium == .5);
  CHECK(mean.few == 0);
  CHECK(mean.group_deviation == .375);
  CHECK(mean.class_deviation == .5);
  CHECK(mean.classes[0] == .25);
  CHECK(std::isnan(mean.classes[1]));
  CHECK_THROWS_WITH_AS(mean_accuracy({}), "mean_accuracy: wanted at least one accuracy, got none", ShapeError);
  CHECK_THROWS_WITH_AS(mean_accuracy(std::vector{a, Accuracy{}}), "mean_accuracy: wanted 2 classes, got 0", ShapeError);
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
