#include <lotar/nn/state.hpp>

#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include "layers.hpp"

using namespace lotar;

namespace {

/// A table of so many parameters.
ParameterTable one_filter(std::size_t size) {
  ParameterTable table;
  table.add("filter", {size, 1, 1, 1}, ParameterKind::conv, {Init::Kind::normal, .5});
  return table;
}

ParameterTable small_table() {
  ParameterTable table;
  table.add("filter", {3, 1, 1, 2}, ParameterKind::conv, {Init::Kind::normal, .5});
  table.add("gamma", {3}, ParameterKind::norm, {Init::Kind::constant, 1});
  table.add_statistic("var", {3}, 1);
  return table;
}

}  // namespace

TEST_CASE_TEMPLATE("a state begins with the table's initial values", T, float, double, bf16) {
  TestBackend b;
  const ParameterTable table = small_table();
  NetworkState<T, TestBackend> state(b, table, 3);
  static_assert(std::is_same_v<decltype(state.values), Tensor<Accum<T>, 1, TestBackend>>);
  CHECK(state.values.to_host(b) == initial_parameters<Accum<T>>(table, 3));
  CHECK(state.statistics.to_host(b) == initial_statistics<Accum<T>>(table));
  CHECK(state.gradients.extents == state.values.extents);
}

TEST_CASE_TEMPLATE("a training pass binds the arrays and zeroes the gradients; one in evaluation leaves them", T, float,
                   double) {
  TestBackend b;
  NetworkState<T, TestBackend> state(b, small_table(), 3);
  const auto train = state.pass(b, true);
  CHECK(train.training);
  CHECK(train.values.data == state.values.data);
  CHECK(train.filters.data == state.values.data);
  CHECK(train.gradients.data == state.gradients.data);
  CHECK(train.statistics.data == state.statistics.data);
  CHECK(train.tape.empty());
  for (const T g : state.gradients.to_host(b)) CHECK(g == 0);
  b.fill(state.gradients.view(), T(2));
  CHECK_FALSE(state.pass(b, false).training);
  for (const T g : state.gradients.to_host(b)) CHECK(g == 2);
}

TEST_CASE("bf16 filters are the parameters, rounded anew for each pass") {
  TestBackend b;
  for (const std::size_t size : {1u, 511u, 512u, 1541u}) {
    CAPTURE(size);
    NetworkState<bf16, TestBackend> state(b, one_filter(size), 3);
    for (int time = 0; time < 2; ++time) {
      const auto pass = state.pass(b, true);
      const auto values = state.values.to_host(b);
      std::vector<bf16> filters(values.size());
      b.download(pass.filters, std::span<bf16>(filters));
      for (std::size_t i = 0; i < values.size(); ++i) CHECK(filters[i].bits == bf16(values[i]).bits);
      b.upload(std::vector<float>(values.size(), 1.2345f), state.values.flat());
    }
  }
}
