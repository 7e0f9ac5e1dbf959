// Trains and judges the methods of a recipe on several splits, and prints the thesis' table: mean and sample deviation
// over the splits, beside what is published. Runs that are done are skipped, and runs that were cut go on.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <lotar/augment/rand_augment.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/data/load.hpp>
#include <lotar/eval/protocols.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/json.hpp>
#include <lotar/loss/reweight.hpp>
#include <lotar/loss/temperature.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/optim/optimizer.hpp>
#include <lotar/optim/schedule.hpp>
#include <lotar/train/pretraining_options.hpp>

#include "backend.hpp"
#include "eval_results.hpp"
#include "pretrain_options.hpp"
#include "program.hpp"
#include "reproduction/child.hpp"
#include "reproduction/html_report.hpp"
#include "reproduction/recipe.hpp"
#include "reproduction/results_table.hpp"
#include "reproduction/run_state.hpp"
#include "reproduction/score_text.hpp"
#include "training_data.hpp"
#include "work_folder.hpp"

namespace {

namespace fs = std::filesystem;
using examples::PlannedRun;
using examples::Recipe;
using examples::RunState;
using examples::Stage;

struct ReproduceOptions {
  std::string recipe = "quick";
  std::vector<std::string> methods;
  std::vector<std::uint64_t> splits, seeds;
  std::string data = "data", dataset, out = "runs/reproduce", backend;
  std::vector<std::string> set;
  int threads = 0;
  bool redo = false, table_only = false;
};

/// The folder of this program, and of its siblings.
fs::path program_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

void refuse_repeats(const char* option, const auto& values) {
  for (std::size_t i = 0; i < values.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (values[i] == values[j]) throw lotar::ConfigError(std::string(option) + ": one comes twice");
}

/// The recipe that the options name, with all that they change in it.
Recipe chosen_recipe(const ReproduceOptions& options) {
  Recipe recipe = examples::find_recipe(options.recipe, program_folder() / "recipes");
  if (!options.methods.empty()) examples::choose_methods(recipe, options.methods);
  if (!options.splits.empty()) recipe.splits = options.splits;
  if (!options.seeds.empty()) recipe.seeds = options.seeds;
  if (!options.dataset.empty()) recipe.dataset = options.dataset;
  if (!options.backend.empty()) recipe.backend = options.backend;
  for (const std::string& assignment : options.set) examples::override_option(recipe, assignment);
  refuse_repeats("--methods", options.methods);
  refuse_repeats("splits", recipe.splits);
  refuse_repeats("seeds", recipe.seeds);
  if (recipe.backend != "cpu" && recipe.backend != "cuda")
    throw lotar::ConfigError("--backend: wanted cpu or cuda, got \"" + recipe.backend + "\"");
  return recipe;
}

/// Calls f with each of a recipe's methods and what pretrain makes of its options; errors then name the method.
void for_each_method(auto& recipe, auto f) {
  for (auto& method : recipe.methods) {
    Options options;
    CLI::App app;
    add_options(app, options);
    std::vector<std::string> arguments = examples::detail::option_arguments(method.options);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    try {
      app.parse(arguments);
      check(options);
      f(method, options);
    } catch (const std::exception& error) {
      throw lotar::ConfigError("recipe " + recipe.name + ", method " + method.name + ": " + error.what());
    }
  }
}

/// Refuses what pretrain would refuse of checked options: makes what it trains by, but for what takes memory.
/// @param images  to train on
void check_training(const Options& options, const std::string& backend, std::size_t classes, std::size_t images) {
  auto b = make_backend(1, options.precision == "tf32" && backend == "cpu");
  const lotar::PretrainingOptions training = pretraining_options(options, classes);
  lotar::detail::check_pretraining(training, images, 1, options.method == "supervised" ? 1 : 2);
  const lotar::Network network(training.network);
  lotar::ParameterTable one;  // the optimizer's memory is as large as the table
  one.add("one", {1}, lotar::ParameterKind::bias, {});
  const lotar::Optimizer<float, decltype(b)> optimizer(b, one, training.optimizer);
  lotar::ScheduleOptions schedule = training.schedule;
  schedule.steps_per_epoch = 1;
  lotar::learning_rates(schedule);
  lotar::temperatures(training.temperature, training.schedule.epochs);
  const lotar::ImageSize size{32, 32};
  augmentation(options, size.width, lotar::Normalize{}).check(size);
  if (options.rand_augment > 0)
    lotar::RandAugment{.operations = static_cast<std::size_t>(options.rand_augment)}.check(size);
  if (options.lotar != "none") lotar::lotar_preset(options.lotar);
}

/// Refuses what a run's programs would refuse once it is their turn, as far as the data does not matter, and says every
/// option as their config.json will.
void check_recipe(Recipe& recipe) {
  for_each_method(recipe, [&](examples::RecipeMethod& method, const Options& options) {
    lotar::parse_profile(options.profile);
    check_training(options, recipe.backend, 1, options.batch_size);
    const lotar::Json said = to_json(options, recipe.backend);
    for (const auto& [name, value] : method.options.items()) value = said.at(name);
  });
  for (const auto& [name, unused] : recipe.evaluation.items())
    if (name != "protocol" && name != "groups" && name != "few-shot")
      throw lotar::ConfigError("recipe " + recipe.name + ", evaluation: no option \"" + name + "\"");
  examples::plan(recipe);  // knows what is said of the evaluation, or refuses it
}

/// What a folder of runs has been asked for so far.
/// @throws lotar::ConfigError if it has files, and none that says so.
Recipe recorded_recipe(const fs::path& out, const Recipe& otherwise) {
  if (fs::exists(out / "reproduce.json")) return examples::read_recipe((out / "reproduce.json").string());
  if (examples::content_of(out).empty()) return otherwise;
  throw lotar::ConfigError(out.string() + ": the folder is not empty and holds no reproduction; name another folder");
}

/// Programs, and what every run gives them.
class Runner {
 public:
  Runner(const ReproduceOptions& options, const Recipe& recipe) : options_(options), evaluation_(recipe.evaluation) {
    for (std::string* program : {&pretrain_, &linear_eval_}) {
      *program = (program_folder() / (*program + (recipe.backend == "cuda" ? ".cuda" : ""))).string();
      if (::access(program->c_str(), X_OK) != 0)
        throw lotar::ConfigError(*program + ": wanted this program beside reproduce" +
                                 (recipe.backend == "cuda" ? "; build with LOTAR_CUDA=ON" : ""));
    }
  }

  /// Brings a run to its end.
  /// @return what went wrong, "" if nothing did.
  std::string finish(const PlannedRun& run, const std::string& title) const {
    const fs::path folder = fs::path(options_.out) / run.folder();
    RunState state = examples::inspect_run(folder, run);
    const auto say = [&](const std::string& what) { std::fprintf(stderr, "== %s%s\n", title.c_str(), what.c_str()); };
    if (state.stage == Stage::done) return say(": done already"), "";
    if (state.stage == Stage::another_run) return state.fault;
    if (state.stage == Stage::unjudged || state.stage == Stage::damaged) {
      if (!options_.redo) return state.fault + " (--redo does it again)";
      say(": damaged, done again");
      if (state.stage == Stage::damaged) fs::remove_all(folder);
    } else {
      say(state.stage != Stage::begun ? "" : ": goes on" + (state.fault.empty() ? "" : "; was " + state.fault));
    }
    examples::remove_leftovers(folder);

    const auto call = [&](const std::string& program, const char* where, const lotar::Json& options) {
      lotar::Json all = options;
      all.update({{where, folder.string()}, {"data", options_.data}, {"threads", options_.threads}});
      std::vector<std::string> words = examples::detail::option_arguments(all);
      words.insert(words.begin(), program);
      return words;
    };
    std::vector<std::vector<std::string>> commands;
    if (!state.trained) {
      commands.push_back(call(pretrain_, "out", run.options));
      if (fs::exists(folder / "config.json")) commands.back().emplace_back("--resume");
    }
    commands.push_back(call(linear_eval_, "run", evaluation_));

    for (const auto& command : commands) {
      const int code = examples::run_child(command);
      const std::string program = fs::path(command.front()).filename().string();
      if (code == 3) return program + " met numbers that are not finite";
      if (code > 128) return program + " was ended by signal " + std::to_string(code - 128);
      if (code != 0) return program + " failed with exit code " + std::to_string(code);
      if (examples::stopped_by() != 0) return "stopped";
    }
    state = examples::inspect_run(folder, run);
    return state.stage == Stage::done ? "" : folder.string() + ": the run ended and is not done";
  }

 private:
  const ReproduceOptions& options_;
  std::string pretrain_ = "pretrain", linear_eval_ = "linear_eval";
  lotar::Json evaluation_;
};

std::string date_text() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &utc);
  return text;
}

