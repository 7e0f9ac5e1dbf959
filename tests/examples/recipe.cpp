#include "../../examples/reproduction/recipe.hpp"

#include <filesystem>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;
using lotar::Json;

namespace {

constexpr const char* small = R"({
  "about": "Seconds.", "dataset": "synthetic",
  "options": {"epochs": 2, "lr": 0.5, "projector": "mlp"},
  "methods": [{"name": "simclr", "lr": 0.1}, {"name": "code", "method": "lotar", "lotar": "thesis_code"}],
  "evaluation": {"protocol": "thesis", "few-shot": 20},
  "splits": [1, 2]})";

Recipe small_recipe() { return parse_recipe(Json::parse(small), "folder/small.json"); }

/// What parsing the small recipe with another value at a key says after the path; "" if nothing.
std::string fault(const char* key, const char* value) {
  Json json = Json::parse(small);
  json[key] = Json::parse(value);
  try {
    parse_recipe(json, "r");
    return "";
  } catch (const lotar::IoError& error) {
    return std::string(error.what()).substr(3);
  }
}

std::string merge_fault(const Recipe& before, const Recipe& now, const std::string& folder) {
  try {
    merge(before, now, folder);
    return "";
  } catch (const lotar::ConfigError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("a method has the recipe's options, and its own before them") {
  const Recipe recipe = small_recipe();
  CHECK(recipe.name == "small");
  CHECK(recipe.seeds == std::vector<std::uint64_t>{1});
  REQUIRE(recipe.methods.size() == 2);
  CHECK(recipe.methods[0].options == Json{{"epochs", 2}, {"lr", 0.1}, {"projector", "mlp"}, {"method", "simclr"}});
  CHECK(recipe.methods[1].options ==
        Json{{"epochs", 2}, {"lr", 0.5}, {"projector", "mlp"}, {"method", "lotar"}, {"lotar", "thesis_code"}});
}

TEST_CASE("a recipe is written as it is read") {
  const Json json = to_json(small_recipe());
  CHECK(to_json(parse_recipe(json, "elsewhere.json")) == json);
}

TEST_CASE("runs go split by split, each in a folder of its own") {
  Recipe recipe = small_recipe();
  recipe.seeds = {1, 4};
  const std::vector<PlannedRun> runs = plan(recipe);
  REQUIRE(runs.size() == 8);
  CHECK(runs[0].folder() == "simclr_split1");
  CHECK(runs[1].folder() == "code_split1");
  CHECK(runs[2].folder() == "simclr_split1_seed4");
  CHECK(runs[7].folder() == "code_split2_seed4");
  CHECK(runs[7].title() == "code, split 2, seed 4");
  CHECK(detail::option_arguments(runs[7].options) ==
        std::vector<std::string>{"--dataset=synthetic", "--epochs=2", "--lotar=thesis_code", "--lr=0.5",
                                 "--method=lotar", "--projector=mlp", "--seed=4", "--split-seed=2"});
}

TEST_CASE("an empty value is an argument of its own") {
  CHECK(detail::option_arguments({{"a", ""}, {"b", -1}}) == std::vector<std::string>{"--a", "", "--b=-1"});
}

TEST_CASE("a run is judged as the recipe says, and as its protocol says where that does not") {
  Recipe recipe = small_recipe();
  CHECK(plan(recipe)[0].evaluation ==
        Json{{"protocol", "thesis"}, {"groups", "thesis"}, {"few-shot", "20"}, {"draws", 1}, {"augmented-copies", 1}});
  recipe.evaluation = {{"protocol", "sdclr"}, {"groups", "thesis"}};
  recipe.methods[1].options["method"] = "supervised";
  CHECK(
      plan(recipe)[0].evaluation ==
      Json{{"protocol", "sdclr"}, {"groups", "thesis"}, {"few-shot", "none"}, {"draws", 1}, {"augmented-copies", 30}});
  CHECK(plan(recipe)[1].evaluation["protocol"] == "classifier");
  recipe.evaluation = Json::object();
  CHECK(plan(recipe)[0].evaluation["protocol"] == "thesis");
  recipe.evaluation["protocol"] = "other";
  CHECK_THROWS_AS(plan(recipe), lotar::ConfigError);
}

TEST_CASE("malformed recipes are refused") {
  CHECK(fault("colour", "1") == "a recipe has no \"colour\"");
  CHECK(fault("about", "1") == "about: wanted text");
  CHECK(fault("methods", "{}") == "methods: wanted a list of objects, each with a \"name\"");
  CHECK(fault("methods", "[]") == "methods: wanted a list of objects, each with a \"name\"");
  CHECK(fault("methods", R"(["a"])") == "methods: wanted a \"name\" of letters, digits, - and _, got \"a\"");
  CHECK(fault("methods", R"([{"name":"../a"}])") ==
        "methods: wanted a \"name\" of letters, digits, - and _, got {\"name\":\"../a\"}");
  CHECK(fault("methods", R"([{"name":"a"},{"name":"a"}])") == "methods: \"a\" comes twice");
  CHECK(fault("options", R"({"epochs":[1]})") == "options.epochs: wanted text or a number");
  CHECK(fault("options", R"({"seed":1})") ==
        "options: option \"seed\": reproduce gives it itself, for each run its own");
  CHECK(fault("methods", R"([{"name":"a","out":"x"}])") ==
        "methods.a: option \"out\": reproduce gives it itself, for each run its own");
  for (const char* bad : {"1", "[]", "[-1]", "[1.5]", "[\"1\"]"})
    CHECK(fault("splits", bad) == "splits: wanted a list of numbers of at least 0");
  CHECK(fault("published", "[]").starts_with("published: wanted {data set:"));
  CHECK(fault("published", R"({"x":{"source":"s","methods":{"a":{"total":[1]}}}})").starts_with("published: "));
  CHECK(fault("published", R"({"x":{"source":"s","methods":{"a":{"all":[]}}}})").starts_with("published: "));
  CHECK(fault("published", R"({"x":{"source":"s","methods":{"a":{"all":[1,2]}}}})") == "");
  CHECK_THROWS_WITH_AS(parse_recipe(Json(3), "r"), "r: wanted a recipe, a JSON object", lotar::IoError);
}

TEST_CASE("a recipe is found by name or path") {
  const ScratchFolder folder;
  write_bytes(folder / "one.json", small);
  write_bytes(folder / "two.json", small);
  CHECK(find_recipe("one", folder.path()).name == "one");
  CHECK(find_recipe(folder / "two.json", "/nowhere").name == "two");
  CHECK_THROWS_WITH_AS(find_recipe("three", folder.path()), "recipe \"three\": wanted a file, or one of: one, two",
                       lotar::ConfigError);
  CHECK_THROWS_AS(find_recipe(folder / "three.json", folder.path()), lotar::IoError);
}

TEST_CASE("options are overridden for every method, methods chosen in an order") {
  Recipe recipe = small_recipe();
  recipe.published = {{"synthetic", {{"source", "s"}, {"methods", Json::object()}}}};
  override_option(recipe, "lr=0.25");
  override_option(recipe, "arch=resnet10");
  CHECK(recipe.methods[0].options["lr"] == 0.25);
  CHECK(recipe.methods[1].options["arch"] == "resnet10");
  CHECK(recipe.published.size() == 1);
  override_option(recipe, "ratio=10");
  CHECK(recipe.published.empty());
  CHECK_THROWS_WITH_AS(override_option(recipe, "lr"), "--set: wanted name=value, got \"lr\"", lotar::ConfigError);
  CHECK_THROWS_WITH_AS(override_option(recipe, "method=bcl"), "--set: the method is each row's own",
                       lotar::ConfigError);
  CHECK_THROWS_AS(override_option(recipe, "max-steps=3"), lotar::ConfigError);
  choose_methods(recipe, {"code", "simclr"});
  CHECK(recipe.methods[0].name == "code");
  CHECK_THROWS_WITH_AS(choose_methods(recipe, {"byol"}), "method \"byol\": recipe small has code, simclr",
                       lotar::ConfigError);
}

TEST_CASE("methods, splits and seeds may be added; what is there must stay as it was") {
  const ScratchFolder folder;
  for (const char* run : {"simclr_split1", "code_split2"}) {
    std::filesystem::create_directory(folder / run);
    write_bytes(folder / run + "/config.json", "{}");
  }
  const Recipe before = small_recipe();
  Recipe now = small_recipe();
  now.methods.erase(now.methods.begin());
  now.methods.push_back({"third", {{"method", "bcl"}}});
  now.splits = {5}, now.seeds = {2};
  const Recipe all = merge(before, now, folder.path());
  REQUIRE(all.methods.size() == 3);
  CHECK(all.methods[2].name == "third");
  CHECK(all.splits == std::vector<std::uint64_t>{1, 2, 5});
  CHECK(all.seeds == std::vector<std::uint64_t>{1, 2});

  const std::string start = folder.path() + ": holds runs of another recipe: ";
  now = small_recipe();
  override_option(now, "epochs=3");
  CHECK(merge_fault(before, now, folder.path()) == start + "methods.code.epochs was 2, is now 3");
  now = small_recipe();
  now.evaluation.erase("few-shot");
  CHECK(merge_fault(before, now, folder.path()) == start + "evaluation.few-shot was 20, is now not set");
  now = small_recipe();
  now.dataset = "cifar10";
  CHECK(merge_fault(before, now, folder.path()) == start + "dataset was \"synthetic\", is now \"cifar10\"");
  now = small_recipe();
  now.about = "Other words.";
  CHECK(merge_fault(before, now, folder.path()) == "");
}

TEST_CASE("what was never begun may be asked for otherwise, and stays asked for") {
  const ScratchFolder folder;
  const Recipe before = small_recipe();
  Recipe now = small_recipe();
  now.backend = "cuda", now.dataset = "cifar10", now.evaluation = {{"protocol", "bcl"}};
  override_option(now, "epochs=3");
  choose_methods(now, {"code"});
  Recipe all = merge(before, now, folder.path());
  REQUIRE(all.methods.size() == 2);
  CHECK(all.methods[0].options == before.methods[0].options);
  CHECK(all.methods[1].options == now.methods[0].options);
  CHECK(all.backend == "cuda");

  std::filesystem::create_directory(folder / "simclr_split2");
  CHECK(merge_fault(before, now, folder.path()) == "");
  write_bytes(folder / "simclr_split2/config.json", "{}");
  CHECK(merge_fault(before, now, folder.path()).ends_with("backend was \"cpu\", is now \"cuda\""));
  now = small_recipe();
  override_option(now, "lr=0.25");
  CHECK(merge_fault(before, now, folder.path()).ends_with("methods.simclr.lr was 0.1, is now 0.25"));
  now.methods[0] = before.methods[0];
  all = merge(before, now, folder.path());
  CHECK(all.methods[1].options["lr"] == 0.25);
}
