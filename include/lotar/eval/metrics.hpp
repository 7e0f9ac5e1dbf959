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
  double class_deviation = 0;            ///< the same of the classes
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

/// NaN if a value is.
inline double population_deviation(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  for (const double v : values) squares += (v - sum / n) * (v - sum / n);
  return std::sqrt(squares / n);
}

inline void check_predictions(const char* where, std::span<const std::int32_t> predictions,
                              std::span<const std::int32_t> labels) {
  if (predictions.size() != labels.size())
    throw ShapeError(std::string(where) + ": predictions must be [" + std::to_string(labels.size()) + "], got [" +
                     std::to_string(predictions.size()) + "]");
}

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
/// @cost   one pass over the images.
inline Accuracy accuracy(std::span<const std::int32_t> predictions, std::span<const std::int32_t> labels,
                         std::span<const Group> groups) {
  detail::check_predictions("accuracy", predictions, labels);
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
  result.group_deviation = detail::population_deviation(std::vector{result.many, result.medium, result.few});
  result.class_deviation = detail::population_deviation(result.classes);
  return result;
}

/// The mean of the accuracies of batches: where the last is smaller, its images count for more.
///
/// @param predictions  [N]
/// @param labels       [N], N >= 1
/// @param batch_size   >= 1
/// @throws ShapeError if there are not as many predictions as labels, or none.
/// @throws ConfigError for a batch size of 0.
/// @cost   one pass over the images.
inline double batch_mean_accuracy(std::span<const std::int32_t> predictions, std::span<const std::int32_t> labels,
                                  std::size_t batch_size) {
  detail::check_predictions("batch_mean_accuracy", predictions, labels);
  if (labels.empty()) throw ShapeError("batch_mean_accuracy: wanted at least one label, got none");
  if (batch_size == 0) throw ConfigError("batch_mean_accuracy: batch_size must be >= 1, got 0");
  double sum = 0;
  std::size_t batches = 0;
  for (std::size_t first = 0; first < labels.size(); first += batch_size, ++batches) {
    detail::Hits batch;
    for (; batch.total < batch_size && first + batch.total < labels.size(); ++batch.total)
      batch.right += predictions[first + batch.total] == labels[first + batch.total];
    sum += batch.rate();
  }
  return sum / static_cast<double>(batches);
}

/// The mean of each number over several draws of the training set, deviations included.
///
/// @param draws  at least one, all of the same C classes
/// @throws ShapeError if there are none, or they are not of the same classes.
inline Accuracy mean_accuracy(std::span<const Accuracy> draws) {
  if (draws.empty()) throw ShapeError("mean_accuracy: wanted at least one accuracy, got none");
  Accuracy mean;
  mean.classes.resize(draws[0].classes.size());
  const auto n = static_cast<double>(draws.size());
  const auto average = [&](auto part) {
    for (const Accuracy& a : draws) mean.*part += a.*part;
    mean.*part /= n;
  };
  average(&Accuracy::all);
  average(&Accuracy::many);
  average(&Accuracy::medium);
  average(&Accuracy::few);
  average(&Accuracy::group_deviation);
  average(&Accuracy::class_deviation);
  for (const Accuracy& a : draws)
    if (a.classes.size() != mean.classes.size())
      throw ShapeError("mean_accuracy: wanted " + std::to_string(mean.classes.size()) + " classes, got " +
                       std::to_string(a.classes.size()));
  for (std::size_t c = 0; c < mean.classes.size(); ++c) {
    for (const Accuracy& a : draws) mean.classes[c] += a.classes[c];
    mean.classes[c] /= n;
  }
  return mean;
}

/// What several runs gave.
struct Spread {
  double mean = 0;
  double deviation = 0;  ///< sample standard deviation (n - 1); NaN for a single run
};

/// The mean and the sample deviation of several runs' values.
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
