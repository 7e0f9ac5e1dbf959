#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/json.hpp>
#include <lotar/io/safetensors.hpp>
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
  begun,        ///< trained in part or in whole, and not judged
  done,         ///< trained and judged
  unjudged,     ///< done, but its results are damaged
  damaged,      ///< what is there cannot be gone on with
  another_run,  ///< sound, but of other options
};

struct RunState {
  Stage stage = Stage::fresh;
  std::string fault;                 ///< what is wrong with it, for the last three
  std::vector<lotar::Json> metrics;  ///< of each epoch so far
  lotar::Json results;               ///< of a run that is done
};

namespace detail {

/// How the options that a run was made with differ from those it was planned with; "" if they do not.
inline std::string option_difference(const lotar::Json& config, const lotar::Json& planned) {
  lotar::Json there = lotar::Json::object();
  for (const auto& [name, unused] : planned.items())
    if (config.contains(name)) there[name] = config[name];
  return first_difference(there, planned, {});
}

/// The state of a run whose folder has a config.json.
/// @throws lotar::IoError if the configuration, metrics, checkpoint or model is damaged.
inline RunState inspect_training(const std::filesystem::path& folder, const lotar::Json& planned) {
  const auto path = [&](const char* name) { return (folder / name).string(); };
  const auto has = [&](const char* name) { return std::filesystem::exists(folder / name); };
  const lotar::Json config = lotar::read_json(path("config.json"));
  if (!config.is_object() || !config.contains("epochs") || !config["epochs"].is_number())
    throw lotar::IoError(path("config.json"), "wanted an object with a number \"epochs\"");
  RunState state{Stage::begun, "", {}, {}};
  if (const std::string difference = option_difference(config, planned); !difference.empty()) {
    state.stage = Stage::another_run;
    state.fault = folder.string() + ": cannot go on with other options: " + difference;
    return state;
  }
  if (has("metrics.jsonl")) state.metrics = read_metrics(path("metrics.jsonl"));
  const bool trained = !state.metrics.empty() && state.metrics.back()["epoch"] == config["epochs"];
  if (trained && has("results.json")) {
    try {
      state.results = lotar::read_json(path("results.json"));
      run_scores(state.results, path("results.json"));
      state.stage = Stage::done;
    } catch (const lotar::IoError& error) {
      state.stage = Stage::unjudged;
      state.fault = error.what();
    }
    return state;
  }
  if (has("checkpoint.safetensors")) lotar::read_checkpoint(path("checkpoint.safetensors"));
  if (trained) lotar::read_safetensors(path("model.safetensors"));
  return state;
}

}  // namespace detail

/// @param planned  what its config.json must say.
inline RunState inspect_run(const std::filesystem::path& folder, const lotar::Json& planned) {
  if (!std::filesystem::exists(folder / "config.json")) {
    const std::string other = content_of(folder);
    if (other.empty()) return {};
    return {Stage::damaged, folder.string() + ": has no config.json, but " + other, {}, {}};
  }
  try {
    return detail::inspect_training(folder, planned);
  } catch (const lotar::IoError& error) {
    return {Stage::damaged, error.what(), {}, {}};
  }
}

}  // namespace examples
