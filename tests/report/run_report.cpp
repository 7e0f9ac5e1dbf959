#include "../../examples/report/run_report.hpp"

#include "../files.hpp"
#include "../test.hpp"
#include "xml.hpp"

using namespace examples;

namespace {

constexpr const char* two_epochs =
    R"({"epoch":1,"loss":5.5,"distance":{"many":0.5,"medium":0.6,"few":0.7,"all":0.55},"weight":{"many":1.0,"few":1.5,"all":1.0}})"
    "\n"
    R"({"epoch":2,"loss":null,"distance":{"many":0.4,"medium":0.5,"few":null,"all":0.45},"loss_by_group":{"few":6.5}})"
    "\n";

/// Two epochs of a run that tells its diagnostics.
constexpr const char* diagnosed =
    R"({"epoch":1,"loss":5.5,"rank_correlation":{"distance":-0.25,"weight":null,"loss":0.5},)"
    R"("projection":{"norm":1.5,"alignment":0.5,"uniformity":-2.5,"effective_rank":17},)"
    R"("weight_histogram":{"low":0,"high":2,"counts":[1,2]}})"
    "\n"
    R"({"epoch":2,"loss":5,"rank_correlation":{"distance":-0.5,"weight":0.125,"loss":0.25},)"
    R"("projection":{"norm":1.25,"alignment":0.25,"uniformity":null,"effective_rank":18},)"
    R"("weight_histogram":{"low":0,"high":2,"counts":[0,3,4,1]}})"
    "\n";

const Series& of(const LineChart& chart, const std::string& name) {
  for (const Series& s : chart.series)
    if (s.name == name) return s;
  throw std::runtime_error("no series " + name);
}

}  // namespace

TEST_CASE("metrics become series; what is missing or null is a gap") {
  const ScratchFolder folder;
  write_bytes(folder / "metrics.jsonl", two_epochs);
  const auto epochs = read_metrics(folder / "metrics.jsonl");
  REQUIRE(epochs.size() == 2);
  const LineChart distance = distance_chart(epochs);
  REQUIRE(distance.series.size() == 4);
  CHECK(of(distance, "Many").x == std::vector<double>{1, 2});
  CHECK(of(distance, "Many").y == std::vector<double>{0.5, 0.4});
  CHECK(of(distance, "Few").y[0] == 0.7);
  CHECK(std::isnan(of(distance, "Few").y[1]));
  const LineChart weight = weight_chart(epochs);
  CHECK(of(weight, "Few").y[0] == 1.5);
  CHECK(std::isnan(of(weight, "Few").y[1]));
  CHECK(std::isnan(of(weight, "Medium").y[0]));
  const LineChart loss = loss_chart(epochs);
  CHECK(of(loss, "All").y[0] == 5.5);
  CHECK(std::isnan(of(loss, "All").y[1]));
  CHECK(of(loss, "Few").y[1] == 6.5);
}

TEST_CASE("diagnostics become series, and the last epoch's weights bars") {
  const ScratchFolder folder;
  write_bytes(folder / "metrics.jsonl", diagnosed);
  const auto epochs = read_metrics(folder / "metrics.jsonl");
  const LineChart correlation = correlation_chart(epochs);
  REQUIRE(correlation.series.size() == 3);
  CHECK(of(correlation, "Distance").x == std::vector<double>{1, 2});
  CHECK(of(correlation, "Distance").y == std::vector<double>{-0.25, -0.5});
  CHECK(std::isnan(of(correlation, "Weight").y[0]));
  CHECK(of(correlation, "Weight").y[1] == 0.125);
  CHECK(of(correlation, "Loss").y == std::vector<double>{0.5, 0.25});
  CHECK(of(norm_chart(epochs), "Norm").y == std::vector<double>{1.5, 1.25});
  CHECK(of(rank_chart(epochs), "Effective rank").y == std::vector<double>{17, 18});
  const LineChart alignment = alignment_chart(epochs);
  CHECK(of(alignment, "Alignment").y == std::vector<double>{0.5, 0.25});
  CHECK(of(alignment, "Uniformity").y[0] == -2.5);
  CHECK(std::isnan(of(alignment, "Uniformity").y[1]));
  const BarChart weights = weight_histogram_chart(epochs);
  CHECK(weights.low == 0);
  CHECK(weights.high == 2);
  CHECK(weights.heights == std::vector<double>{0, 3, 4, 1});
}

