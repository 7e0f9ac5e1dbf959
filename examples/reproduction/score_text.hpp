#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "../text.hpp"
#include "grid.hpp"
#include "recipe.hpp"
#include "results_table.hpp"

/// The tables of a reproduction in words and numbers.
namespace examples {

/// All that the tables of a recipe's runs say.
struct Scoreboard {
  std::vector<ScoreRow> probe, knn, published;  ///< a row a method, in the same order
  std::vector<ScoreRow> differences;            ///< of the probe, to the baseline's row
  std::string source;                           ///< of what is published; "" for nothing
};

inline constexpr const char* baseline_method = "simclr";

inline Scoreboard scoreboard(const Recipe& recipe, const std::vector<RunScores>& runs) {
  std::vector<std::string> methods;
  for (const RecipeMethod& method : recipe.methods) methods.push_back(method.name);
  Scoreboard board{
      score_rows(methods, runs, &RunScores::probe), score_rows(methods, runs, &RunScores::knn), {}, {}, ""};
  for (const std::string& method : methods)
    board.published.push_back(published_row(recipe.published, recipe.dataset, method));
  if (recipe.find(baseline_method) != nullptr)
    board.differences = difference_rows(methods, runs, &RunScores::probe, baseline_method);
  if (recipe.published.contains(recipe.dataset)) board.source = recipe.published[recipe.dataset]["source"];
  return board;
}

namespace detail {

/// "78.22 ± 3.47"; "-" for what is not a number.
/// @param least  characters of the deviation, so that columns align.
inline std::string spread_text(const lotar::Spread& spread, bool sign = false, std::size_t least = 0) {
  const std::string deviation = std::isfinite(spread.deviation) ? fixed(spread.deviation, 2) : "-";
  const std::string space(std::max(least, deviation.size()) - deviation.size(), ' ');
  if (!std::isfinite(spread.mean)) return "-";
  const std::string plus = sign && spread.mean >= 0 ? "+" : "";
  return plus + fixed(spread.mean, 2) + " ± " + space + deviation;
}

inline bool has_numbers(const ScoreRow& row) {
  return std::any_of(row.scores.begin(), row.scores.end(), [](const auto& s) { return std::isfinite(s.mean); });
}

inline std::vector<std::string> score_cells(std::string name, std::string splits, const ScoreRow& row,
                                            bool sign = false) {
  std::vector<std::string> cells{std::move(name), std::move(splits)};
  for (const lotar::Spread& score : row.scores) cells.push_back(spread_text(score, sign, 5));
  return cells;
}

inline std::vector<std::string> score_header(const char* first) {
  std::vector<std::string> header{first, "splits"};
  for (const auto& [key, name] : score_columns) header.emplace_back(name);
  return header;
}

}  // namespace detail

/// The table of the thesis: a method's row, and under it what is published.
inline Grid probe_grid(const Scoreboard& board) {
  Grid grid{
      "Accuracy of a linear probe (supervised: of its own classifier) in %, mean ± sample deviation over the splits",
      detail::score_header("method"),
      {}};
  for (std::size_t i = 0; i < board.probe.size(); ++i) {
    const ScoreRow& row = board.probe[i];
    grid.rows.push_back(detail::score_cells(row.method, std::to_string(row.splits), row));
    grid.pale.push_back(false);
    if (!detail::has_numbers(board.published[i])) continue;
    grid.rows.push_back(detail::score_cells("  published", "", board.published[i]));
    grid.pale.push_back(true);
  }
  return grid;
}

inline Grid knn_grid(const Scoreboard& board) {
  Grid grid{"Accuracy of nearest neighbours in %, mean ± sample deviation over the splits",
            detail::score_header("method"),
            {}};
  for (const ScoreRow& row : board.knn)
    grid.rows.push_back(detail::score_cells(row.method, std::to_string(row.splits), row));
  return grid;
}

/// The paired differences to the baseline; those that are significant have a star.
inline Grid difference_grid(const Scoreboard& board) {
  Grid grid{std::string("Linear probe: difference to ") + baseline_method + ", paired by split",
            detail::score_header("method"),
            {}};
  for (const ScoreRow& row : board.differences) {
    grid.rows.push_back(detail::score_cells(row.method, std::to_string(row.splits), row, true));
    for (std::size_t g = 0; g < score_count; ++g) grid.rows.back()[2 + g] += significant(row, g) ? " *" : "  ";
  }
  return grid;
}

/// Which differences are significant, in a sentence.
inline std::string difference_sentence(const Scoreboard& board) {
  std::string list;
  bool comparable = false;
  for (const ScoreRow& row : board.differences)
    for (std::size_t g = 0; g < score_count; ++g) {
      comparable |= std::isfinite(row.scores[g].deviation);
      if (significant(row, g))
        list += (list.empty() ? "" : "; ") + row.method + " " + score_columns[g].second + " " +
                detail::spread_text(row.scores[g], true);
    }
  if (!comparable) return "No two splits that can be compared: whether a difference is more than chance is not known.";
  if (list.empty())
    return "No difference to " + std::string(baseline_method) +
           " is significant: the 95 % confidence interval of each (Student's t over the splits) has 0 in it.";
  return "Starred differences are significant: their 95 % confidence intervals (Student's t over the splits) do not "
         "have 0 in them. Of differences that are chance alone, one in twenty is starred too. " +
         list + ".";
}

/// The tables that have something to say.
inline std::vector<Grid> grids(const Scoreboard& board) {
  std::vector<Grid> all{probe_grid(board), knn_grid(board)};
  if (!board.differences.empty()) all.push_back(difference_grid(board));
  return all;
}

namespace detail {

template <class Show>
std::string tables(const Scoreboard& board, const std::string& heading, Show show) {
  std::string text = heading + "\n\n";
  for (const Grid& grid : grids(board)) text += show(grid) + "\n";
  if (!board.differences.empty()) text += difference_sentence(board) + "\n";
  if (!board.source.empty()) text += "Published: " + board.source + "\n";
  return text;
}

}  // namespace detail

inline std::string plain_text(const Scoreboard& board, const std::string& heading) {
  return detail::tables(board, heading, [](const Grid& grid) { return plain_text(grid); });
}

inline std::string markdown(const Scoreboard& board, const std::string& heading) {
  return detail::tables(board, "# " + heading, [](const Grid& grid) { return markdown(grid); });
}

/// The tables for programs to read: {"methods": [{"name", "splits", "probe", "knn", "published", "difference"}]}, each
/// a {"mean", "deviation"} in % by column; what is not there is missing.
inline lotar::Json to_json(const Scoreboard& board) {
  const auto cells = [](const ScoreRow& row) {
    lotar::Json json = lotar::Json::object();
    for (std::size_t g = 0; g < score_count; ++g) {
      const lotar::Spread& s = row.scores[g];
      if (!std::isfinite(s.mean)) continue;
      json[score_columns[g].first]["mean"] = s.mean;
      if (std::isfinite(s.deviation)) json[score_columns[g].first]["deviation"] = s.deviation;
    }
    return json;
  };
  lotar::Json methods = lotar::Json::array();
  for (std::size_t i = 0; i < board.probe.size(); ++i) {
    methods.push_back({{"name", board.probe[i].method}, {"splits", board.probe[i].splits}});
    methods.back()["probe"] = cells(board.probe[i]);
    methods.back()["knn"] = cells(board.knn[i]);
    methods.back()["published"] = cells(board.published[i]);
    for (const ScoreRow& row : board.differences)
      if (row.method == board.probe[i].method) methods.back()["difference"] = cells(row);
  }
  return {{"baseline", baseline_method}, {"source", board.source}, {"methods", methods}};
}

/// A line a method and evaluation, for spreadsheets; empty cells for what is not there.
inline std::string csv(const Scoreboard& board) {
  std::string text = "evaluation,method,splits";
  for (const char* which : {"", "published_"})
    for (const auto& [key, name] : score_columns)
      text.append(",").append(which).append(key).append(",").append(which).append(key).append("_deviation");
  text += "\n";
  const auto cells = [](const ScoreRow& row) {
    std::string line;
    for (const lotar::Spread& s : row.scores)
      for (const double v : {s.mean, s.deviation}) line.append(",").append(std::isfinite(v) ? fixed(v, 4) : "");
    return line;
  };
  const auto line = [&](const char* evaluation, const ScoreRow& row, const std::string& published) {
    text +=
        std::string(evaluation) + "," + row.method + "," + std::to_string(row.splits) + cells(row) + published + "\n";
  };
  for (std::size_t i = 0; i < board.probe.size(); ++i) line("probe", board.probe[i], cells(board.published[i]));
  for (const ScoreRow& row : board.knn) line("knn", row, std::string(2 * score_count, ','));
  return text;
}

}  // namespace examples
