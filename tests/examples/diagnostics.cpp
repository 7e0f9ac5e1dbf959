#include "../../examples/diagnostics.hpp"

#include <cmath>
#include <vector>

#include "../test.hpp"

using namespace examples;

TEST_CASE("what rises with the size of the class correlates, and what is the same for all has no correlation") {
  const std::vector<std::int32_t> labels = {1, 0, 1, 2, 1};
  const std::vector<std::size_t> counts = {200, 300, 100};
  const lotar::SampleRecord record{
      .loss = {3, 2, 3, 1, 3}, .distance = {-3, -2, -3, -1, -3}, .weight = {1, 1, 1, 1, 1}, .batch_loss = {}};
  const lotar::Json json = rank_correlations(record, labels, counts);
  CHECK(json.size() == 3);
  CHECK(json["loss"].get<double>() == doctest::Approx(1));
  CHECK(json["distance"].get<double>() == doctest::Approx(-1));
  CHECK(std::isnan(json["weight"].get<double>()));
  CHECK(lotar::Json::parse(json.dump())["weight"].is_null());
}

TEST_CASE("a batch's projections in metrics") {
  const lotar::Json json = projection_metrics(std::vector<float>{0, 2, 0, -4, 2, 0, -4, 0}, 2);
  CHECK(json.size() == 4);
  CHECK(json["norm"] == 3);
  CHECK(json["alignment"] == 2);
  CHECK(json["uniformity"].get<double>() == doctest::Approx(-8));
  CHECK(json["effective_rank"].get<double>() == doctest::Approx(2));
}

TEST_CASE("20 bins of weights from 0 to 2") {
  const lotar::Json json = weight_histogram(std::vector<float>{0, 1, 1, 1.95f, 2, 7});
  CHECK(json["low"] == 0);
  CHECK(json["high"] == 2);
  std::vector<std::size_t> counts(20);
  counts[0] = 1, counts[10] = 2, counts[19] = 3;
  CHECK(json["counts"].get<std::vector<std::size_t>>() == counts);
}
