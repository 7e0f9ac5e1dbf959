#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/plan_memory.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../test.hpp"

using namespace lotar;
using namespace lotar::detail;

namespace {

const ConvolutionProblem problem{ConvolutionKind::backward_filter,
                                 Storage::bf16,
                                 Storage::float32,
                                 {{{8, 32, 31, 64}, {24, 3, 5, 64}, {8, 16, 16, 24}}},
                                 {2, 1},
                                 1};

}  // namespace

TEST_CASE("a plan is text and back") {
  const std::optional<EngineChoice> choice(EngineChoice{7, {{13, 64}, {2, -11}}});
  CHECK(to_string(choice) == "7 2=-11 13=64");
  CHECK(parse_plan("7 2=-11 13=64") == choice);
  CHECK(parse_plan("0") == std::optional(EngineChoice{}));
  CHECK(to_string(std::optional<EngineChoice>()) == "none");
  CHECK(!parse_plan("none"));
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::optional<EngineChoice> large(EngineChoice{most, {{most, std::numeric_limits<std::int64_t>::min()}}});
  CHECK(parse_plan(to_string(large)) == large);
}

TEST_CASE("text that is no plan is refused") {
  for (const std::string text : {"", " 7", "7 ", "7  2=1", "7 2", "7 2=", "7 =1", "7 2=1 2=1", "seven", "7,2=1", "+7",
                                 "none ", "99999999999999999999"}) {
    CAPTURE(text);
    CHECK_THROWS_WITH_AS(parse_plan(text), ("\"" + text + "\" is not the plan of a convolution").c_str(), ConfigError);
  }
  CHECK_THROWS_WITH_AS(parse_plan("7\n2=1\x1b"), "\"7 2=1 \" is not the plan of a convolution", ConfigError);
  CHECK_THROWS_WITH_AS(parse_plan(std::string(1000, 'x')),
                       ("\"" + std::string(200, 'x') + "...\" is not the plan of a convolution").c_str(), ConfigError);
}

TEST_CASE("a problem's text names all that its plan depends on") {
  CHECK(to_string(problem, {16, 8, 2}, "9.0") ==
        "backward_filter of bf16 to float: x [8, 32, 31, 64], filter [24, 3, 5, 64], stride 2, padding 1, beta 1, "
        "aligned "
        "to 16, 8 and 2 bytes, compute capability 9.0");
  ConvolutionProblem other = problem;
  other.beta = .1;
  other.kind = ConvolutionKind::forward;
  CHECK(to_string(other, {16, 16, 16}, "10.0").find("forward of") == 0);
  CHECK(to_string(other, {16, 16, 16}, "10.0").find(", beta 0.1,") != std::string::npos);
}

TEST_CASE("keys differ where problems do") {
  const auto alignment = alignments({nullptr, reinterpret_cast<void*>(24), reinterpret_cast<void*>(258)});
  CHECK(alignment == std::array<std::int64_t, 3>{16, 8, 2});
  const auto wanted = key(problem, alignment);
  CHECK(key(problem, alignment) == wanted);
  const auto differs = [&](auto change) {
    ConvolutionProblem p = problem;
    change(p);
    return key(p, alignment) != wanted;
  };
  CHECK(differs([](ConvolutionProblem& p) { p.kind = ConvolutionKind::forward; }));
  CHECK(differs([](ConvolutionProblem& p) { p.factors = Storage::float32; }));
  CHECK(differs([](ConvolutionProblem& p) { p.result = Storage::bf16; }));
  CHECK(differs([](ConvolutionProblem& p) { p.extents[0][3] = 32; }));
  CHECK(differs([](ConvolutionProblem& p) { p.extents[1][0] = 32; }));
  CHECK(differs([](ConvolutionProblem& p) { p.conv.padding = 2; }));
  CHECK(differs([](ConvolutionProblem& p) { p.beta = 0; }));
  CHECK(key(problem, {16, 16, 16}) != wanted);
}

TEST_CASE("what a convolution computes, and how it is stored") {
  CHECK(problem.result_array() == 1);
  CHECK(problem.storage_of(0) == Storage::bf16);
  CHECK(problem.storage_of(1) == Storage::float32);
  CHECK(bytes_of(storage<bf16>) == 2);
  CHECK(bytes_of(storage<float>) == 4);
  CHECK(bytes_of(storage<double>) == 8);
}

TEST_CASE("the first plan of a problem is kept until others are put in") {
  PlanMemory memory;
  CHECK(!memory.find("a"));
  CHECK(memory.keep("a", "1") == "1");
  CHECK(memory.keep("a", "2") == "1");
  CHECK(memory.find("a") == "1");
  const std::size_t version = memory.version();
  memory.use({{"a", "3 1=2"}, {"b", "none"}});
  CHECK(memory.version() != version);
  CHECK(memory.all() == PlanMemory::Plans{{"a", "3 1=2"}, {"b", "none"}});
  CHECK_THROWS_WITH_AS(memory.use({{"a", "4"}, {"c", "x"}}), "use_plans: c: \"x\" is not the plan of a convolution",
                       ConfigError);
  CHECK_THROWS_WITH_AS(memory.use({{"c\n", "x"}}), "use_plans: c : \"x\" is not the plan of a convolution",
                       ConfigError);
  CHECK(memory.find("a") == "3 1=2");
}

TEST_CASE("several threads keep plans at once, and all go on with the same") {
  PlanMemory memory;
  const auto keep = [&](const std::string& plan, std::vector<std::string>& kept) {
    for (int i = 0; i < 1000; ++i) kept.push_back(memory.keep(std::to_string(i), plan));
  };
  std::vector<std::string> here, there;
  std::thread other([&] { keep("1", there); });
  keep("2", here);
  other.join();
  CHECK(here == there);
  CHECK(memory.all().size() == 1000);
}
