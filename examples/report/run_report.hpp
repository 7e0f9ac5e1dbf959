#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
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

/// A line a class group over the epochs; a group that the metrics lack is one long gap.
inline std::vector<Series> group_series(const std::vector<lotar::Json>& epochs, const char* quantity) {
  std::vector<Series> all;
  for (const auto& [key, name] : groups) {
    Series series{name, {}, {}};
    for (const lotar::Json& epoch : epochs) {
      series.x.push_back(number_at(epoch, "epoch"));
      series.y.push_back(number_at(epoch.value(quantity, lotar::Json()), key));
    }
    all.push_back(std::move(series));
  }
  return all;
}

inline bool has_values(const std::vector<Series>& all) {
  return std::any_of(all.begin(), all.end(), [](const Series& s) {
    return std::any_of(s.y.begin(), s.y.end(), [](double v) { return std::isfinite(v); });
  });
}

inline Axis epoch_axis() { return {.label = "epoch", .integer = true}; }

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

/// Writes the pictures that the files of a run's folder allow: loss.svg, distance.svg and weight.svg of metrics.jsonl,
/// accuracy.svg of results.json.
///
/// @return the paths of what it wrote.
/// @throws lotar::IoError if a file is malformed or cannot be written.
inline std::vector<std::string> write_report(const std::string& folder) {
  std::vector<std::string> written;
  const auto path = [&](const char* name) { return (std::filesystem::path(folder) / name).string(); };
  const auto write = [&](const char* name, const std::string& picture) {
    lotar::write_file_atomically(path(name), picture);
    written.push_back(path(name));
  };
  if (std::filesystem::exists(path("metrics.jsonl"))) {
    const std::vector<lotar::Json> epochs = read_metrics(path("metrics.jsonl"));
    const auto write_lines = [&](const char* name, const LineChart& chart) {
      if (detail::has_values(chart.series)) write(name, line_chart(chart));
    };
    write_lines("loss.svg", loss_chart(epochs));
    write_lines("distance.svg", distance_chart(epochs));
    write_lines("weight.svg", weight_chart(epochs));
  }
  if (const std::string results = path("results.json"); std::filesystem::exists(results))
    write("accuracy.svg", scatter_chart(accuracy_chart(lotar::read_json(results), results)));
  return written;
}

}  // namespace examples
