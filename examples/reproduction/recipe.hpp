#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/json.hpp>

#include "../eval_results.hpp"
#include "../run_directory.hpp"

/// What to reproduce: which methods, with which options, on which splits.
namespace examples {

/// A row of the table: a name, and the options of `pretrain` that make it.
struct RecipeMethod {
  std::string name;
  lotar::Json options;  ///< an object by the options' long names; has "method"
};

/// A recipe, as a file of examples/recipes/ holds it. What a folder of runs has been asked for is a recipe as well.
struct Recipe {
  std::string name, about;
  std::string dataset, backend = "cpu";
  std::vector<RecipeMethod> methods;            ///< in the order of the table's rows
  lotar::Json evaluation;                       ///< options of `linear_eval`
  std::vector<std::uint64_t> splits, seeds{1};  ///< --split-seed and --seed of `pretrain`
  lotar::Json published;                        ///< what others report, by data set; see published_row

  const RecipeMethod* find(const std::string& method) const {
    const auto found = std::find_if(methods.begin(), methods.end(), [&](const auto& m) { return m.name == method; });
    return found == methods.end() ? nullptr : &*found;
  }
};

/// One training and its evaluation.
struct PlannedRun {
  std::string method;
  std::uint64_t split, seed;
  lotar::Json options;     ///< what config.json must say
  lotar::Json evaluation;  ///< what results.json must say: see evaluation_json

