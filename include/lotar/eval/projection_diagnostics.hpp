#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/eval/effective_rank.hpp>

namespace lotar {

/// What a contrastive loss does not tell of a batch's projections. With u a row of z over its norm:
struct ProjectionDiagnostics {
  double norm = 0;            ///< the mean length of the rows, which NT-Xent cannot see: it may sink or grow unnoticed
  double alignment = 0;       ///< the mean of |u - u'|^2 over the pairs of views: 0, views agree, to 4
  double uniformity = 0;      ///< log of the mean of exp(-2 |u - v|^2) over pairs of images: 0, all in one place, to -8
  double effective_rank = 0;  ///< the dimensions that the rows of z use, 1 to min(2n, D); see effective_rank
};

/// The length, alignment, uniformity and rank of a batch's projections.
///
/// Uniformity is over all pairs of first views: two views of one image are no independent pair.
/// @param z      [2n, D], n >= 1; rows i and i + n are two views of image i. A row shorter than 1e-12 is divided by
///               1e-12, as NT-Xent does.
/// @param width  D >= 1
/// @return NaN for what z has not: all where it is not finite, the rank where it is zero, uniformity of a single image.
/// @throws ShapeError if z has no rows, an odd number of them, or a part of one.
/// @cost   3/2 n^2 D flops and those of effective_rank.
/// @source Wang and Isola 2020, arXiv:2005.10242, with alpha = 2 and t = 2.
inline ProjectionDiagnostics projection_diagnostics(std::span<const float> z, std::size_t width) {
  if (width == 0 || z.empty() || z.size() % (2 * width) != 0)
    throw ShapeError("projection_diagnostics: z must be [2n, " + std::to_string(width) + "] with n, D >= 1, got " +
                     std::to_string(z.size()) + " values");
  const std::size_t rows = z.size() / width, n = rows / 2;
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if (!std::all_of(z.begin(), z.end(), [](float v) { return std::isfinite(v); })) return {none, none, none, none};
  std::vector<double> unit(width * rows);  // [D, 2n], so that the innermost loops run over rows
  ProjectionDiagnostics result;
  for (std::size_t r = 0; r < rows; ++r) {
    double squares = 0;
    for (const float v : z.subspan(r * width, width)) squares += static_cast<double>(v) * static_cast<double>(v);
    const double norm = std::sqrt(squares);
    result.norm += norm / static_cast<double>(rows);
    for (std::size_t d = 0; d < width; ++d)
      unit[d * rows + r] = static_cast<double>(z[r * width + d]) / std::max(norm, 1e-12);
  }
  const auto square = [](double x) { return x * x; };
  for (std::size_t d = 0; d < width; ++d)
    for (std::size_t i = 0; i < n; ++i)
      result.alignment += square(unit[d * rows + i] - unit[d * rows + n + i]) / static_cast<double>(n);

  double potential = 0;
  std::vector<double> squares(n);
  for (std::size_t i = 0; i + 1 < n; ++i) {
    std::fill(squares.begin(), squares.end(), 0.0);
    for (std::size_t d = 0; d < width; ++d)
      for (std::size_t j = i + 1; j < n; ++j) squares[j] += square(unit[d * rows + i] - unit[d * rows + j]);
    for (std::size_t j = i + 1; j < n; ++j) potential += std::exp(-2 * squares[j]);
  }
  const double pairs = static_cast<double>(n) * static_cast<double>(n - 1) / 2;
  result.uniformity = std::log(potential / pairs);  // 0 / 0 of a single image
  result.effective_rank = effective_rank(z, width);
  return result;
}

}  // namespace lotar
