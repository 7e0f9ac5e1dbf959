#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>

namespace lotar {

/// How many values fall into each of equally wide bins: bin i holds those in [low + i w, low + (i + 1) w).
///
/// @param values     those below low count in the first bin, those of high and above in the last; NaN in none
/// @param low, high  low < high
/// @param bins       at least 1
/// @return [bins]
/// @throws ConfigError if there are no bins, or no finite range from low up to high.
/// @cost one pass over the values.
inline std::vector<std::size_t> histogram(std::span<const double> values, double low, double high, std::size_t bins) {
  if (bins == 0) throw ConfigError("histogram: bins must be >= 1, got 0");
  if (!(low < high) || !std::isfinite(high - low))
    throw ConfigError("histogram: low must be < high and both finite, got " + number_text(low) + " and " +
                      number_text(high));
  std::vector<std::size_t> counts(bins);
  const auto last = static_cast<double>(bins - 1);
  for (const double v : values) {
    if (std::isnan(v)) continue;
    const double bin = std::floor((v - low) / (high - low) * static_cast<double>(bins));
    ++counts[static_cast<std::size_t>(std::clamp(bin, 0.0, last))];
  }
  return counts;
}

}  // namespace lotar
