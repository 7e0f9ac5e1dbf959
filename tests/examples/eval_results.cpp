#include "../../examples/eval_results.hpp"
#include "../../examples/reproduction/results_table.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../test.hpp"

using namespace examples;
using lotar::GroupConvention;
using lotar::Json;

namespace {

/// 200 images of each of 4 classes, mixed.
std::vector<std::int32_t> mixed_labels() {
  std::vector<std::int32_t> labels;
  for (std::int32_t i = 0; i < 800; ++i) labels.push_back(i * 3 % 4);
  return labels;
}

std::vector<std::size_t> counts_of(const std::vector<std::int32_t>& labels, const std::vector<std::uint32_t>& indices) {
  std::vector<std::int32_t> chosen;
  for (const std::uint32_t i : indices) chosen.push_back(labels[i]);
  return lotar::count_classes(chosen, 4);
}

/// Of 4 classes, from the head to the tail: sdclr has two of Many, thesis two of Medium.
const ClassTable table{{"a", "b", "c", "d"}, {40, 30, 20, 10}, GroupConvention::sdclr};

/// Two test images of each class, of which the first `right` are found.
Scores found(std::size_t right) {
  const std::vector<std::int32_t> labels{0, 0, 1, 1, 2, 2, 3, 3};
  std::vector<std::int32_t> predictions;
  for (std::size_t i = 0; i < labels.size(); ++i) predictions.push_back((labels[i] + (i < right ? 0 : 1)) % 4);
  return score(predictions, labels, table.counts);
}

}  // namespace

TEST_CASE("the images of a protocol: all, few, and without those held out") {
  const auto labels = mixed_labels();
  const auto choose = [&](const char* protocol, const char* few_shot, std::uint64_t seed) {
    return choose_images(labels, 4, lotar::find_protocol(protocol), few_shot, seed);
  };
  for (const char* all : {"none", "0"}) {
    const ProbeImages chosen = choose("thesis", all, 1);
    CHECK(chosen.training.size() == 800);
    CHECK(chosen.validation.empty());
  }
  CHECK(counts_of(labels, choose("bcl", "50-shot", 1).training) == std::vector<std::size_t>(4, 50));
  CHECK(choose("bcl", "50-shot", 1) == choose("bcl", "50-shot", 1));
  CHECK(choose("bcl", "50-shot", 1) != choose("bcl", "50-shot", 2));

  const ProbeImages whole = choose("sdclr", "none", 1), few = choose("sdclr", "1%", 1),
                    other = choose("sdclr", "1%", 2);
  CHECK(counts_of(labels, whole.validation) == std::vector<std::size_t>(4, 20));
  CHECK(counts_of(labels, whole.training) == std::vector<std::size_t>(4, 180));
  CHECK(counts_of(labels, few.training) == std::vector<std::size_t>(4, 1));  // of 180
  CHECK(few.validation == whole.validation);
  CHECK(other.validation == whole.validation);
  CHECK(other.training != few.training);
  for (const auto& part : {whole.training, few.training, choose("sdclr", "180", 1).training}) {
    CHECK(std::is_sorted(part.begin(), part.end()));
    for (const std::uint32_t i : whole.validation) CHECK_FALSE(std::binary_search(part.begin(), part.end(), i));
  }
  CHECK_THROWS_WITH_AS(choose("sdclr", "181", 1), "few-shot \"181\": class 0 has 180 images, wanted at least 181",
                       lotar::ConfigError);
}

TEST_CASE("what the options leave to the protocol is as it says") {
  const auto effective = [](const char* protocol, const char* groups, const char* few_shot, std::size_t draws,
                            std::size_t copies) {
    return evaluation_json(choose_protocol(protocol, groups, false), few_shot, draws, copies);
  };
  const auto json = [](const char* protocol, const char* groups, const char* few_shot, int draws, int copies) {
    return Json{{"protocol", protocol},
                {"groups", groups},
                {"few-shot", few_shot},
                {"draws", draws},
                {"augmented-copies", copies}};
  };
  CHECK(effective("thesis", "", "0", 0, 7) == json("thesis", "thesis", "none", 1, 1));
  CHECK(effective("bcl", "", "1%", 0, 0) == json("bcl", "sdclr", "1%", 5, 1));
  CHECK(effective("bcl", "thesis", "1%", 2, 0) == json("bcl", "thesis", "1%", 2, 1));
  CHECK(effective("sdclr", "", "none", 0, 0) == json("sdclr", "sdclr", "none", 1, 30));
  CHECK(effective("sdclr", "", "50", 0, 0) == json("sdclr", "sdclr", "50", 1, 100));
  CHECK(effective("thesis_code", "", "none", 1, 200) == json("thesis_code", "thesis", "none", 1, 90));
  const lotar::Protocol classifier = choose_protocol("sdclr", "", true);
  CHECK(evaluation_json(classifier, "none", 0, 0) == json("classifier", "sdclr", "none", 1, 1));
  CHECK_THROWS_AS(choose_protocol("other", "", true), lotar::ConfigError);
  CHECK_THROWS_AS(choose_protocol("bcl", "other", false), lotar::ConfigError);
}

