#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>

namespace lotar {

namespace detail {

/// The place of each value among all, from 1; equal values share the mean of their places.
inline std::vector<double> ranks(std::span<const double> values) {
  const std::size_t n = values.size();
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> rank(n);
  for (std::size_t first = 0, end = 0; first < n; first = end) {
    while (end < n && values[order[end]] == values[order[first]]) ++end;
    for (std::size_t i = first; i < end; ++i) rank[order[i]] = static_cast<double>(first + 1 + end) / 2;
  }
  return rank;
}

}  // namespace detail

/// Spearman's rank correlation: how well the order of one quantity tells that of another, whatever the curve between
/// them.
///
/// @param x, y  [N]; equal values share the mean of their ranks
/// @return 1 if y rises wherever x does, -1 if it falls, about 0 if neither tells of the other; NaN where x or y is
///         constant, which has no order, or holds a NaN.
/// @throws ShapeError if there are not as many y as x.
/// @cost   two sorts.
/// @source Spearman 1904, The proof and measurement of association between two things.
inline double rank_correlation(std::span<const double> x, std::span<const double> y) {
  if (x.size() != y.size())
    throw ShapeError("rank_correlation: y must be [" + std::to_string(x.size()) + "], got [" +
                     std::to_string(y.size()) + "]");
  const auto is_nan = [](double v) { return std::isnan(v); };
  if (std::any_of(x.begin(), x.end(), is_nan) || std::any_of(y.begin(), y.end(), is_nan))
    return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> a = detail::ranks(x), b = detail::ranks(y);
  const double mean = static_cast<double>(x.size() + 1) / 2;  // of any N ranks
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return ab / (std::sqrt(aa) * std::sqrt(bb));  // 0 / 0 of what is constant
}

}  // namespace lotar
