#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <lotar/io/json.hpp>

#include "../report/chart.hpp"
#include "../report/method_chart.hpp"
#include "../report/run_report.hpp"
#include "../text.hpp"
#include "grid.hpp"
#include "recipe.hpp"
#include "run_state.hpp"
#include "score_text.hpp"

/// A reproduction as one page that needs nothing but itself: tables, pictures, and what was run.
namespace examples {

/// A run that a recipe wants, and how far it is.
struct ReportedRun {
  PlannedRun run;
  RunState state;
};

namespace detail {

/// A picture as a part of a page: without the declarations of a file.
inline std::string inline_svg(std::string svg) {
  svg.erase(0, svg.find("<svg"));
  const std::string space = " xmlns=\"http://www.w3.org/2000/svg\"";
  svg.erase(svg.find(space), space.size());
  return svg;
}

/// The mean of charts of the same series, at each x over those that have it there.
inline LineChart mean_chart(const std::vector<LineChart>& charts) {
  LineChart mean = charts.front();
  for (std::size_t s = 0; s < mean.series.size(); ++s) {
    std::map<double, std::vector<double>> values;
    for (const LineChart& chart : charts)
      for (std::size_t i = 0; i < chart.series[s].x.size(); ++i)
        values[chart.series[s].x[i]].push_back(chart.series[s].y[i]);
    mean.series[s].x.clear(), mean.series[s].y.clear();
    for (const auto& [x, ys] : values) {
      mean.series[s].x.push_back(x);
      mean.series[s].y.push_back(spread_of_numbers(ys).mean);
    }
  }
  return mean;
}

/// The classes of all runs in one picture; where there are several, names lie under the pointer and say of which run.
inline ScatterChart all_classes_chart(const std::vector<const ReportedRun*>& runs) {
  ScatterChart all;
  for (const ReportedRun* reported : runs) {
    ScatterChart one = accuracy_chart(reported->state.results, reported->run.folder());
    if (runs.size() > 1)
      for (std::size_t g = 0; g < one.groups.size(); ++g) {
        one.groups[g].name = groups[g].second;  // the mean in the name would be one run's
        for (PointGroup::Point& p : one.groups[g].points) p.name += ", split " + std::to_string(reported->run.split);
      }
    if (all.groups.empty()) {
      all = std::move(one);
      all.named = runs.size() == 1;
      continue;
    }
    for (std::size_t g = 0; g < all.groups.size(); ++g)
      all.groups[g].points.insert(all.groups[g].points.end(), one.groups[g].points.begin(), one.groups[g].points.end());
  }
  return all;
}

/// The pictures of a method's runs; "" if none has begun.
inline std::string method_section(const std::string& method, const std::vector<ReportedRun>& runs) {
  std::vector<const ReportedRun*> judged;
  constexpr std::array charts_of{loss_chart, distance_chart, weight_chart,   correlation_chart,
                                 norm_chart, rank_chart,     alignment_chart};
  std::array<std::vector<LineChart>, charts_of.size()> charts;
  const RunState* last = nullptr;
  for (const ReportedRun& reported : runs) {
    if (reported.run.method != method) continue;
    if (reported.state.stage == Stage::done) judged.push_back(&reported);
    if (reported.state.metrics.empty()) continue;
    last = &reported.state;
    for (std::size_t i = 0; i < charts.size(); ++i) charts[i].push_back(charts_of[i](reported.state.metrics));
  }
  if (last == nullptr) return "";
  const std::size_t begun = charts.front().size();
  std::string text =
      "<h2>" + xml_escape(method) + "</h2>\n<p>" + std::to_string(begun) +
      (begun == 1 ? " run" : " runs: lines are their mean, points each run's classes, bars the last run's images") +
      ".</p>\n<div class=\"pictures\">\n";
  for (const std::vector<LineChart>& of_runs : charts)
    if (const LineChart mean = mean_chart(of_runs); has_values(mean.series)) text += inline_svg(line_chart(mean));
  if (const BarChart weights = weight_histogram_chart(last->metrics); !weights.heights.empty())
    text += inline_svg(bar_chart(weights));
  if (!judged.empty()) text += inline_svg(scatter_chart(all_classes_chart(judged)));
  return text + "</div>\n";
}

inline MethodChart score_chart(const Scoreboard& board) {
  MethodChart chart{"Linear probe, mean and sample deviation over the splits", {}, {.label = "accuracy (%)"}, {}};
  for (const auto& [key, name] : groups) chart.categories.emplace_back(name);
  for (const ScoreRow& row : board.probe) {
    chart.methods.push_back({row.method, {}, {}});
    for (std::size_t g = 0; g < groups.size(); ++g) {
      chart.methods.back().means.push_back(row.scores[g].mean);
      chart.methods.back().deviations.push_back(row.scores[g].deviation);
    }
  }
  return chart;
}

inline std::string options_text(const lotar::Json& options) {
  std::string text;
  for (const std::string& argument : option_arguments(options)) text += (text.empty() ? "" : " ") + argument;
  return text;
}

/// What all methods are told, and what each is told beyond that.
inline Grid options_grid(const Recipe& recipe) {
  lotar::Json common = recipe.methods.front().options;
  for (const RecipeMethod& method : recipe.methods)
    for (auto at = common.begin(); at != common.end();)
      at = method.options.value(at.key(), lotar::Json()) == at.value() ? std::next(at) : common.erase(at);
  Grid grid{"Options; what is not named is as the programs' --help says", {"for", "options"}, {}};
  grid.rows.push_back({"pretrain, all methods", options_text(common)});
  for (const RecipeMethod& method : recipe.methods) {
    lotar::Json own = method.options;
    for (const auto& [name, unused] : common.items()) own.erase(name);
    grid.rows.push_back({"pretrain, " + method.name, options_text(own)});
  }
  grid.rows.push_back({"linear_eval", options_text(recipe.evaluation)});
  return grid;
}

inline Grid runs_grid(const std::vector<ReportedRun>& runs) {
  Grid grid{"Runs", {"folder", "state", "epochs", "training time", "images/s", "last loss", "probe, all"}, {}};
  for (const ReportedRun& reported : runs) {
    const auto& [run, state] = reported;
    static const std::map<Stage, const char*> names{
        {Stage::fresh, "not begun"},          {Stage::begun, "begun"},     {Stage::done, "done"},
        {Stage::unjudged, "results damaged"}, {Stage::damaged, "damaged"}, {Stage::another_run, "of other options"}};
    std::vector<std::string> row{run.folder(), names.at(state.stage), std::to_string(state.metrics.size())};
    double seconds = 0, rate = 0;
    for (const lotar::Json& epoch : state.metrics) {
      seconds += number_at(epoch, "seconds");
      rate += number_at(epoch, "images_per_second") / static_cast<double>(state.metrics.size());
    }
    const auto number = [](double v, int decimals) { return std::isfinite(v) ? fixed(v, decimals) : std::string("-"); };
    const bool begun = !state.metrics.empty();
    row.push_back(begun && std::isfinite(seconds) ? clock_text(seconds) : "-");
    row.push_back(begun ? number(rate, 0) : "-");
    row.push_back(begun ? number(number_at(state.metrics.back(), "loss"), 4) : "-");
    row.push_back(number(100 * number_at(state.results, "all"), 2));
    grid.rows.push_back(row);
  }
  return grid;
}

inline constexpr const char* page_style =
    "body{font:15px/1.5 Helvetica,Arial,'DejaVu Sans',sans-serif;color:#222;max-width:1180px;margin:2em auto;padding:0 "
    "1.5em}"
    "h1{font-size:26px}h2{font-size:20px;margin-top:2em;border-bottom:1px solid #ddd}"
    "table{border-collapse:collapse;margin:1.5em 0}caption{text-align:left;font-weight:bold;padding-bottom:.4em}"
    "th,td{padding:.25em .9em;text-align:right;border-bottom:1px solid #e4e4e4;white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left;padding-left:0}thead th{border-bottom:2px solid #777}"
    ".pale td{color:#777;font-style:italic}.pale td:first-child{padding-left:1.5em}"
    ".options td{white-space:normal;text-align:left;vertical-align:top}.options td:first-child{white-space:nowrap}"
    ".options th{text-align:left}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(480px,1fr));gap:1em}"
    "svg{width:100%;height:auto;max-width:760px}p{max-width:60em}";

}  // namespace detail

/// The page.
/// @param heading  what it is about.
/// @param made     what computed it, and when.
inline std::string html_report(const Recipe& recipe, const Scoreboard& board, const std::vector<ReportedRun>& runs,
                               const std::string& heading, const std::string& made) {
  std::string text = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
                     xml_escape(heading) + "</title>\n<style>" + detail::page_style + "</style>\n</head>\n<body>\n";
  const auto paragraph = [&](const std::string& words) {
    if (!words.empty()) text += "<p>" + xml_escape(words) + "</p>\n";
  };
  text += "<h1>" + xml_escape(heading) + "</h1>\n";
  paragraph(recipe.about);
  text += detail::inline_svg(method_chart(detail::score_chart(board)));
  for (const Grid& grid : grids(board)) text += html(grid);
  if (!board.differences.empty()) paragraph(difference_sentence(board));
  if (!board.source.empty()) paragraph("Published: " + board.source);
  for (const RecipeMethod& method : recipe.methods) text += detail::method_section(method.name, runs);
  text += "<h2>What was run</h2>\n<div class=\"options\">\n" + html(detail::options_grid(recipe)) + "</div>\n" +
          html(detail::runs_grid(runs));
  paragraph(made);
  return text + "</body>\n</html>\n";
}

}  // namespace examples