  /// Seed 1 goes without saying, so that seeds can be added to a folder of runs.
  std::string folder() const {
    return method + "_split" + std::to_string(split) + (seed == 1 ? "" : "_seed" + std::to_string(seed));
  }
  std::string title() const {
    return method + ", split " + std::to_string(split) + (seed == 1 ? "" : ", seed " + std::to_string(seed));
  }
};

namespace detail {

inline bool is_scalar(const lotar::Json& value) { return value.is_string() || value.is_number(); }

inline std::string option_text(const lotar::Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// The arguments of a program, from an object of options: "--name=value", but "--name" and "" for an empty value, in
/// whose place CLI11 would take the next argument.
inline std::vector<std::string> option_arguments(const lotar::Json& options) {
  std::vector<std::string> arguments;
  for (const auto& [name, value] : options.items()) {
    const std::string text = option_text(value);
    arguments.push_back("--" + name + (text.empty() ? "" : "=" + text));
    if (text.empty()) arguments.emplace_back();
  }
  return arguments;
}

/// What a recipe says of an option of linear_eval, or that program's default.
inline std::string evaluation_option(const lotar::Json& evaluation, const std::string& name) {
  if (evaluation.contains(name)) return option_text(evaluation[name]);
  const EvalOptions otherwise;
  return name == "protocol" ? otherwise.protocols[0] : name == "few-shot" ? otherwise.few_shot : otherwise.groups;
}

/// How a run of these options is judged, as evaluation_json has it.
inline lotar::Json planned_evaluation(const lotar::Json& evaluation, const lotar::Json& options) {
  const std::string convention = evaluation_option(evaluation, "groups");
  const lotar::Protocol protocol =
      choose_protocol(evaluation_option(evaluation, "protocol"), convention, options["method"] == "supervised");
  return evaluation_json(protocol, evaluation_option(evaluation, "few-shot"), 0, 0);
}

/// @throws lotar::ConfigError for an option of pretrain that is not a recipe's to say.
inline void check_recipe_option(const std::string& name) {
  static const std::set<std::string> ours{"config", "data",       "dataset", "help",  "max-steps", "out",
                                          "resume", "split-seed", "seed",    "split", "threads",   "versions"};
  if (ours.contains(name))
    throw lotar::ConfigError("option \"" + name + "\": reproduce gives it itself, for each run its own");
}

inline void check_options(const std::string& path, const std::string& where, const lotar::Json& options) {
  if (!options.is_object()) throw lotar::IoError(path, where + ": wanted an object of options");
  for (const auto& [name, value] : options.items()) {
    if (!is_scalar(value)) throw lotar::IoError(path, where + "." + name + ": wanted text or a number");
    try {
      check_recipe_option(name);
    } catch (const lotar::ConfigError& error) {
      throw lotar::IoError(path, where + ": " + error.what());
    }
  }
}

inline std::string string_at(const std::string& path, const lotar::Json& json, const char* key, std::string otherwise) {
  if (!json.contains(key)) return otherwise;
  if (!json[key].is_string()) throw lotar::IoError(path, std::string(key) + ": wanted text");
  return json[key].get<std::string>();
}

inline std::vector<std::uint64_t> numbers_at(const std::string& path, const lotar::Json& json, const char* key,
                                             const std::vector<std::uint64_t>& otherwise) {
  if (!json.contains(key)) return otherwise;
  std::vector<std::uint64_t> numbers;
  const lotar::Json& list = json[key];
  for (std::size_t i = 0; list.is_array() && i < list.size(); ++i)
    if (list[i].is_number_unsigned()) numbers.push_back(list[i].get<std::uint64_t>());
  if (!list.is_array() || list.empty() || numbers.size() != list.size())
    throw lotar::IoError(path, std::string(key) + ": wanted a list of numbers of at least 0");
  return numbers;
}

/// A name that can be a part of a folder's.
inline bool is_method_name(const std::string& name) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
  return !name.empty() && name.find_first_not_of(allowed) == std::string::npos && name.front() != '.';
}

/// @throws lotar::IoError unless it is {data set: {"source": text, "methods": {name: {group: [mean, deviation]}}}}.
inline void check_published(const std::string& path, const lotar::Json& published) {
  const auto require = [&](bool holds) {
    if (!holds)
      throw lotar::IoError(path,
                           "published: wanted {data set: {\"source\": text, \"methods\": {name: {\"many\", \"medium\", "
                           "\"few\" or \"all\": [mean] or [mean, deviation]}}}}");
  };
  const auto is_group = [](const std::string& key) {
    return std::any_of(groups.begin(), groups.end(), [&](const auto& group) { return key == group.first; });
  };
  require(published.is_object());
  for (const lotar::Json& table : published) {
    require(table.is_object() && table.contains("source") && table["source"].is_string());
    require(table.contains("methods") && table["methods"].is_object());
    for (const lotar::Json& row : table["methods"]) {
      require(row.is_object());
      for (const auto& [key, cell] : row.items()) {
        require(is_group(key) && cell.is_array() && (cell.size() == 1 || cell.size() == 2));
        require(cell.front().is_number() && cell.back().is_number());
      }
    }
  }
}

}  // namespace detail

/// A recipe of a JSON object: "about", "dataset", "backend", "options" (of every method), "methods" (a list of objects:
/// "name", and options of its own; "method" is the name unless given), "evaluation", "splits", "seeds", "published".
///
/// @param path  where it came from: the recipe's name unless it has one, and for messages.
/// @throws lotar::IoError that names what is missing, unknown or malformed.
inline Recipe parse_recipe(const lotar::Json& json, const std::string& path) {
  static const std::set<std::string> known{"name",    "about",      "dataset", "backend", "options",
                                           "methods", "evaluation", "splits",  "seeds",   "published"};
  if (!json.is_object()) throw lotar::IoError(path, "wanted a recipe, a JSON object");
  for (const auto& [key, unused] : json.items())
    if (!known.contains(key)) throw lotar::IoError(path, "a recipe has no \"" + key + "\"");
  Recipe recipe;
  recipe.name = detail::string_at(path, json, "name", std::filesystem::path(path).stem().string());
  recipe.about = detail::string_at(path, json, "about", "");
  recipe.dataset = detail::string_at(path, json, "dataset", "cifar10");
  recipe.backend = detail::string_at(path, json, "backend", "cpu");
  recipe.splits = detail::numbers_at(path, json, "splits", {1, 2, 3});
  recipe.seeds = detail::numbers_at(path, json, "seeds", {1});
  recipe.evaluation = json.value("evaluation", lotar::Json::object());
  detail::check_options(path, "evaluation", recipe.evaluation);
  recipe.published = json.value("published", lotar::Json::object());
  detail::check_published(path, recipe.published);
  const lotar::Json options = json.value("options", lotar::Json::object());
  detail::check_options(path, "options", options);

  if (!json.contains("methods") || !json["methods"].is_array() || json["methods"].empty())
    throw lotar::IoError(path, "methods: wanted a list of objects, each with a \"name\"");
  for (lotar::Json method : json["methods"]) {
    const std::string name = method.is_object() ? detail::string_at(path, method, "name", "") : "";
    if (!detail::is_method_name(name))
      throw lotar::IoError(path, "methods: wanted a \"name\" of letters, digits, - and _, got " + method.dump());
    if (recipe.find(name) != nullptr) throw lotar::IoError(path, "methods: \"" + name + "\" comes twice");
    method.erase("name");
    detail::check_options(path, "methods." + name, method);
    lotar::Json all = options;
    all.update(method);
    if (!all.contains("method")) all["method"] = name;
    recipe.methods.push_back({name, all});
  }
  return recipe;
}

/// The recipe as parse_recipe takes it, every method with all its options.
inline lotar::Json to_json(const Recipe& recipe) {
  lotar::Json methods = lotar::Json::array();
  for (const RecipeMethod& method : recipe.methods) {
    methods.push_back(method.options);
    methods.back()["name"] = method.name;
  }
  return {{"name", recipe.name},       {"about", recipe.about}, {"dataset", recipe.dataset},
          {"backend", recipe.backend}, {"methods", methods},    {"evaluation", recipe.evaluation},
          {"splits", recipe.splits},   {"seeds", recipe.seeds}, {"published", recipe.published}};
}

inline Recipe read_recipe(const std::string& path) { return parse_recipe(lotar::read_json(path), path); }

/// Reads a recipe by its name, from a folder of recipes, or by the path of its file.
/// @throws lotar::ConfigError if there is none; lotar::IoError if it is malformed.
inline Recipe find_recipe(const std::string& name, const std::filesystem::path& folder) {
  if (name.ends_with(".json") || name.find('/') != std::string::npos) return read_recipe(name);
  if (const auto path = folder / (name + ".json"); std::filesystem::exists(path)) return read_recipe(path.string());
  std::set<std::string> known;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing))
    if (entry.path().extension() == ".json") known.insert(entry.path().stem().string());
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + one;
  throw lotar::ConfigError("recipe \"" + name + "\": wanted a file, or one of: " + list);
}

