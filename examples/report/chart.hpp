#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>

#include "axis.hpp"
#include "svg.hpp"

/// Charts as SVG text: self-contained, no scripts, so that any browser shows them.
namespace examples {

/// A line; a value that is not finite is a gap.
struct Series {
  std::string name;
  std::vector<double> x, y;
  bool dashed = false;  ///< to see the line below it
};

struct LineChart {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
};

/// Points of one colour and shape; each has a name, or none.
struct PointGroup {
  struct Point {
    double x, y;
    std::string name;
  };
  std::string name;
  std::vector<Point> points;
};

struct ScatterChart {
  std::string title;
  Axis x, y;
  std::vector<PointGroup> groups;
  bool named = true;  ///< whether points are named on the picture, not only under the pointer
};

/// Bars side by side, equally wide, from low to high.
struct BarChart {
  std::string title;
  Axis x, y;
  double low = 0, high = 1;
  std::vector<double> heights;
};

namespace detail {

/// Colours that readers with any kind of colour vision tell apart (Okabe and Ito 2008).
struct Style {
  const char* colour;
  const char* dash;
};
inline const Style& style(std::size_t i) {
  static constexpr std::array<Style, 7> styles{{{"#0072b2", "none"},
                                                {"#009e73", "none"},
                                                {"#d55e00", "none"},
                                                {"#333333", "none"},
                                                {"#cc79a7", "7 3"},
                                                {"#56b4e9", "7 3"},
                                                {"#e69f00", "7 3"}}};
  return styles[i % styles.size()];
}
inline Style style(const Series& series, std::size_t i) {
  return {style(i).colour, series.dashed ? "7 3" : style(i).dash};
}

inline constexpr int chart_width = 760, chart_height = 440;
inline constexpr double plot_left = 66, plot_right = 610, plot_top = 76, plot_bottom = 384;

/// Title, grid, ticks and labels: what every chart has below its data.
inline Svg chart_frame(const std::string& title, const Axis& x_axis, const Axis& y_axis, const Scale& x,
                       const Scale& y) {
  Svg svg(chart_width, chart_height, title);
  svg.text(20, 32, title, "start", 18, "#111111", "bold");
  svg.text(20, 58, y_axis.label, "start", 13, "#555555");
  svg.text((plot_left + plot_right) / 2, plot_bottom + 42, x_axis.label, "middle", 13, "#555555");
  const auto line = [&](double x1, double y1, double x2, double y2, const char* colour) {
    svg.add(
        "line",
        {{"x1", fixed(x1, 1)}, {"y1", fixed(y1, 1)}, {"x2", fixed(x2, 1)}, {"y2", fixed(y2, 1)}, {"stroke", colour}});
  };
  for (const Tick& tick : y.ticks()) {
    const double at = y.pixel(tick.value);
    line(plot_left, at, plot_right, at, "#e4e4e4");
    svg.text(plot_left - 9, at + 4.5, tick.text, "end");
  }
  for (const Tick& tick : x.ticks()) {
    const double at = x.pixel(tick.value);
    line(at, plot_bottom, at, plot_bottom + 5, "#777777");
    svg.text(at, plot_bottom + 21, tick.text, "middle");
  }
  line(plot_left, plot_bottom, plot_right, plot_bottom, "#777777");
  return svg;
}

inline void note_no_values(Svg& svg) {
  svg.text((plot_left + plot_right) / 2, (plot_top + plot_bottom) / 2, "no values", "middle", 15, "#777777");
}

/// A name beside the plot, at the height of what it names.
struct Label {
  double y;
  std::size_t index;
  std::string text;
};

/// Moves labels apart, keeping their order, and into the plot.
inline void spread(std::vector<Label>& labels) {
  if (labels.empty()) return;
  std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.y < b.y; });
  const double gap = std::min(19.0, (plot_bottom - plot_top) / static_cast<double>(labels.size()));
  double least = plot_top;
  for (Label& label : labels) {
    label.y = std::max(label.y, least);
    least = label.y + gap;
  }
  double most = plot_bottom;
  for (auto label = labels.rbegin(); label != labels.rend(); ++label) {
    label->y = std::min(label->y, most);
    most = label->y - gap;
  }
}