/// Prints the table of all runs in a folder, and writes it there as text, Markdown, CSV, JSON and a page with pictures.
void report(const Recipe& recipe, const fs::path& out) {
  std::vector<examples::ReportedRun> runs;
  std::vector<examples::RunScores> scores;
  for (const PlannedRun& run : examples::plan(recipe)) {
    const fs::path folder = out / run.folder();
    runs.push_back({run, examples::inspect_run(folder, run)});
    if (const RunState& state = runs.back().state; state.stage == Stage::begun && !state.fault.empty())
      std::fprintf(stderr, "reproduce: %s: not in the table: %s\n", run.title().c_str(), state.fault.c_str());
    if (runs.back().state.stage != Stage::done) continue;
    scores.push_back(examples::run_scores(runs.back().state.results, (folder / "results.json").string()));
    scores.back().method = run.method, scores.back().split = run.split, scores.back().seed = run.seed;
  }
  const examples::Scoreboard board = examples::scoreboard(recipe, scores);
  const std::string heading = "Recipe " + recipe.name + " on " + recipe.dataset + ": " + std::to_string(scores.size()) +
                              " of " + std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs") + " done";
  const std::string made = std::string("lotar ") + lotar::version + ", backend " + recipe.backend + ", data set " +
                           recipe.dataset + ", " + date_text() + ".";
  const std::string text = examples::plain_text(board, heading);
  lotar::write_file_atomically((out / "table.txt").string(), text);
  lotar::write_file_atomically((out / "table.md").string(), examples::markdown(board, heading));
  lotar::write_file_atomically((out / "table.csv").string(), examples::csv(board));
  lotar::write_json((out / "results.json").string(), examples::to_json(board));
  lotar::write_file_atomically((out / "report.html").string(),
                               examples::html_report(recipe, board, runs, heading, made));
  std::printf("%s\ntable.txt, table.md, table.csv, results.json and report.html: %s\n", text.c_str(), out.c_str());
}

