#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/eval/metrics.hpp>
#include <lotar/io/json.hpp>

#include "../report/run_report.hpp"

/// The thesis' tables: accuracies of methods over Many, Medium, Few and All, mean and sample deviation over the splits.
namespace examples {

/// The columns of the tables: their keys in results, and their names. Std is the population deviation of the accuracies
/// over Many, Medium and Few, which says how balanced the features are.
inline constexpr std::array<std::pair<const char*, const char*>, 5> score_columns{
    {{"many", "Many"}, {"medium", "Medium"}, {"few", "Few"}, {"all", "All"}, {"std", "Std"}}};
inline constexpr std::size_t score_count = score_columns.size();

/// What one run gave, in %, a number a column; NaN where there is none.
using GroupScores = std::array<double, score_count>;

/// What one run gave.
struct RunScores {
  std::string method;
  std::uint64_t split = 0, seed = 0;
  GroupScores probe{}, knn{};
};

/// A row of a table: a mean and a sample deviation a column; NaN where there is none.
struct ScoreRow {
  std::string method;
  std::size_t splits = 0;
  std::array<lotar::Spread, score_count> scores{};
  std::array<std::size_t, score_count> counts{};  ///< splits that gave a number
};

namespace detail {

inline constexpr double no_number = std::numeric_limits<double>::quiet_NaN();

inline GroupScores scores_of(const lotar::Json& judged) {
  GroupScores scores{};
  const lotar::Json means = judged.is_object() ? judged.value("groups", lotar::Json()) : lotar::Json();
  for (std::size_t g = 0; g < score_count; ++g) {
    const std::string key = score_columns[g].first;
    scores[g] = 100 * (key == "all"   ? number_at(judged, "all")
                       : key == "std" ? number_at(judged, "group_deviation")
                                      : number_at(means, key.c_str()));
  }
  return scores;
}

inline std::vector<double> numbers_of(std::vector<double> values) {
  std::erase_if(values, [](double v) { return !std::isfinite(v); });
  return values;
}

/// Mean and sample deviation of what is a number.
inline lotar::Spread spread_of_numbers(const std::vector<double>& values) {
  const std::vector<double> numbers = numbers_of(values);
  if (numbers.empty()) return {no_number, no_number};
  return lotar::spread(numbers);
}

/// The scores of a method on each split, seeds averaged.
inline std::map<std::uint64_t, GroupScores> scores_by_split(const std::vector<RunScores>& runs,
                                                            const std::string& method, GroupScores RunScores::*which) {
  std::map<std::uint64_t, std::vector<const RunScores*>> by_split;
  for (const RunScores& run : runs)
    if (run.method == method) by_split[run.split].push_back(&run);
  std::map<std::uint64_t, GroupScores> means;
  for (const auto& [split, seeds] : by_split)
    for (std::size_t g = 0; g < score_count; ++g) {
      std::vector<double> values;
      for (const RunScores* run : seeds) values.push_back((run->*which)[g]);
      means[split][g] = spread_of_numbers(values).mean;
    }
  return means;
}

inline ScoreRow spread_over_splits(const std::string& method, const std::map<std::uint64_t, GroupScores>& splits) {
  ScoreRow row{method, splits.size(), {}};
  for (std::size_t g = 0; g < score_count; ++g) {
    std::vector<double> values;
    for (const auto& [split, scores] : splits) values.push_back(scores[g]);
    values = numbers_of(std::move(values));
    row.scores[g] = spread_of_numbers(values);
    row.counts[g] = values.size();
  }
  return row;
}

}  // namespace detail

/// The scores of a run's results.json.
/// @throws lotar::IoError unless it has a number "all" and a list of classes.
inline RunScores run_scores(const lotar::Json& results, const std::string& path) {
  if (!std::isfinite(detail::number_at(results, "all"))) throw lotar::IoError(path, "wanted a number \"all\"");
  accuracy_chart(results, path);  // refuses what has no classes
  return {"", 0, 0, detail::scores_of(results), detail::scores_of(results.value("knn", lotar::Json()))};
}

/// A row a method, in their order: seeds are averaged within a split, then come mean and deviation over the splits.
/// @param which  &RunScores::probe or &RunScores::knn.
inline std::vector<ScoreRow> score_rows(const std::vector<std::string>& methods, const std::vector<RunScores>& runs,
                                        GroupScores RunScores::*which) {
  std::vector<ScoreRow> rows;
  for (const std::string& method : methods)
    rows.push_back(detail::spread_over_splits(method, detail::scores_by_split(runs, method, which)));
  return rows;
}

/// By how much the other methods exceed the baseline, over the splits that both have, paired by split: what makes one
/// split harder than another does not count.
inline std::vector<ScoreRow> difference_rows(const std::vector<std::string>& methods,
                                             const std::vector<RunScores>& runs, GroupScores RunScores::*which,
                                             const std::string& baseline) {
  const auto base = detail::scores_by_split(runs, baseline, which);
  std::vector<ScoreRow> rows;
  for (const std::string& method : methods) {
    if (method == baseline) continue;
    std::map<std::uint64_t, GroupScores> differences;
    for (const auto& [split, scores] : detail::scores_by_split(runs, method, which)) {
      const auto found = base.find(split);
      if (found == base.end()) continue;
      for (std::size_t g = 0; g < score_count; ++g) differences[split][g] = scores[g] - found->second[g];
    }
    rows.push_back(detail::spread_over_splits(method, differences));
  }
  return rows;
}

/// Whether 0 lies outside the 95 % confidence interval of a mean difference, mean ± t s / sqrt(n) of Student's t with
/// n - 1 degrees of freedom; never for a single split.
inline bool significant(const ScoreRow& differences, std::size_t column) {
  constexpr std::array t{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};  // 97.5 %
  const std::size_t n = differences.counts[column];
  if (n < 2) return false;
  const lotar::Spread& difference = differences.scores[column];
  const double quantile = t[std::min(n - 2, t.size() - 1)];  // of more splits a little too large
  return std::abs(difference.mean) > quantile * difference.deviation / std::sqrt(static_cast<double>(n));
}

/// What others report for a method on a data set; NaN where they do not.
/// @param published  of a recipe.
inline ScoreRow published_row(const lotar::Json& published, const std::string& dataset, const std::string& method) {
  ScoreRow row{method, 0, {}};
  row.scores.fill({detail::no_number, detail::no_number});
  const lotar::Json cells =
      published.value(lotar::Json::json_pointer("/" + dataset + "/methods/" + method), lotar::Json());
  for (std::size_t g = 0; g < score_count; ++g) {
    if (!cells.is_object() || !cells.contains(score_columns[g].first)) continue;
    const lotar::Json& cell = cells[score_columns[g].first];
    row.scores[g].mean = cell[0].get<double>();
    if (cell.size() == 2) row.scores[g].deviation = cell[1].get<double>();
  }
  return row;
}

}  // namespace examples