/// Gives every method an option, over what the recipe says.
///
/// Another imbalance makes published figures another problem's: they are dropped.
/// @param assignment  "name=value"
/// @throws lotar::ConfigError if it is not of this form, or not a recipe's to say.
inline void override_option(Recipe& recipe, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw lotar::ConfigError("--set: wanted name=value, got \"" + assignment + "\"");
  const std::string name = assignment.substr(0, equals), text = assignment.substr(equals + 1);
  if (name == "method") throw lotar::ConfigError("--set: the method is each row's own");
  detail::check_recipe_option(name);
  lotar::Json value = lotar::Json::parse(text, nullptr, false);
  if (!value.is_number()) value = text;
  for (RecipeMethod& method : recipe.methods) method.options[name] = value;
  if (name == "ratio" || name == "profile") recipe.published = lotar::Json::object();
}

/// Keeps these methods of a recipe, in this order.
/// @throws lotar::ConfigError if it has not one of them.
inline void choose_methods(Recipe& recipe, const std::vector<std::string>& names) {
  std::vector<RecipeMethod> chosen;
  for (const std::string& name : names) {
    const RecipeMethod* method = recipe.find(name);
    std::string known;
    for (const RecipeMethod& m : recipe.methods) known += (known.empty() ? "" : ", ") + m.name;
    if (method == nullptr) throw lotar::ConfigError("method \"" + name + "\": recipe " + recipe.name + " has " + known);
    chosen.push_back(*method);
  }
  recipe.methods = std::move(chosen);
}

/// All runs of a recipe: split by split, so that each split's methods can be compared once it is done.
/// @throws lotar::ConfigError for an evaluation that linear_eval does not know.
inline std::vector<PlannedRun> plan(const Recipe& recipe) {
  std::vector<PlannedRun> runs;
  for (const std::uint64_t split : recipe.splits)
    for (const std::uint64_t seed : recipe.seeds)
      for (const RecipeMethod& method : recipe.methods) {
        runs.push_back(
            {method.name, split, seed, method.options, detail::planned_evaluation(recipe.evaluation, method.options)});
        runs.back().options.update({{"dataset", recipe.dataset}, {"split-seed", split}, {"seed", seed}});
      }
  return runs;
}

/// What a folder of runs has been asked for, and now this too: methods, splits and seeds may be added, what is there
/// must be asked for as it was. A method of which no run has a config.json is not there yet.
///
/// @throws lotar::ConfigError that names the first difference.
inline Recipe merge(const Recipe& before, const Recipe& now, const std::string& folder) {
  std::set<std::string> there;
  for (const PlannedRun& run : plan(before))
    if (std::filesystem::exists(std::filesystem::path(folder) / run.folder() / "config.json")) there.insert(run.method);
  const auto comparable = [&](const Recipe& recipe, const Recipe& other) {
    lotar::Json methods = lotar::Json::object();
    for (const RecipeMethod& method : recipe.methods)
      if (there.contains(method.name) && other.find(method.name) != nullptr) methods[method.name] = method.options;
    return lotar::Json{{"dataset", recipe.dataset},
                       {"backend", recipe.backend},
                       {"evaluation", recipe.evaluation},
                       {"methods", methods}};
  };
  const std::string difference = detail::first_difference(comparable(before, now), comparable(now, before), {});
  if (!there.empty() && !difference.empty())
    throw lotar::ConfigError(folder + ": holds runs of another recipe: " + difference);
  Recipe all = now;
  all.methods = before.methods;
  for (RecipeMethod& method : all.methods)
    if (const RecipeMethod* other = now.find(method.name); other != nullptr) method = *other;
  for (const RecipeMethod& method : now.methods)
    if (all.find(method.name) == nullptr) all.methods.push_back(method);
  const auto unite = [](std::vector<std::uint64_t>& into, const std::vector<std::uint64_t>& more) {
    std::set<std::uint64_t> sorted(into.begin(), into.end());
    sorted.insert(more.begin(), more.end());
    into.assign(sorted.begin(), sorted.end());
  };
  unite(all.splits, before.splits);
  unite(all.seeds, before.seeds);
  return all;
}

}  // namespace examples