/// The marker of group i, in its colour and a shape of its own.
inline void marker(Svg& svg, double x, double y, std::size_t i, const std::string& tip) {
  const std::string colour = style(i).colour;
  const auto at = [&](double dx, double dy) { return fixed(x + dx, 1) + "," + fixed(y + dy, 1) + " "; };
  const auto shape = [&](const std::string& corners) {
    svg.add("polygon", {{"points", corners}, {"fill", colour}, {"fill-opacity", "0.85"}}, {}, tip);
  };
  switch (i % 4) {
    case 0:
      svg.add("circle",
              {{"cx", fixed(x, 1)}, {"cy", fixed(y, 1)}, {"r", "4.5"}, {"fill", colour}, {"fill-opacity", "0.85"}}, {},
              tip);
      break;
    case 1:
      shape(at(-4.2, -4.2) + at(4.2, -4.2) + at(4.2, 4.2) + at(-4.2, 4.2));
      break;
    case 2:
      shape(at(0, -5.5) + at(5.2, 4) + at(-5.2, 4));
      break;
    default:
      shape(at(0, -5.8) + at(5.8, 0) + at(0, 5.8) + at(-5.8, 0));
  }
}

struct PlacedPoint {
  double x, y;  ///< pixels
  std::string name;
};

struct Box {
  double left, top, right, bottom;
  bool meets(const Box& o) const { return left < o.right && o.left < right && top < o.bottom && o.top < bottom; }
};

/// Names points where a name covers no point, no other name and nothing that is taken: above, below, right or left. A
/// name without such a place is left out.
inline void name_points(Svg& svg, const std::vector<PlacedPoint>& points, std::vector<Box> taken) {
  for (const PlacedPoint& p : points) taken.push_back({p.x - 5, p.y - 5, p.x + 5, p.y + 5});
  for (const PlacedPoint& p : points) {
    const double width = 6.7 * static_cast<double>(p.name.size());
    for (const auto& [dx, dy] : {std::pair{-width / 2, -9.0}, {-width / 2, 18.0}, {9.0, 4.0}, {-width - 9, 4.0}}) {
      const Box box{p.x + dx, p.y + dy - 10, p.x + dx + width, p.y + dy + 2};
      const bool inside =
          box.left > plot_left && box.right < chart_width && box.top > plot_top - 14 && box.bottom < plot_bottom;
      const auto covers = [&](const Box& other) { return box.meets(other); };
      if (!inside || std::any_of(taken.begin(), taken.end(), covers)) continue;
      svg.text(box.left + width / 2, p.y + dy, p.name, "middle", 12);
      taken.push_back(box);
      break;
    }
  }
}

}  // namespace detail

/// A line a series, each named beside its end where there are several. A series without values keeps its colour for
/// itself, so that the same index looks the same in every chart.
/// @throws lotar::ShapeError if a series has not as many x as y.
inline std::string line_chart(const LineChart& chart) {
  std::vector<double> xs, ys;
  for (const Series& s : chart.series) {
    if (s.x.size() != s.y.size())
      throw lotar::ShapeError("line_chart: series \"" + s.name + "\" has " + std::to_string(s.x.size()) + " x and " +
                              std::to_string(s.y.size()) + " y");
    xs.insert(xs.end(), s.x.begin(), s.x.end());
    ys.insert(ys.end(), s.y.begin(), s.y.end());
  }
  const Scale x(chart.x, xs, detail::plot_left, detail::plot_right, 11);
  const Scale y(chart.y, ys, detail::plot_bottom, detail::plot_top, 7);
  Svg svg = detail::chart_frame(chart.title, chart.x, chart.y, x, y);

  std::vector<detail::Label> labels;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const Series& s = chart.series[i];
    const detail::Style style = detail::style(s, i);
    std::string path;
    std::size_t run = 0;  // points since the last gap
    double last = 0;
    const auto dot_if_alone = [&](std::size_t end) {
      if (run == 1)
        svg.add(
            "circle",
            {{"cx", fixed(x.pixel(s.x[end - 1]), 1)}, {"cy", fixed(last, 1)}, {"r", "3.5"}, {"fill", style.colour}});
      run = 0;
    };
    for (std::size_t j = 0; j < s.x.size(); ++j) {
      if (!x.drawable(s.x[j]) || !y.drawable(s.y[j])) {
        dot_if_alone(j);
        continue;
      }
      last = y.pixel(s.y[j]);
      path.append(run++ == 0 ? "M" : "L").append(fixed(x.pixel(s.x[j]), 1)).append(" ").append(fixed(last, 1));
    }
    dot_if_alone(s.x.size());
    if (path.empty()) continue;
    svg.add("path", {{"d", path},
                     {"fill", "none"},
                     {"stroke", style.colour},
                     {"stroke-width", "2"},
                     {"stroke-dasharray", style.dash},
                     {"stroke-linejoin", "round"}});
    labels.push_back({last, i, s.name});
  }
  if (labels.empty()) detail::note_no_values(svg);
  if (labels.size() < 2) labels.clear();
  detail::spread(labels);
  for (const detail::Label& label : labels) {
    const detail::Style style = detail::style(chart.series[label.index], label.index);
    const double left = detail::plot_right + 12;
    svg.add("line", {{"x1", fixed(left, 1)},
                     {"y1", fixed(label.y, 1)},
                     {"x2", fixed(left + 28, 1)},
                     {"y2", fixed(label.y, 1)},
                     {"stroke", style.colour},
                     {"stroke-width", "2.5"},
                     {"stroke-dasharray", style.dash}});
    svg.text(left + 36, label.y + 4.5, label.text);
  }
  return svg.str();
}