/// Refuses missing data, and what a run's programs would refuse of it, before anything is made.
void check_data(const Recipe& recipe, const std::string& folder) {
  const lotar::Dataset training = lotar::load_dataset(recipe.dataset, folder, lotar::Part::train);
  lotar::load_dataset(recipe.dataset, folder, lotar::Part::test);
  const std::size_t classes = training.classes.size();
  for_each_method(recipe, [&](const examples::RecipeMethod&, const Options& options) {
    check_training(options, recipe.backend, classes, choose_split(options, training).indices.size());
  });
  const lotar::Protocol& protocol =
      lotar::find_protocol(examples::detail::evaluation_option(recipe.evaluation, "protocol"));
  examples::choose_images(training.labels, classes, protocol,
                          examples::detail::evaluation_option(recipe.evaluation, "few-shot"), 1);
}

/// Does what is not done yet.
/// @return the exit code: 2 if a run failed, or as a shell says it for the signal that stopped this.
int run_all(const ReproduceOptions& options, const Recipe& recipe, const Recipe& recorded) {
  const fs::path out = options.out;
  const std::vector<PlannedRun> runs = examples::plan(recipe);
  const Runner runner(options, recipe);
  bool all_done = true;
  for (const PlannedRun& run : runs) all_done &= examples::inspect_run(out / run.folder(), run).stage == Stage::done;
  if (!all_done) check_data(recipe, options.data);

  std::error_code error;
  fs::create_directories(out, error);
  if (error) throw lotar::IoError(options.out, "cannot make the folder: " + error.message());
  const examples::FolderLock lock(options.out);
  lotar::write_json((out / "reproduce.json").string(), examples::to_json(recorded));
  examples::stop_children_on_signals();
  std::size_t failed = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const std::string place = " (" + std::to_string(i + 1) + " of " + std::to_string(runs.size()) + ")";
    const std::string fault = runner.finish(runs[i], runs[i].title() + place);
    if (const int signal = examples::stopped_by(); signal != 0) {
      std::fprintf(stderr, "reproduce: stopped; the same command goes on\n");
      return 128 + signal;
    }
    if (fault.empty()) continue;
    ++failed;
    std::fprintf(stderr, "reproduce: %s: %s\n", runs[i].title().c_str(), fault.c_str());
  }
  report(recorded, out);
  return failed > 0 ? 2 : 0;
}

