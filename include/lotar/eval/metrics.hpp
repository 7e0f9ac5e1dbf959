#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/groups.hpp>

namespace lotar {

/// Fractions of images whose class was found, in [0, 1]; NaN where there were no images.
struct Accuracy {
  double all = 0;
  double many = 0, medium = 0, few = 0;  ///< over the images of a group's classes
  double group_deviation = 0;            ///< population standard deviation of the three: how unfair the features are
  std::vector<double> classes;           ///< [C]
};

namespace detail {

/// How often something was right.
struct Hits {
  std::size_t right = 0, total = 0;

  double rate() const {
    if (total == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>(right) / static_cast<double>(total);
  }
};

inline std::size_t check_class(const char* name, std::span<const std::int32_t> classes, std::size_t i,
                               std::size_t count) {
  if (classes[i] < 0 || static_cast<std::size_t>(classes[i]) >= count)
    throw ConfigError("accuracy: " + std::string(name) + " must be in [0, " + std::to_string(count) + "), got " +
                      std::to_string(classes[i]) + " at " + std::to_string(i));
  return static_cast<std::size_t>(classes[i]);
}

}  // namespace detail

/// How often the predicted classes are right: over all images, per group and per class.
///
/// @param predictions  [N] in [0, C)
/// @param labels       [N] in [0, C)
/// @param groups       [C] each class's, see group_classes
/// @throws ShapeError if there are not as many predictions as labels.
/// @throws ConfigError for a class out of range.
inline Accuracy accuracy(std::span<const std::int32_t> predictions, std::span<const std::int32_t> labels,
                         std::span<const Group> groups) {
  if (predictions.size() != labels.size())
    throw ShapeError("accuracy: predictions must be [" + std::to_string(labels.size()) + "], got [" +
                     std::to_string(predictions.size()) + "]");
  std::vector<detail::Hits> classes(groups.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::size_t label = detail::check_class("labels", labels, i, groups.size());
    classes[label].right += detail::check_class("predictions", predictions, i, groups.size()) == label;
    ++classes[label].total;
  }
  detail::Hits all, group[3];
  Accuracy result;
  for (std::size_t c = 0; c < groups.size(); ++c) {
    for (detail::Hits* sum : {&all, &group[static_cast<std::size_t>(groups[c])]}) {
      sum->right += classes[c].right;
      sum->total += classes[c].total;
    }
    result.classes.push_back(classes[c].rate());
  }
  result.all = all.rate();
  result.many = group[0].rate();
  result.medium = group[1].rate();
  result.few = group[2].rate();
  const double mean = (result.many + result.medium + result.few) / 3;
  double squares = 0;
  for (const double g : {result.many, result.medium, result.few}) squares += (g - mean) * (g - mean);
  result.group_deviation = std::sqrt(squares / 3);
  return result;
}

/// What several runs gave.
struct Spread {
  double mean = 0;
  double deviation = 0;  ///< sample standard deviation (n - 1); NaN for a single run
};

/// @throws ConfigError if there are no values.
inline Spread spread(std::span<const double> values) {
  if (values.empty()) throw ConfigError("spread: wanted at least one value, got none");
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1))};
}

}  // namespace lotar
