#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>

#include "axis.hpp"
#include "chart.hpp"
#include "svg.hpp"

namespace examples {

/// Means with deviations of several methods over the same categories.
struct MethodChart {
  struct Method {
    std::string name;
    std::vector<double> means, deviations;  ///< one a category; NaN for none
  };
  std::string title;
  std::vector<std::string> categories;
  Axis y;
  std::vector<Method> methods;
};

/// A mark a method and category, methods side by side, each in the colour and shape of its index, with a line from mean
/// - deviation to mean + deviation.
/// @throws lotar::ShapeError if a method has not a mean and a deviation for each category.
inline std::string method_chart(const MethodChart& chart) {
  std::vector<double> ys;
  for (const MethodChart::Method& m : chart.methods) {
    if (m.means.size() != chart.categories.size() || m.deviations.size() != chart.categories.size())
      throw lotar::ShapeError("method_chart: \"" + m.name + "\" has " + std::to_string(m.means.size()) + " means and " +
                              std::to_string(m.deviations.size()) + " deviations for " +
                              std::to_string(chart.categories.size()) + " categories");
    for (std::size_t c = 0; c < m.means.size(); ++c) {
      const double d = std::isfinite(m.deviations[c]) ? m.deviations[c] : 0;
      ys.push_back(m.means[c] - d), ys.push_back(m.means[c] + d);
    }
  }
  const Scale x({.categories = chart.categories}, {}, detail::plot_left, detail::plot_right, 2);
  const Scale y(chart.y, ys, detail::plot_bottom, detail::plot_top, 7);
  Svg svg = detail::chart_frame(chart.title, {}, chart.y, x, y);

  const double apart = 0.7 / static_cast<double>(std::max<std::size_t>(chart.methods.size(), 1));
  double legend = detail::plot_top + 8;
  bool any = false;
  for (std::size_t i = 0; i < chart.methods.size(); ++i) {
    const MethodChart::Method& m = chart.methods[i];
    bool shown = false;
    for (std::size_t c = 0; c < m.means.size(); ++c) {
      if (!y.drawable(m.means[c])) continue;
      const double at =
          static_cast<double>(c) + apart * (static_cast<double>(i) - static_cast<double>(chart.methods.size() - 1) / 2);
      const double px = x.pixel(at), d = m.deviations[c];
      std::string tip = m.name + ", " + chart.categories[c] + ": " + fixed(m.means[c], 2);
      if (std::isfinite(d)) {
        tip += " ± " + fixed(d, 2);
        svg.add("line", {{"x1", fixed(px, 1)},
                         {"y1", fixed(y.pixel(m.means[c] - d), 1)},
                         {"x2", fixed(px, 1)},
                         {"y2", fixed(y.pixel(m.means[c] + d), 1)},
                         {"stroke", detail::style(i).colour},
                         {"stroke-width", "2"}});
      }
      detail::marker(svg, px, y.pixel(m.means[c]), i, tip);
      shown = true;
    }
    if (!shown) continue;
    any = true;
    detail::marker(svg, detail::plot_right + 20, legend, i, {});
    svg.text(detail::plot_right + 32, legend + 4.5, m.name);
    legend += 22;
  }
  if (!any) detail::note_no_values(svg);
  return svg.str();
}

}  // namespace examples
