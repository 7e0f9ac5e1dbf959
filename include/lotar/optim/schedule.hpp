#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

#include <lotar/core/checks.hpp>
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
/// @throws ConfigError for a rate out of range, and for a training without steps or of more than Clock::step counts.
inline std::vector<float> learning_rates(const ScheduleOptions& options) {
  const double peak = options.learning_rate, last = options.final_learning_rate;
  check_positive<float>("learning_rates", "learning_rate", peak);
  check_not_negative<float>("learning_rates", "final_learning_rate", last);
  if (options.epochs == 0 || options.steps_per_epoch == 0)
    throw ConfigError("learning_rates: epochs and steps_per_epoch must be >= 1, got " + std::to_string(options.epochs) +
                      " and " + std::to_string(options.steps_per_epoch));
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
  if (options.epochs > most / options.steps_per_epoch)
    throw ConfigError("learning_rates: wanted at most " + std::to_string(most) + " steps, got " +
                      std::to_string(options.epochs) + " epochs of " + std::to_string(options.steps_per_epoch));
  const double warmup = static_cast<double>(options.warmup_epochs) * static_cast<double>(options.steps_per_epoch);
  std::vector<float> rates(options.epochs * options.steps_per_epoch);
  const auto steps = static_cast<double>(rates.size());
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto step = static_cast<double>(i + 1);
    double rate = 0;
    if (step <= warmup) {
      rate = peak * step / warmup;
    } else {
      const double done = (step - warmup) / (steps - warmup);
      rate = last + (peak - last) * (1 + std::cos(std::numbers::pi * done)) / 2;
    }
    rates[i] = static_cast<float>(rate);
  }
  return rates;
}

}  // namespace lotar