/// A mark a point; up to 25 points are named on the picture, more only under the pointer. A group without values keeps
/// its colour for itself.
inline std::string scatter_chart(const ScatterChart& chart) {
  std::vector<double> xs, ys;
  for (const PointGroup& g : chart.groups)
    for (const PointGroup::Point& p : g.points) xs.push_back(p.x), ys.push_back(p.y);
  const Scale x(chart.x, xs, detail::plot_left, detail::plot_right, 11);
  const Scale y(chart.y, ys, detail::plot_bottom, detail::plot_top, 7);
  Svg svg = detail::chart_frame(chart.title, chart.x, chart.y, x, y);

  std::vector<detail::PlacedPoint> drawn;
  std::vector<std::size_t> shown;  // groups
  for (std::size_t i = 0; i < chart.groups.size(); ++i) {
    const std::size_t before = drawn.size();
    for (const PointGroup::Point& p : chart.groups[i].points) {
      if (!x.drawable(p.x) || !y.drawable(p.y)) continue;
      drawn.push_back({x.pixel(p.x), y.pixel(p.y), p.name});
      detail::marker(svg, drawn.back().x, drawn.back().y, i, p.name);
    }
    if (drawn.size() > before) shown.push_back(i);
  }
  double legend_end = 0;
  if (shown.size() > 1) {
    double legend = detail::plot_top + 8;
    for (const std::size_t i : shown) {
      detail::marker(svg, detail::plot_right + 20, legend, i, {});
      svg.text(detail::plot_right + 32, legend + 4.5, chart.groups[i].name);
      legend += 22;
    }
    legend_end = legend;
  }
  if (drawn.empty()) detail::note_no_values(svg);
  if (chart.named && drawn.size() <= 25)
    detail::name_points(svg, drawn, {{detail::plot_right + 12, 0, detail::chart_width, legend_end}});
  return svg.str();
}

/// A bar a height, from 0 up; what is not above 0 has none. Range and height of each show under the pointer.
inline std::string bar_chart(const BarChart& chart) {
  std::vector<double> heights = chart.heights;
  heights.push_back(0);
  const Scale x(chart.x, std::vector{chart.low, chart.high}, detail::plot_left, detail::plot_right, 11);
  const Scale y(chart.y, heights, detail::plot_bottom, detail::plot_top, 7);
  Svg svg = detail::chart_frame(chart.title, chart.x, chart.y, x, y);
  const double width = (chart.high - chart.low) / static_cast<double>(chart.heights.size());
  bool any = false;
  for (std::size_t i = 0; i < chart.heights.size(); ++i) {
    const double height = chart.heights[i], from = chart.low + width * static_cast<double>(i), to = from + width;
    if (!y.drawable(height) || height <= 0) continue;
    svg.add("rect",
            {{"x", fixed(x.pixel(from) + 1, 1)},
             {"y", fixed(y.pixel(height), 1)},
             {"width", fixed(std::max(x.pixel(to) - x.pixel(from) - 2, 1.0), 1)},
             {"height", fixed(y.pixel(0) - y.pixel(height), 1)},
             {"fill", detail::style(0).colour}},
            {}, Scale::general(from) + " to " + Scale::general(to) + ": " + Scale::general(height));
    any = true;
  }
  if (!any) detail::note_no_values(svg);
  return svg.str();
}

}  // namespace examples