TEST_CASE("results: means over the draws, groups by every convention") {
  // Draw 1: classes 1, 1, .5, 0; draw 2: 1, .5, 0, 0.
  const Judged judged{200, 80, 30, {found(5), found(3)}, {found(8), found(4)}};
  const Judged untrained{200, 80, 30, {found(2), found(2)}, {found(1), found(0)}};
  const Json json = results_json(judged, &untrained, table, "50");
  CHECK(json["all"] == .5);
  CHECK(json["groups"] == Json({{"many", .875}, {"medium", .25}, {"few", 0.}}));
  const Json& by = json["groups_by_convention"];
  CHECK(by["sdclr"]["many"] == .875);
  CHECK(by["sdclr"]["medium"] == .25);
  CHECK(by["thesis"]["many"] == 1);
  CHECK(by["thesis"]["medium"] == .5);
  CHECK(by["thesis"]["few"] == 0);
  CHECK(by["shots"]["medium"].get<double>() == doctest::Approx(2. / 3));  // of three classes
  CHECK(by["shots"]["few"] == 0);
  const auto deviation = [](std::vector<double> x) { return lotar::detail::population_deviation(x); };
  CHECK(json["group_deviation"].get<double>() == doctest::Approx((deviation({1, .5, 0}) + deviation({.75, 0, 0})) / 2));
  CHECK(by["sdclr"]["deviation"] == json["group_deviation"]);
  CHECK(by["thesis"]["deviation"].get<double>() ==
        doctest::Approx((deviation({1, .75, 0}) + deviation({1, .25, 0})) / 2));
  CHECK(json["class_deviation"].get<double>() ==
        doctest::Approx((deviation({1, 1, .5, 0}) + deviation({1, .5, 0, 0})) / 2));

  CHECK(json["knn"]["all"] == .75);
  CHECK(json["knn"]["groups_by_convention"]["thesis"]["many"] == 1);
  CHECK(json["few_shot"] == "50");
  CHECK(json["training_images"] == 200);
  CHECK(json["validation_images"] == 80);
  CHECK(json["augmented_copies"] == 30);
  REQUIRE(json["draws"].size() == 2);
  CHECK(json["draws"][1]["seed"] == 2);
  CHECK(json["draws"][1]["all"] == 3. / 8);
  CHECK(json["draws"][1]["groups"]["many"] == .75);
  CHECK(json["draws"][1]["knn"] == .5);
  CHECK(json["draw_deviation"].get<double>() == doctest::Approx(std::sqrt(2 * .125 * .125)));  // sample's, n - 1 = 1
  REQUIRE(json["classes"].size() == 4);
  CHECK(json["classes"][1] ==
        Json({{"name", "b"}, {"training_images", 30}, {"group", "many"}, {"accuracy", .75}, {"knn", 1.}}));
  CHECK(json["untrained"]["all"] == .25);
  CHECK(json["untrained"]["groups"]["many"] == .5);
  CHECK(json["untrained"]["knn"] == 1. / 16);
}

TEST_CASE("results of one draw have no spread, and of no untrained network nothing") {
  const Json json = results_json({800, 0, 1, {found(8)}, {found(8)}}, nullptr, table, "0");
  CHECK(json["few_shot"] == "none");
  CHECK(json["draws"].size() == 1);
  CHECK_FALSE(json.contains("draw_deviation"));
  CHECK_FALSE(json.contains("untrained"));
}

TEST_CASE("a group without classes is null in results, and a dash in the table") {
  const Judged judged{800, 0, 1, {found(5)}, {found(8)}};
  const ClassTable by_shots{table.names, table.counts, GroupConvention::shots};
  const Json json = lotar::parse_json(results_json(judged, nullptr, by_shots, "0").dump(), "here");
  CHECK(json["groups"] == Json({{"many", nullptr}, {"medium", 2.5 / 3}, {"few", 0.}}));
  CHECK(json["group_deviation"] == nullptr);
  CHECK(json["groups_by_convention"]["shots"]["deviation"] == nullptr);
  CHECK(json["all"] == 5. / 8);
  CHECK(json["classes"][2]["group"] == "medium");
  CHECK(accuracy_chart(json, "here").groups[0].name == "Many");
  const examples::RunScores scores = run_scores(json, "here");
  CHECK(std::isnan(scores.probe[0]));
  CHECK(scores.probe[3] == 62.5);
  CHECK(results_text("thesis", "lotar", judged, nullptr, GroupConvention::shots) ==
        "accuracy in %: thesis, 800 training images\n"
        "              Many  Medium     Few     All   kNN All\n"
        "lotar            -   83.33    0.00   62.50    100.00\n");
}

TEST_CASE("the table") {
  const Judged one{800, 0, 1, {found(5)}, {found(8)}}, before{800, 0, 1, {found(0)}, {found(4)}};
  CHECK(results_text("bcl", "lotar", one, &before, GroupConvention::sdclr) ==
        "accuracy in %: bcl, 800 training images\n"
        "              Many  Medium     Few     All   kNN All\n"
        "untrained     0.00    0.00    0.00    0.00     50.00\n"
        "lotar       100.00   50.00    0.00   62.50    100.00\n");
  const Judged two{200, 0, 1, {found(5), found(3)}, {found(8), found(4)}};
  CHECK(results_text("bcl", "supervised", two, nullptr, GroupConvention::thesis) ==
        "accuracy in %: bcl, mean of 2 draws of 200 training images\n"
        "              Many  Medium     Few     All   kNN All\n"
        "supervised  100.00   50.00    0.00   50.00     75.00\n");
}
