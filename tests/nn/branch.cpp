#include <lotar/nn/branch.hpp>

#include <string>
#include <vector>

#include "layers.hpp"

using namespace lotar;

namespace {

/// A filter of 2, a norm's gamma of 1, a bias of 1, and a statistic; with a second branch.
struct Two {
  ParameterTable table;
  BranchTable branch;

  static ParameterTable first() {
    ParameterTable t;
    t.add("filter", {2, 1, 1, 1}, ParameterKind::conv, {Init::Kind::constant, 3});
    t.add("norm.weight", {1}, ParameterKind::norm, {Init::Kind::constant, 1});
    t.add("bias", {1}, ParameterKind::bias, {Init::Kind::constant, 5});
    t.add_statistic("norm.running_var", {1}, 1);
    return t;
  }
  Two() : table(first()), branch(table, "pruned.") {}
};

}  // namespace

TEST_CASE("a second branch has norms and statistics of its own and shares the rest") {
  const Two two;
  CHECK(two.branch.size == 192);
  REQUIRE(two.table.parameters().size() == 4);
  CHECK(two.table.parameters()[3].name == "pruned.norm.weight");
  CHECK(two.table.parameters()[3].kind == ParameterKind::norm);
  CHECK(two.branch.source[0] == 0);
  CHECK(two.branch.source[64] == 192);
  CHECK(two.branch.source[128] == 128);
  REQUIRE(two.table.statistics().size() == 2);
  CHECK(two.table.statistics()[1].name == "pruned.norm.running_var");
  CHECK(two.table.statistics()[1].offset == two.branch.statistics_offset);
}

TEST_CASE_TEMPLATE("its pass reads mask * w and its own norm, and its gradients go where these came from", T, float,
                   double, bf16) {
  using A = Accum<T>;
  TestBackend b;
  const Two two;
  NetworkState<T, TestBackend> state(b, two.table, 1);
  Branch<T, TestBackend> branch(b, two.branch);
  std::vector<A> values = state.values.to_host(b), mask = branch.mask.to_host(b);
  CHECK(mask == std::vector<A>(192, A(1)));
  values[64] = 7, values[192] = 9;  // the norms of the two branches
  mask[1] = 0;
  b.upload(values, state.values);
  b.upload(mask, branch.mask);

  Pass<T, TestBackend> pass = branch.pass(b, state, true);
  const auto host = [&](auto view) {
    std::vector<std::remove_const_t<typename decltype(view)::Element>> v(view.size());
    b.download(view, std::span(v));
    return v;
  };
  const auto seen = host(pass.values);
  CHECK(seen[0] == 3);
  CHECK(seen[1] == 0);
  CHECK(seen[64] == 9);
  CHECK(seen[128] == 5);
  CHECK(static_cast<float>(host(pass.filters)[0]) == 3);
  CHECK(static_cast<float>(host(pass.filters)[1]) == 0);
  CHECK(pass.statistics.data == state.statistics.data + two.branch.statistics_offset);

  CHECK(host(pass.gradients) == std::vector<A>(192, A(0)));
  b.fill(pass.gradients, A(2));
  b.fill(state.gradients.view(), A(10));
  branch.add_gradients(b, state);
  const auto gradients = state.gradients.to_host(b);
  CHECK(gradients[0] == 12);
  CHECK(gradients[1] == 10);   // masked
  CHECK(gradients[64] == 10);  // the first branch's norm
  CHECK(gradients[128] == 12);
  CHECK(gradients[192] == 12);
}

TEST_CASE("a state without the branch's norms is refused") {
  TestBackend b;
  const Two two;
  NetworkState<float, TestBackend> state(b, Two::first(), 1);
  Branch<float, TestBackend> branch(b, two.branch);
  CHECK_THROWS_WITH_AS(branch.pass(b, state, true),
                       "Branch::pass: the state must be of the table with the branch: at least 193 parameters and 128 "
                       "statistics, got 192 and 64",
                       ShapeError);
  CHECK_THROWS_AS(branch.add_gradients(b, state), ShapeError);
}

TEST_CASE("a branch can be declared once under a name") {
  Two two;
  CHECK_THROWS_WITH_AS(BranchTable(two.table, "pruned."), "ParameterTable: the name \"pruned.norm.weight\" is taken",
                       ConfigError);
}
