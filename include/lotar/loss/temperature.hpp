#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include <lotar/core/checks.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>

namespace lotar {

/// A temperature that goes up and down over the epochs: low ones push samples apart, high ones classes.
///
/// @source Kukleva et al., Temperature schedules for self-supervised contrastive methods on long-tail data, ICLR 2023.
struct TemperatureOptions {
  double low = 0.2;          ///< > 0
  double high = 0;           ///< >= low; 0: always low
  std::size_t period = 400;  ///< epochs from high to high, >= 1
};

/// The temperature of every epoch: low + (high - low) (1 + cos(2 pi e / period)) / 2 in epoch e = 1, 2, ...
///
/// @return [epochs]
/// @throws ConfigError for an option out of range.
inline std::vector<float> temperatures(const TemperatureOptions& options, std::size_t epochs) {
  check_positive<float>("temperature", "the lowest", options.low);
  const double high = options.high == 0 ? options.low : options.high;
  if (!(high >= options.low) || !std::isfinite(static_cast<float>(high)))
    throw ConfigError("temperature: the highest must be finite and at least the lowest, " + number_text(options.low) +
                      ", got " + number_text(options.high));
  if (options.period == 0) throw ConfigError("temperature: the period must be >= 1 epoch, got 0");
  std::vector<float> all(epochs);
  for (std::size_t i = 0; i < epochs; ++i) {
    const double turn = static_cast<double>((i + 1) % options.period) / static_cast<double>(options.period);
    all[i] = static_cast<float>(options.low + (high - options.low) * (1 + std::cos(2 * std::numbers::pi * turn)) / 2);
  }
  return all;
}

}  // namespace lotar