TEST_CASE("a histogram that is none has no bars") {
  CHECK(weight_histogram_chart({}).heights.empty());
  for (const char* bad : {R"({"epoch":1})", R"({"weight_histogram":3})", R"({"weight_histogram":{"low":0,"high":2}})",
                          R"({"weight_histogram":{"low":2,"high":2,"counts":[1]}})",
                          R"({"weight_histogram":{"low":null,"high":2,"counts":[1]}})",
                          R"({"weight_histogram":{"low":0,"high":2,"counts":4}})"})
    CHECK(weight_histogram_chart({lotar::Json::parse(bad)}).heights.empty());
}

TEST_CASE("malformed metrics are refused by line") {
  const ScratchFolder folder;
  const std::string path = folder / "metrics.jsonl";
  write_bytes(path, std::string(two_epochs) + "{\"epoch\":3,\n");
  CHECK_THROWS_WITH_AS(read_metrics(path), doctest::Contains((path + ": line 3: ").c_str()), lotar::IoError);
  write_bytes(path, "{\"epoch\":1}\n{\"loss\":3}\n");
  CHECK_THROWS_WITH_AS(read_metrics(path),
                       (path + ": line 2: wanted an object with a number \"epoch\", got {\"loss\":3}").c_str(),
                       lotar::IoError);
  CHECK_THROWS_AS(read_metrics(folder / "missing"), lotar::IoError);
  write_bytes(path, "");
  CHECK(read_metrics(path).empty());
}

TEST_CASE("results become points in percent, by group") {
  const lotar::Json results = lotar::parse_json(
      R"({"protocol":"thesis","all":0.7,"groups":{"many":0.9,"medium":0.625},
          "classes":[{"name":"cat","training_images":5000,"accuracy":0.875,"group":"many"},
                     {"name":"dog","training_images":50,"accuracy":0.5,"group":"few"},
                     {"name":"cow","training_images":70,"accuracy":0.25}]})",
      "results.json");
  const ScatterChart chart = accuracy_chart(results, "results.json");
  REQUIRE(chart.groups.size() == 4);
  CHECK(chart.groups[0].name == "Many (90.0)");
  CHECK(chart.groups[2].name == "Few");
  REQUIRE(chart.groups[0].points.size() == 1);
  CHECK(chart.groups[0].points[0].x == 5000);
  CHECK(chart.groups[0].points[0].y == 87.5);
  CHECK(chart.groups[0].points[0].name == "cat");
  CHECK(chart.groups[1].points.empty());
  CHECK(chart.groups[2].points.at(0).y == 50);
  CHECK(chart.groups[3].points.at(0).name == "cow");
}

TEST_CASE("malformed results are refused") {
  for (const char* bad : {"[]", "{}", "{\"classes\":{}}"})
    CHECK_THROWS_WITH_AS(accuracy_chart(lotar::Json::parse(bad), "r"), "r: wanted a list \"classes\"", lotar::IoError);
  CHECK_THROWS_WITH_AS(accuracy_chart(lotar::Json::parse("{\"classes\":[{\"name\":\"a\"}]}"), "r"),
                       "r: wanted classes of \"name\", \"training_images\" and \"accuracy\", got {\"name\":\"a\"}",
                       lotar::IoError);
}

TEST_CASE("names of classes are escaped") {
  const auto results = lotar::Json::parse(R"({"classes":[{"name":"<cat>","training_images":5,"accuracy":0.5}]})");
  const std::string picture = scatter_chart(accuracy_chart(results, "r"));
  CHECK(xml_fault(picture) == "");
  CHECK(count(picture, ">&lt;cat&gt;</text>") == 1);
}

TEST_CASE("a training has the pictures that its metrics allow") {
  const ScratchFolder folder;
  CHECK(write_training_pictures(folder.path()).empty());
  write_bytes(folder / "metrics.jsonl", "{\"epoch\":1,\"loss\":5.5}\n");
  CHECK(write_training_pictures(folder.path()) == std::vector<std::string>{folder / "loss.svg"});
  write_bytes(folder / "metrics.jsonl", two_epochs);
  const std::vector<std::string> written = write_training_pictures(folder.path());
  CHECK(written == std::vector<std::string>{folder / "loss.svg", folder / "distance.svg", folder / "weight.svg"});
  for (const std::string& path : written) CHECK(xml_fault(read_bytes(path)) == "");
  CHECK(folder.files() == 4);

  const ScratchFolder other;
  write_bytes(other / "metrics.jsonl", diagnosed);
  const std::vector<std::string> pictures = write_training_pictures(other.path());
  CHECK(pictures == std::vector<std::string>{other / "loss.svg", other / "correlation.svg", other / "norm.svg",
                                             other / "rank.svg", other / "alignment.svg",
                                             other / "weight_histogram.svg"});
  for (const std::string& path : pictures) CHECK(xml_fault(read_bytes(path)) == "");
}
