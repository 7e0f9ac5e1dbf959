#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/io/json.hpp>
#include <lotar/train/checkpoint.hpp>

#include "../report/run_report.hpp"
#include "../run_directory.hpp"
#include "../work_folder.hpp"
#include "recipe.hpp"
#include "results_table.hpp"

/// What the folder of a run holds: whether it is done, can go on, or is damaged.
namespace examples {

enum class Stage {
  fresh,        ///< nothing yet
  begun,        ///< trained in part or in whole, and not judged, or not as planned
  done,         ///< trained and judged
  unjudged,     ///< done, but its results are damaged
  damaged,      ///< what is there cannot be gone on with
  another_run,  ///< sound, but of other options
};

struct RunState {
  Stage stage = Stage::fresh;
  std::string fault;                 ///< what is wrong with it, for the last three; how one begun was judged
  std::vector<lotar::Json> metrics;  ///< of each epoch so far
  lotar::Json results;               ///< of a run that is done
  bool only_judge = false;           ///< trained by another version, whose training this one does not go on with
};

namespace detail {

/// How the options that a run was made with differ from those it was planned with; "" if they do not.
inline std::string option_difference(const lotar::Json& config, const lotar::Json& planned) {
  lotar::Json there = lotar::Json::object();
  for (const auto& [name, unused] : planned.items())
    if (config.contains(name)) there[name] = config[name];
  return first_difference(there, planned, {});
}

/// Whether results are of the last update of a training.
inline bool of_whole_training(const lotar::Json& results) {
  const lotar::Json step = value_at(results, "step");
  return step.is_number() && step == value_at(results, "steps");
}

/// How results are others than those planned; "" if they are not.
inline std::string judgement_fault(const lotar::Json& results, const lotar::Json& evaluation) {
  if (!of_whole_training(results))
    return "judged at update " + value_at(results, "step").dump() + " of " + value_at(results, "steps").dump();
  const std::string difference = option_difference(value_at(results, "evaluation"), evaluation);
  return difference.empty() ? "" : "judged otherwise: " + difference;
}

/// The state of a run whose folder has a config.json.
/// @throws lotar::IoError if the configuration, metrics or checkpoint is damaged, or of another version's unfinished
///         training. A damaged model is made again from the checkpoint.
inline RunState inspect_training(const std::filesystem::path& folder, const PlannedRun& run) {
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  const lotar::Json config = lotar::read_json(path("config.json"));
  if (!config.is_object() || !config.contains("epochs") || !config["epochs"].is_number())
    throw lotar::IoError(path("config.json"), "wanted an object with a number \"epochs\"");
  RunState state{Stage::begun, "", {}, {}};
  if (const std::string difference = option_difference(config, run.options); !difference.empty()) {
    state.stage = Stage::another_run;
    state.fault = folder.string() + ": cannot go on with other options: " + difference;
    return state;
  }
  if (has("metrics.jsonl")) state.metrics = read_metrics(path("metrics.jsonl"));
  const lotar::Json version = value_at(value_at(config, "versions"), "lotar");
  state.only_judge = version != lotar::version;
  bool trained = !state.metrics.empty() && state.metrics.back()["epoch"] == config["epochs"];
  if (trained && has("results.json")) {
    try {
      const lotar::Json results = lotar::read_json(path("results.json"));
      run_scores(results, path("results.json"));
      state.fault = judgement_fault(results, run.evaluation);
      if (state.fault.empty()) {
        state.stage = Stage::done;
        state.results = results;
        return state;
      }
      trained = of_whole_training(results);
    } catch (const lotar::IoError& error) {
      state.stage = Stage::unjudged;
      state.fault = error.what();
      return state;
    }
  }
  if (!trained && state.only_judge)
    throw lotar::IoError(path("config.json"), "lotar " + std::string(lotar::version) +
                                                  " cannot go on with a training that lotar " + version.dump() +
                                                  " began");
  if (has("checkpoint.safetensors")) lotar::read_checkpoint(path("checkpoint.safetensors"));
  return state;
}

}  // namespace detail

/// @param run  what is planned of it.
inline RunState inspect_run(const std::filesystem::path& folder, const PlannedRun& run) {
  if (!std::filesystem::exists(folder / "config.json")) {
    const std::string other = content_of(folder);
    if (other.empty()) return {};
    return {Stage::damaged, folder.string() + ": has no config.json, but " + other, {}, {}};
  }
  try {
    return detail::inspect_training(folder, run);
  } catch (const lotar::IoError& error) {
    return {Stage::damaged, error.what(), {}, {}};
  }
}

}  // namespace examples
