#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/few_shot.hpp>
#include <lotar/data/groups.hpp>
#include <lotar/eval/metrics.hpp>
#include <lotar/eval/protocols.hpp>
#include <lotar/io/json.hpp>

#include "text.hpp"

/// What an evaluation is made on, and what it says: no computing in here.
namespace examples {

/// The options of `linear_eval`.
struct EvalOptions {
  std::string run = "runs/lotar", data, groups, few_shot = "none";
  std::vector<std::string> protocols{"thesis"};
  std::size_t draws = 0, augmented_copies = 0;
  bool untrained = false;
  int threads = 0;
};

/// The images of a balanced training set that a probe learns from, and those that choose its best epoch; ascending.
struct ProbeImages {
  std::vector<std::uint32_t> training, validation;
  bool operator==(const ProbeImages&) const = default;
};

inline bool is_few_shot(const std::string& few_shot) { return few_shot != "none" && few_shot != "0"; }

/// The protocol of a name, its groups by another convention unless that is "". A network that classifies by itself is
/// judged by that alone.
/// @throws lotar::ConfigError for a name that there is not.
inline lotar::Protocol choose_protocol(const std::string& name, const std::string& groups, bool classifies) {
  lotar::Protocol chosen = lotar::find_protocol(name);
  if (classifies) chosen = {.name = "classifier", .probe = {}, .groups = chosen.groups};
  if (!groups.empty()) chosen.groups = lotar::parse_group_convention(groups);
  return chosen;
}

/// How many training sets --draws means.
inline std::size_t draw_count(const lotar::Protocol& protocol, const std::string& few_shot, std::size_t draws) {
  if (!is_few_shot(few_shot)) return 1;
  return draws > 0 ? draws : protocol.few_shot_draws;
}

/// How many copies of the training features --augmented-copies means.
inline std::size_t copy_count(const lotar::Protocol& protocol, const std::string& few_shot, std::size_t copies) {
  if (!protocol.crop_flip && !protocol.batch_statistics) return 1;
  const std::size_t epochs = protocol.options(is_few_shot(few_shot)).epochs;
  const std::size_t wanted = copies > 0 ? copies : protocol.copies;
  return wanted == 0 ? epochs : std::min(wanted, epochs);
}

/// The options of `linear_eval` that accuracies depend on, with what they leave to the protocol.
/// @param protocol  see choose_protocol
inline lotar::Json evaluation_json(const lotar::Protocol& protocol, const std::string& few_shot, std::size_t draws,
                                   std::size_t copies) {
  return {{"protocol", protocol.name},
          {"groups", lotar::group_convention_name(protocol.groups)},
          {"few-shot", is_few_shot(few_shot) ? few_shot : "none"},
          {"draws", draw_count(protocol, few_shot, draws)},
          {"augmented-copies", copy_count(protocol, few_shot, copies)}};
}

/// The images for one draw: first those held out, which are the same in every draw, then of the rest a few-shot subset.
///
/// @param few_shot  see few_shot_sizes; none or 0 for all images
/// @throws lotar::ConfigError for a subset that the data set does not have.
inline ProbeImages choose_images(std::span<const std::int32_t> labels, std::size_t classes,
                                 const lotar::Protocol& protocol, const std::string& few_shot, std::uint64_t seed) {
  ProbeImages chosen;
  std::vector<std::uint32_t> rest(labels.size());
  std::iota(rest.begin(), rest.end(), 0u);
  if (protocol.validation_percent > 0) {
    const std::string percent = std::to_string(protocol.validation_percent) + "%";
    const auto sizes = lotar::few_shot_sizes(percent, lotar::count_classes(labels, classes));
    chosen.validation = lotar::few_shot_indices(labels, sizes, 1);
    const std::vector<std::uint32_t> all = std::move(rest);
    rest.clear();
    std::set_difference(all.begin(), all.end(), chosen.validation.begin(), chosen.validation.end(),
                        std::back_inserter(rest));
  }
  if (!is_few_shot(few_shot)) {
    chosen.training = std::move(rest);
    return chosen;
  }
  std::vector<std::int32_t> left;
  for (const std::uint32_t i : rest) left.push_back(labels[i]);
  const auto sizes = lotar::few_shot_sizes(few_shot, lotar::count_classes(left, classes));
  for (const std::uint32_t i : lotar::few_shot_indices(left, sizes, seed)) chosen.training.push_back(rest[i]);
  return chosen;
}

/// Accuracies by every convention of what a group is; over all images and of each class they are the same.
using Scores = std::map<lotar::GroupConvention, lotar::Accuracy>;

/// @param counts  of each class in the long-tailed training set
inline Scores score(std::span<const std::int32_t> predictions, std::span<const std::int32_t> labels,
                    std::span<const std::size_t> counts) {
  Scores scores;
  for (const auto& [name, convention] : lotar::group_conventions)
    scores[convention] = lotar::accuracy(predictions, labels, lotar::group_classes(counts, convention));
  return scores;
}

inline Scores mean_scores(std::span<const Scores> draws) {
  Scores mean;
  for (const auto& [name, convention] : lotar::group_conventions) {
    std::vector<lotar::Accuracy> all;
    for (const Scores& s : draws) all.push_back(s.at(convention));
    mean[convention] = lotar::mean_accuracy(all);
  }
  return mean;
}

/// How one network did by one protocol: an entry a draw of the probe's training images, of seed 1, 2, ...
struct Judged {
  std::size_t training_images = 0, validation_images = 0, copies = 1;  ///< of the classifier
  std::vector<Scores> classifier, knn;  ///< the classifier is the probe, or the network's own
};

/// What the classes are, for results.
struct ClassTable {
  std::vector<std::string> names;
  std::vector<std::size_t> counts;  ///< in the long-tailed training set
  lotar::GroupConvention groups = lotar::GroupConvention::thesis;
};

namespace detail {

inline lotar::Json group_json(const lotar::Accuracy& a) {
  return {{"many", a.many}, {"medium", a.medium}, {"few", a.few}};
}

inline lotar::Json scores_json(const Scores& s, lotar::GroupConvention convention) {
  const lotar::Accuracy& a = s.at(convention);
  lotar::Json json{{"all", a.all},
                   {"groups", group_json(a)},
                   {"group_deviation", a.group_deviation},
                   {"class_deviation", a.class_deviation}};
  for (const auto& [name, other] : lotar::group_conventions) {
    lotar::Json& by = json["groups_by_convention"][name];
    by = group_json(s.at(other));
    by["deviation"] = s.at(other).group_deviation;
  }
  return json;
}

}  // namespace detail

/// One protocol's part of results.json: accuracies are means over the draws, with their spread if there are several.
/// Those of a group without classes are not numbers, of which JSON makes null.
///
/// @param untrained  null, or how the network did before its training
inline lotar::Json results_json(const Judged& judged, const Judged* untrained, const ClassTable& table,
                                const std::string& few_shot) {
  const Scores classifier = mean_scores(judged.classifier), knn = mean_scores(judged.knn);
  lotar::Json json = detail::scores_json(classifier, table.groups);
  json["knn"] = detail::scores_json(knn, table.groups);
  json["few_shot"] = is_few_shot(few_shot) ? few_shot : "none";
  json["training_images"] = judged.training_images;
  json["validation_images"] = judged.validation_images;
  json["augmented_copies"] = judged.copies;
  json["draws"] = lotar::Json::array();
  std::vector<double> all;
  for (std::size_t i = 0; i < judged.classifier.size(); ++i) {
    lotar::Json draw = detail::scores_json(judged.classifier[i], table.groups);
    draw["seed"] = i + 1;
    draw["knn"] = judged.knn[i].at(table.groups).all;
    json["draws"].push_back(std::move(draw));
    all.push_back(judged.classifier[i].at(table.groups).all);
  }
  if (all.size() > 1) json["draw_deviation"] = lotar::spread(all).deviation;
  json["classes"] = lotar::Json::array();
  static constexpr const char* names[] = {"many", "medium", "few"};
  const std::vector<lotar::Group> groups = lotar::group_classes(table.counts, table.groups);
  for (std::size_t c = 0; c < table.counts.size(); ++c)
    json["classes"].push_back({{"name", table.names[c]},
                               {"training_images", table.counts[c]},
                               {"group", names[static_cast<int>(groups[c])]},
                               {"accuracy", classifier.at(table.groups).classes[c]},
                               {"knn", knn.at(table.groups).classes[c]}});
  if (untrained != nullptr) {
    const Scores before = mean_scores(untrained->classifier);
    json["untrained"] = detail::scores_json(before, table.groups);
    json["untrained"]["knn"] = mean_scores(untrained->knn).at(table.groups).all;
  }
  return json;
}

/// One protocol's part of results.txt, a table in %; "-" for a group without classes.
///
/// @param method  the trained network's name in it
inline std::string results_text(const std::string& protocol, const std::string& method, const Judged& judged,
                                const Judged* untrained, lotar::GroupConvention groups) {
  const std::size_t draws = judged.classifier.size();
  std::string text = "accuracy in %: " + protocol + ", " +
                     (draws > 1 ? "mean of " + std::to_string(draws) + " draws of " : std::string()) +
                     std::to_string(judged.training_images) + " training images\n" +
                     "              Many  Medium     Few     All   kNN All\n";
  const auto row = [&](const std::string& name, const Judged& j) {
    const lotar::Accuracy a = mean_scores(j.classifier).at(groups);
    text += name + std::string(name.size() < 10 ? 10 - name.size() : 0, ' ');
    const auto cell = [](double value, std::size_t width) {
      const std::string number = std::isfinite(value) ? fixed(100 * value, 2) : "-";
      return std::string(number.size() < width ? width - number.size() : 0, ' ') + number;
    };
    for (const double value : {a.many, a.medium, a.few, a.all}) text += cell(value, 8);
    text += cell(mean_scores(j.knn).at(groups).all, 10) + "\n";
  };
  if (untrained != nullptr) row("untrained", *untrained);
  row(method, judged);
  return text;
}

}  // namespace examples
