#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>

namespace lotar {

/// A linear warm-up, then half a cosine.
struct ScheduleOptions {
  double learning_rate = 0.5;         ///< at the end of the warm-up, > 0
  double final_learning_rate = 1e-6;  ///< of the last update, >= 0
  std::size_t warmup_epochs = 10;     ///< 0: none; as many epochs as there are, or more: nothing but warm-up
  std::size_t epochs = 0;
  std::size_t steps_per_epoch = 0;
};

/// The learning rate of every update of a training.
///
/// With W and T the steps of the warm-up and of the training, update s = 1..T has
///
///   s <= W  learning_rate s / W
///   else    final + (learning_rate - final) (1 + cos(pi (s - W) / (T - W))) / 2
///
/// Updates count from 1, as in BCL and SDCLR, which step the schedule before the optimizer: none is lost to a rate of
/// 0, and the last has the final rate.
/// @return [T] at i the rate of the update that finds Clock::step at i.
/// @throws ConfigError for a rate out of range, or a training without steps.
inline std::vector<float> learning_rates(const ScheduleOptions& options) {
  const double peak = options.learning_rate, last = options.final_learning_rate;
  if (!(peak > 0) || !std::isfinite(peak))
    throw ConfigError("learning_rates: learning_rate must be > 0, got " + std::to_string(peak));
  if (!(last >= 0) || !std::isfinite(last))
    throw ConfigError("learning_rates: final_learning_rate must be >= 0, got " + std::to_string(last));
  if (options.epochs == 0 || options.steps_per_epoch == 0)
    throw ConfigError("learning_rates: epochs and steps_per_epoch must be >= 1, got " + std::to_string(options.epochs) +
                      " and " + std::to_string(options.steps_per_epoch));
  const std::size_t warmup = options.warmup_epochs * options.steps_per_epoch;
  std::vector<float> rates(options.epochs * options.steps_per_epoch);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const std::size_t step = i + 1;
    double rate = 0;
    if (step <= warmup) {
      rate = peak * static_cast<double>(step) / static_cast<double>(warmup);
    } else {
      const double done = static_cast<double>(step - warmup) / static_cast<double>(rates.size() - warmup);
      rate = last + (peak - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
    rates[i] = static_cast<float>(rate);
  }
  return rates;
}

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
  if (!(options.low > 0) || !std::isfinite(options.low))
    throw ConfigError("temperature: must be > 0 and finite, got " + std::to_string(options.low));
  const double high = options.high == 0 ? options.low : options.high;
  if (!(high >= options.low) || !std::isfinite(high))
    throw ConfigError("temperatures: the highest must be finite and at least the lowest, " +
                      std::to_string(options.low) + ", got " + std::to_string(options.high));
  if (options.period == 0) throw ConfigError("temperatures: the period must be >= 1 epoch, got 0");
  std::vector<float> all(epochs);
  for (std::size_t i = 0; i < epochs; ++i) {
    const double turn = static_cast<double>((i + 1) % options.period) / static_cast<double>(options.period);
    all[i] = static_cast<float>(options.low + (high - options.low) * (1 + std::cos(2 * std::numbers::pi * turn)) / 2);
  }
  return all;
}

}  // namespace lotar
