#include <lotar/nn/projector.hpp>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "parity.hpp"

using namespace lotar;

namespace {

template <class T>
void check_projector(const std::string& kind, const expected::Network& wanted) {
  ParameterTable table;
  const Projector net(table, kind, 24);
  // Sums of up to 128 products in float, and norms over six rows.
  const Tolerance tolerance = std::is_same_v<T, float> ? Tolerance{1e-5, 1e-4} : Tolerance{1e-12, 1e-12};
  check_parity<T>(
      table, wanted, tolerance,
      [&](auto& b, auto& pass) {
        return net.forward(b, Array<2, T>(b, {{6, 24}}, noise_values<T>(6 * 24, 1000)), pass);
      },
      [&](auto& b, auto dy, auto& pass) { net.backward(b, std::move(dy), pass); });
}

}  // namespace

TEST_CASE_TEMPLATE("projectors are PyTorch's Sequential", T, double, float) {
  SUBCASE("thesis") { check_projector<T>("thesis", expected::projector_thesis); }
  SUBCASE("mlp") { check_projector<T>("mlp", expected::projector_mlp); }
  SUBCASE("mlp_bn") { check_projector<T>("mlp_bn", expected::projector_mlp_bn); }
}

TEST_CASE("gradients match central differences") {
  for (const char* const kind : {"thesis", "mlp", "mlp_bn"}) {
    ParameterTable table;
    const Projector net(table, kind, 4, {.out = 3, .bottleneck = 2});
    check_gradients(
        table, 5 * 4,
        [&](auto& b, const std::vector<double>& x, auto& pass) {
          return net.forward(b, Array<2>(b, {{5, 4}}, x), pass);
        },
        [&](auto& b, auto dy, auto& pass) { return net.backward(b, std::move(dy), pass).to_host(b); });
  }
}

TEST_CASE("a projector computes in float beside an encoder in bf16") {
  TestBackend b;
  ParameterTable table;
  const Projector net(table, "mlp_bn", 4, {.out = 3});
  const Extents<2> in{{6, 4}}, out{{6, 3}};
  const auto run = [&](auto type) {
    NetworkState<decltype(type), TestBackend> state(b, table, 1);
    auto pass = state.pass(b, true);
    auto z = net.forward(b, Array<2, float>(b, in, noise_values<float>(24, 1)), pass).to_host(b);
    net.backward(b, Array<2, float>(b, out, noise_values<float>(18, 2)), pass);
    for (const float g : state.gradients.to_host(b)) z.push_back(g);
    return z;
  };
  CHECK(run(bf16()) == run(float()));
}

TEST_CASE("what is unknown or does not fit is refused") {
  ParameterTable table;
  CHECK_THROWS_WITH_AS(Projector(table, "none", 4),
                       "projector: the kind must be thesis, mlp, mlp_bn or linear, got \"none\"", ConfigError);
  CHECK_THROWS_WITH_AS(Projector(table, "mlp", 4, {.out = 0}),
                       "projector: widths must be >= 1, got out 0, bottleneck 10", ConfigError);
  CHECK_THROWS_WITH_AS(Projector(table, "thesis", 4, {.bottleneck = 0}),
                       "projector: widths must be >= 1, got out 128, bottleneck 0", ConfigError);
  TestBackend b;
  ParameterTable fresh;
  const Projector net(fresh, "mlp", 4);
  NetworkState<float, TestBackend> state(b, fresh, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(net.forward(b, Array<2, float>(b, {{2, 5}}), pass), "Linear: x must be [2, 4], got [2, 5]",
                       ShapeError);
}