int reproduce(const ReproduceOptions& options) {
  if (options.table_only) {
    if (!fs::exists(fs::path(options.out) / "reproduce.json"))
      throw lotar::ConfigError(options.out + ": there is no reproduction (no reproduce.json)");
    report(examples::read_recipe((fs::path(options.out) / "reproduce.json").string()), options.out);
    return 0;
  }
  Recipe recipe = chosen_recipe(options);
  check_recipe(recipe);
  const Recipe recorded = examples::merge(recorded_recipe(options.out, recipe), recipe, options.out);
  return run_all(options, recipe, recorded);
}

}  // namespace

int main(int argc, char** argv) {
  ReproduceOptions options;
  CLI::App app("Train and judge the methods of a recipe on several splits, and print the thesis' table.", "reproduce");
  app.option_defaults()->always_capture_default()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  const std::vector<CLI::Option*> of_training{
      app.add_option("--recipe", options.recipe, "thesis, paper, balanced or quick, or a file of one's own"),
      app.add_option("--methods", options.methods, "Rows of the table, such as simclr,lotar; the recipe's unless given")
          ->delimiter(','),
      app.add_option("--splits", options.splits, "Values of --split-seed of pretrain; the recipe's unless given")
          ->delimiter(',')
          ->check(not_negative()),
      app.add_option("--seeds", options.seeds, "Values of --seed of pretrain, averaged; the recipe's unless given")
          ->delimiter(',')
          ->check(not_negative()),
      app.add_option("--data", options.data, "Folder of the data set's files, or its parent"),
      app.add_option("--dataset", options.dataset,
                     "cifar10, cifar100, fashion_mnist or synthetic; empty: the recipe's"),
      app.add_option("--backend", options.backend, "cpu or cuda; empty: the recipe's"),
      app.add_option("--set", options.set,
                     "name=value: an option of pretrain that goes before the recipe's; repeatable"),
      app.add_option("--threads", options.threads, "Of the CPU backend; 0: one a core; no result depends on it")
          ->check(not_negative()),
      app.add_flag("--redo", options.redo, "Do damaged runs again: removes what is in their folders")};
  app.add_option("--out", options.out, "Folder of the runs and of the table");
  app.add_flag("--table-only", options.table_only, "Train nothing: the table of what is in --out");
  int code = 0;
  const int status = run_program(app, argc, argv, [&] {
    for (const CLI::Option* option : of_training)
      if (options.table_only && option->count() > 0)
        throw lotar::ConfigError(option->get_name() + ": of no use with --table-only, which trains nothing");
    code = reproduce(options);
  });
  return status != 0 ? status : code;
}
