#include <lotar/optim/optimizer.hpp>

#include <string>
#include <vector>

#include "../threads.hpp"
#include "training.hpp"

using namespace lotar;

namespace {

using Any = Optimizer<float, TestBackend>;

}  // namespace

TEST_CASE("a name gives what its own type gives") {
  TestBackend b;
  const ParameterTable table = small_table();
  const std::vector<float> start = initial_values<float>(table);
  const auto by_name = [&](const OptimizerOptions& options) {
    Any any(b, table, options);
    return train(b, table, any, start);
  };
  Lars<float, TestBackend> lars(b, table, {.momentum = .8, .weight_decay = .1, .exclude_norm_and_bias = true});
  Sgd<float, TestBackend> sgd(b, table, {.momentum = .8, .weight_decay = .1});
  Adam<float, TestBackend> adam(b, table, {.weight_decay = .1});
  CHECK(by_name({"lars", .8, .1, true}) == train(b, table, lars, start));
  CHECK(by_name({"sgd", .8, .1}) == train(b, table, sgd, start));
  CHECK(by_name({"adam", .8, .1}) == train(b, table, adam, start));
}

TEST_CASE("a training goes on to the bit from its saved state") {
  TestBackend b;
  const ParameterTable table = small_table();
  for (const std::string name : {"lars", "sgd", "adam"}) {
    CAPTURE(name);
    Any one(b, table, {.name = name}), two(b, table, {.name = name}), fresh(b, table, {.name = name});
    const std::vector<float> begun = train(b, table, one, initial_values<float>(table), 0, 7);
    auto from = one.state(), to = two.state();
    REQUIRE(from.size() == to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      CHECK(from[i].first == to[i].first);
      b.copy(from[i].second, to[i].second);
    }
    const std::vector<float> whole = train(b, table, one, begun, 7);
    CHECK(train(b, table, two, begun, 7) == whole);
    CHECK(train(b, table, fresh, begun, 7) != whole);
  }
}

TEST_CASE("the state's names") {
  TestBackend b;
  const ParameterTable table = small_table();
  const auto names = [&](const std::string& name) {
    std::string all;
    Any any(b, table, {.name = name});
    for (const auto& [key, view] : any.state()) all += key + to_string(view.extents) + " ";
    return all;
  };
  CHECK(names("lars") == "momentum[256] ");
  CHECK(names("sgd") == "momentum[256] ");
  CHECK(names("adam") == "exp_avg[256] exp_avg_sq[256] ");
}

TEST_CASE("the number of threads changes no bit") {
  const ParameterTable table = small_table({30000, 9000, 3});
  for (const std::string name : {"lars", "sgd", "adam"}) {
    CAPTURE(name);
    std::vector<float> one;
    for (const int threads : {1, 2, 4, 8}) {
      auto b = with_threads<TestBackend>(threads);
      Any any(b, table, {.name = name});
      const std::vector<float> values = train(b, table, any, initial_values<float>(table), 0, 3);
      if (one.empty()) one = values;
      CHECK(values == one);
    }
  }
}

TEST_CASE("an unknown name, and an option of another optimizer, are refused") {
  TestBackend b;
  CHECK_THROWS_WITH_AS(Any(b, small_table(), {.name = "adamw"}), "optimizer \"adamw\": wanted lars, sgd or adam",
                       ConfigError);
  CHECK_THROWS_WITH_AS(Any(b, small_table(), {.name = "sgd", .exclude_norm_and_bias = true}),
                       "optimizer \"sgd\": exclude_norm_and_bias is of lars, wanted false, got true", ConfigError);
  CHECK_THROWS_WITH_AS(Any(b, small_table(), {.name = "adam", .exclude_norm_and_bias = true}),
                       "optimizer \"adam\": exclude_norm_and_bias is of lars, wanted false, got true", ConfigError);
}
