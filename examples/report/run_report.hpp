#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/json.hpp>

#include "chart.hpp"

/// The pictures of a run, from the files in its folder.
namespace examples {

/// @throws lotar::IoError unless the metrics of an epoch are an object with a number "epoch".
inline void check_epoch(const lotar::Json& epoch, const std::string& where) {
  if (!epoch.is_object() || !epoch.contains("epoch") || !epoch["epoch"].is_number())
    throw lotar::IoError(where, "wanted an object with a number \"epoch\", got " + epoch.dump());
}

/// The lines of a metrics.jsonl, one JSON object an epoch.
/// @throws lotar::IoError if the file is missing, or a line is no object with a number "epoch".
inline std::vector<lotar::Json> read_metrics(const std::string& path) {
  const lotar::Bytes bytes = lotar::read_file(path, std::uint64_t{1} << 28);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::vector<lotar::Json> epochs;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string where = path + ": line " + std::to_string(epochs.size() + 1);
    epochs.push_back(lotar::parse_json(rest.substr(0, end), where));
    check_epoch(epochs.back(), where);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return epochs;
}

namespace detail {

/// The keys of class groups in metrics and results, and their names in pictures.
inline constexpr std::array<std::pair<const char*, const char*>, 4> groups{
    {{"many", "Many"}, {"medium", "Medium"}, {"few", "Few"}, {"all", "All"}}};

/// object[key], or NaN where it is missing, null (what JSON makes of NaN) or no number.
inline double number_at(const lotar::Json& object, const char* key) {
  const bool number = object.is_object() && object.contains(key) && object[key].is_number();
  return number ? object[key].get<double>() : std::numeric_limits<double>::quiet_NaN();
}

inline Axis epoch_axis() { return {.label = "epoch", .integer = true}; }

/// The value of a key, null where the object has none.
inline lotar::Json value_at(const lotar::Json& object, const char* key) {
  return object.is_object() ? object.value(key, lotar::Json()) : lotar::Json();
}

/// Keys, and the names of their lines.
using Lines = std::span<const std::pair<const char*, const char*>>;

/// A line a key of the metrics' object `quantity`, over the epochs; a key that they lack is one long gap.
inline std::vector<Series> series_of(const std::vector<lotar::Json>& epochs, const char* quantity, Lines lines) {
  std::vector<Series> all;
  for (const auto& [key, name] : lines) {
    Series series{name, {}, {}};
    for (const lotar::Json& epoch : epochs) {
      series.x.push_back(number_at(epoch, "epoch"));
      series.y.push_back(number_at(value_at(epoch, quantity), key));
    }
    all.push_back(std::move(series));
  }
  return all;
}

inline std::vector<Series> group_series(const std::vector<lotar::Json>& epochs, const char* quantity) {
  return series_of(epochs, quantity, groups);
}

/// A chart of some of the metrics' "projection".
inline LineChart projection_chart(const std::vector<lotar::Json>& epochs, const char* title, const Axis& axis,
                                  std::initializer_list<std::pair<const char*, const char*>> lines) {
  return {title, epoch_axis(), axis, series_of(epochs, "projection", {lines.begin(), lines.size()})};
}

inline bool has_values(const std::vector<Series>& all) {
  return std::any_of(all.begin(), all.end(), [](const Series& s) {
    return std::any_of(s.y.begin(), s.y.end(), [](double v) { return std::isfinite(v); });
  });
}

}  // namespace detail

/// The loss over the epochs: of all images, and of each class group where the metrics have it.
inline LineChart loss_chart(const std::vector<lotar::Json>& epochs) {
  LineChart chart{
      "Training loss", detail::epoch_axis(), {.label = "mean loss"}, detail::group_series(epochs, "loss_by_group")};
  Series& all = chart.series.back();
  for (std::size_t i = 0; i < epochs.size(); ++i) all.y[i] = detail::number_at(epochs[i], "loss");
  return chart;
}

/// The mean distance between an image's two embeddings by class group.
inline LineChart distance_chart(const std::vector<lotar::Json>& epochs) {
  return {"Distance between the two views",
          detail::epoch_axis(),
          {.label = "mean distance of the projections"},
          detail::group_series(epochs, "distance")};
}

/// The mean weight of an image in the loss by class group.
inline LineChart weight_chart(const std::vector<lotar::Json>& epochs) {
  return {"Weight of an image in the loss",
          detail::epoch_axis(),
          {.label = "mean weight"},
          detail::group_series(epochs, "weight")};
}

/// How far the size of an image's class orders its distance, weight and loss: -1 if the tail has the larger ones, 1 if
/// the head has.
inline LineChart correlation_chart(const std::vector<lotar::Json>& epochs) {
  constexpr std::array<std::pair<const char*, const char*>, 3> lines{
      {{"distance", "Distance"}, {"weight", "Weight"}, {"loss", "Loss"}}};
  LineChart chart{"Rank correlation with the size of the class",
                  detail::epoch_axis(),
                  {.label = "Spearman's rank correlation: below 0, the tail has more", .low = -1, .high = 1},
                  detail::series_of(epochs, "rank_correlation", lines)};
  chart.series[1].dashed = true;  // LoTaR's weights follow the distances
  return chart;
}

/// The mean length of the projections, which the loss does not see.
inline LineChart norm_chart(const std::vector<lotar::Json>& epochs) {
  return detail::projection_chart(epochs, "Length of the projections", {.label = "mean norm", .low = 0},
                                  {{"norm", "Norm"}});
}

/// The number of dimensions that the projections use.
inline LineChart rank_chart(const std::vector<lotar::Json>& epochs) {
  return detail::projection_chart(epochs, "Dimensions that the projections use", {.label = "effective rank", .low = 0},
                                  {{"effective_rank", "Effective rank"}});
}

/// How close the views of an image are, and how spread out the images.
inline LineChart alignment_chart(const std::vector<lotar::Json>& epochs) {
  return detail::projection_chart(epochs, "Alignment and uniformity of the projections", {.label = "lower is better"},
                                  {{"alignment", "Alignment"}, {"uniformity", "Uniformity"}});
}

/// How many images have which weight, at the last epoch. Without bars if the metrics have no "weight_histogram".
inline BarChart weight_histogram_chart(const std::vector<lotar::Json>& epochs) {
  BarChart chart{"Weights of the images at the last epoch",
                 {.label = "weight in the loss; what lies beyond an end is in its bar"},
                 {.label = "images", .integer = true},
                 0,
                 0,
                 {}};
  if (epochs.empty()) return chart;
  const lotar::Json histogram = detail::value_at(epochs.back(), "weight_histogram");
  const lotar::Json counts = detail::value_at(histogram, "counts");
  chart.low = detail::number_at(histogram, "low");
  chart.high = detail::number_at(histogram, "high");
  if (!(chart.low < chart.high) || !counts.is_array()) return chart;
  for (const lotar::Json& count : counts) chart.heights.push_back(count.is_number() ? count.get<double>() : 0);
  return chart;
}

/// Each class' accuracy against its number of training images, in the colour of its group.
///
/// @param results  of results.json: accuracies from 0 to 1; a class may have its "group": "many", "medium" or "few".
/// @param path     where they came from, for messages.
/// @throws lotar::IoError if there are no classes of the agreed form.
inline ScatterChart accuracy_chart(const lotar::Json& results, const std::string& path) {
  ScatterChart chart{"Accuracy and class size",
                     {.label = "training images of the class (logarithmic)", .log = true},
                     {.label = "accuracy (%)", .low = 0, .high = 100},
                     {}};
  const lotar::Json means = results.is_object() ? results.value("groups", lotar::Json()) : lotar::Json();
  for (const auto& [key, name] : detail::groups) {
    const double mean = detail::number_at(means, key);
    chart.groups.push_back({std::isfinite(mean) ? name + (" (" + fixed(100 * mean, 1) + ")") : name, {}});
  }
  if (!results.is_object() || !results.contains("classes") || !results["classes"].is_array())
    throw lotar::IoError(path, "wanted a list \"classes\"");
  for (const lotar::Json& c : results["classes"]) {
    if (!c.is_object() || !c.contains("name") || !c["name"].is_string() || !c.contains("training_images") ||
        !c.contains("accuracy"))
      throw lotar::IoError(path, "wanted classes of \"name\", \"training_images\" and \"accuracy\", got " + c.dump());
    std::size_t group = detail::groups.size() - 1;
    for (std::size_t i = 0; i < detail::groups.size(); ++i)
      if (c.value("group", lotar::Json()) == detail::groups[i].first) group = i;
    chart.groups[group].points.push_back({detail::number_at(c, "training_images"),
                                          100 * detail::number_at(c, "accuracy"), c["name"].get<std::string>()});
  }
  return chart;
}

/// Writes the pictures of a training that the keys of its metrics.jsonl allow, beside it: of loss.svg, distance.svg,
/// weight.svg, correlation.svg, norm.svg, rank.svg, alignment.svg and weight_histogram.svg.
///
/// @return the paths of what it wrote; none if there are no metrics.
/// @throws lotar::IoError if the file is malformed or a picture cannot be written.
inline std::vector<std::string> write_training_pictures(const std::string& folder) {
  std::vector<std::string> written;
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  if (!std::filesystem::exists(path("metrics.jsonl"))) return written;
  const auto write = [&](const char* name, const std::string& picture) {
    lotar::write_file_atomically(path(name), picture);
    written.push_back(path(name));
  };
  const std::vector<lotar::Json> epochs = read_metrics(path("metrics.jsonl"));
  const auto write_lines = [&](const char* name, const LineChart& chart) {
    if (detail::has_values(chart.series)) write(name, line_chart(chart));
  };
  write_lines("loss.svg", loss_chart(epochs));
  write_lines("distance.svg", distance_chart(epochs));
  write_lines("weight.svg", weight_chart(epochs));
  write_lines("correlation.svg", correlation_chart(epochs));
  write_lines("norm.svg", norm_chart(epochs));
  write_lines("rank.svg", rank_chart(epochs));
  write_lines("alignment.svg", alignment_chart(epochs));
  const BarChart weights = weight_histogram_chart(epochs);
  if (!weights.heights.empty()) write("weight_histogram.svg", bar_chart(weights));
  return written;
}

}  // namespace examples
