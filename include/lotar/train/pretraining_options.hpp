#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/loss/temperature.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/optim/optimizer.hpp>
#include <lotar/optim/schedule.hpp>
#include <lotar/train/objective.hpp>

namespace lotar {

struct PretrainingOptions {
  NetworkOptions network = {};
  OptimizerOptions optimizer = {};
  ScheduleOptions schedule = {};  ///< its epochs are the training's; its steps_per_epoch follow from the batch size
  std::size_t batch_size = 256;   ///< samples; the last batch of an epoch may be smaller
  TemperatureOptions temperature = {};
  ObjectiveOptions objective = {};
  /// SDCLR: the part of all convolutions' weights that the second view's branch lacks, the smallest of every epoch's
  /// start, in [0, 1); 0: no such branch. That branch has norms of its own.
  double prune = 0;
  /// Of a distributed backend: whether batch norms take their statistics from the batch, as in one process, or from
  /// each process' share of it.
  bool synchronize_norms = true;
  /// Of a distributed backend: how many gradients are summed over the processes at once, while a backward pass computes
  /// those of earlier layers; >= 1. Where sums are added in the ranks' order, no result depends on it.
  std::size_t bucket = std::size_t{1} << 21;
  std::uint64_t seed = 1;
};

namespace detail {

/// @param samples  of the training
/// @param ranks    processes that share a batch
/// @param views    of a sample
/// @throws ConfigError for what the method cannot be trained with.
inline void check_pretraining(const PretrainingOptions& o, std::size_t samples, std::size_t ranks, std::size_t views) {
  if (o.batch_size < 2) throw ConfigError("batch size: must be >= 2, got " + std::to_string(o.batch_size));
  if (samples < o.batch_size)
    throw ConfigError("batch size: " + std::to_string(o.batch_size) + " exceeds the " + std::to_string(samples) +
                      " samples there are");
  const std::size_t rest = samples % o.batch_size, last = rest > 0 ? rest : o.batch_size;
  const std::string last_batch = "batch size: with " + std::to_string(o.batch_size) + ", the last batch of " +
                                 std::to_string(samples) + " samples has ";
  if (rest == 1) throw ConfigError(last_batch + "one, which has nothing to be compared with");
  if (last < ranks)
    throw ConfigError(last_batch + std::to_string(last) + ", fewer than the " + std::to_string(ranks) + " processes");
  const std::size_t together = o.prune > 0 ? 1 : views;  // of a sample's views in one pass
  if (ranks > 1 && !o.synchronize_norms && together * (last / ranks) < 2)
    throw ConfigError(last_batch + std::to_string(last) + ", of which some of the " + std::to_string(ranks) +
                      " processes have one view: too few for norms of their own");
  check_objective(o.objective);
  if (!(o.prune >= 0 && o.prune < 1)) throw ConfigError("prune: must be in [0, 1), got " + number_text(o.prune));
}

/// What of the options must be the same in a training that goes on with another's checkpoint.
inline std::map<std::string, std::string> identity(const PretrainingOptions& o) {
  constexpr const char* stems[] = {"cifar", "imagenet", "unpadded"};
  return {{"arch", o.network.arch},
          {"batch size", std::to_string(o.batch_size)},
          {"dclw", number_text(o.objective.dclw)},
          {"epochs", std::to_string(o.schedule.epochs)},
          {"exclude norm and bias", std::to_string(o.optimizer.exclude_norm_and_bias)},
          {"final learning rate", number_text(o.schedule.final_learning_rate)},
          {"focal", number_text(o.objective.focal)},
          {"highest temperature", number_text(o.temperature.high)},
          {"learning rate", number_text(o.schedule.learning_rate)},
          {"momentum", number_text(o.optimizer.momentum)},
          {"optimizer", o.optimizer.name},
          {"projection", std::to_string(o.network.projection.out)},
          {"projection bottleneck", std::to_string(o.network.projection.bottleneck)},
          {"projector", o.network.projector},
          {"pruned", number_text(o.prune)},
          {"seed", std::to_string(o.seed)},
          {"stem", stems[static_cast<int>(o.network.stem)]},
          {"synchronized norms", std::to_string(o.synchronize_norms)},
          {"temperature", number_text(o.temperature.low)},
          {"temperature period", std::to_string(o.temperature.period)},
          {"warmup epochs", std::to_string(o.schedule.warmup_epochs)},
          {"weight decay", number_text(o.optimizer.weight_decay)},
          {"width", std::to_string(o.network.width)}};
}

}  // namespace detail
}  // namespace lotar
