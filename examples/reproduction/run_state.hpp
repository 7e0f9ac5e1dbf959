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
  another_run,  ///< sound, but of other options, or begun by another version
};

struct RunState {
  Stage stage = Stage::fresh;
  std::string fault;                 ///< what is wrong with it, for the last three; how one begun was judged
  std::vector<lotar::Json> metrics;  ///< of each epoch so far
  lotar::Json results;               ///< of a run that is done
  bool trained = false;              ///< of one begun or unjudged: whether its model is of the last update
};

namespace detail {

/// How the options that a run was made with differ from those it was planned with; "" if they do not.
inline std::string option_difference(const lotar::Json& config, const lotar::Json& planned) {
  lotar::Json there = lotar::Json::object();
  for (const auto& [name, unused] : planned.items())
    if (config.contains(name)) there[name] = config[name];
  return first_difference(there, planned, {});
}

/// How results are others than those planned; "" if they are not.
inline std::string judgement_fault(const lotar::Json& results, const lotar::Json& evaluation) {
  const lotar::Json step = value_at(results, "step"), steps = value_at(results, "steps");
  if (!step.is_number() || step != steps) return "judged at update " + step.dump() + " of " + steps.dump();
  const std::string difference = option_difference(value_at(results, "evaluation"), evaluation);
  return difference.empty() ? "" : "judged otherwise: " + difference;
}

/// Whether a file is the sound model of a training's last update.
inline bool is_trained_model(const std::string& path) {
  try {
    const auto metadata = lotar::read_safetensors(path).metadata;
    const auto step = metadata.find("step"), steps = metadata.find("steps");
    return step != metadata.end() && steps != metadata.end() && step->second == steps->second;
  } catch (const lotar::IoError&) {
    return false;  // made again from the checkpoint
  }
}

/// The state of a run whose folder has a config.json.
/// @throws lotar::IoError if the configuration or metrics are damaged, or the checkpoint of an unfinished training.
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
  std::string damaged;  // results
  if (has("results.json")) {
    try {
      const lotar::Json results = lotar::read_json(path("results.json"));
      run_scores(results, path("results.json"));
      state.fault = judgement_fault(results, run.evaluation);
      if (state.fault.empty()) {
        state.stage = Stage::done;
        state.results = results;
        return state;
      }
    } catch (const lotar::IoError& error) {
      damaged = error.what();
    }
  }
  state.trained = is_trained_model(path("model.safetensors"));
  if (state.trained) {
    if (!damaged.empty()) state.stage = Stage::unjudged, state.fault = damaged;
    return state;
  }
  const lotar::Json version = value_at(value_at(config, "versions"), "lotar");
  if (version != lotar::version) {
    state.stage = Stage::another_run;
    state.fault = path("config.json") + ": lotar " + lotar::version + " cannot go on with a training that lotar " +
                  version.dump() + " began";
  } else if (has("checkpoint.safetensors")) {
    lotar::read_checkpoint(path("checkpoint.safetensors"));
  }
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
