#include <lotar/nn/network.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "layers.hpp"

using namespace lotar;

namespace {

const Extents<4> extents{{4, 8, 8, 3}};

NetworkOptions small_options() { return {.arch = "resnet10", .width = 2, .projection = {.out = 6, .bottleneck = 3}}; }

struct Descend {
  const float* gradient;
  float* value;
  LOTAR_FN void operator()(std::size_t i) const { value[i] -= .01f * gradient[i]; }
};

/// One step of gradient descent on sum(noise * z).
void step(TestBackend& b, const Network& net, NetworkState<float, TestBackend>& state, const Array<4, float>& x) {
  auto pass = state.pass(b, true);
  const auto z = net.forward(b, x.share(), pass);
  net.backward(b, Array<2, float>(b, z.extents, noise_values<float>(z.size(), 2)), pass);
  b.for_each(state.values.size(), Descend{state.gradients.data, state.values.data});
}

}  // namespace

TEST_CASE("a network is its encoder, then its projector") {
  TestBackend b;
  const Network net(small_options());
  CHECK(net.features() == 16);
  CHECK(net.projections() == 6);
  NetworkState<float, TestBackend> state(b, net.table(), 1);
  ParameterTable parts;
  const ResNet encoder(parts, resnet_options("resnet10", 2));
  const Projector projector(parts, "thesis", 16, {.out = 6, .bottleneck = 3});
  REQUIRE(parts.parameters().size() == net.table().parameters().size());
  for (std::size_t i = 0; i < parts.parameters().size(); ++i)
    CHECK(parts.parameters()[i].name == net.table().parameters()[i].name);
  const Array<4, float> x(b, extents, noise_values<float>(extents.size(), 1));
  auto pass = state.pass(b, false);
  const auto z = net.forward(b, x.share(), pass).to_host(b);
  CHECK(projector.forward(b, encoder.forward(b, x.share(), pass), pass).to_host(b) == z);
  CHECK(z.size() == 24);
}

TEST_CASE("the defaults are the thesis' network") {
  const Network net(NetworkOptions{});
  CHECK(net.features() == 512);
  CHECK(net.projections() == 128);
  CHECK(net.table().count() == 11168832 + 512 * 10 + 10 + 10 * 128 + 128 + 128 * 128 + 128);
}

TEST_CASE("descent lowers the loss, and evaluation then changes nothing") {
  TestBackend b;
  const Network net(small_options());
  NetworkState<float, TestBackend> state(b, net.table(), 1);
  const Array<4, float> x(b, extents, noise_values<float>(extents.size(), 1));
  const auto loss = [&](bool training) {
    auto pass = state.pass(b, training);
    return noise_sum(net.forward(b, x.share(), pass).to_host(b), 2);
  };
  const double before = loss(true);
  for (int i = 0; i < 3; ++i) step(b, net, state, x);
  CHECK(loss(true) < before);
  const auto statistics = state.statistics.to_host(b);
  CHECK(loss(false) == loss(false));
  CHECK(state.statistics.to_host(b) == statistics);
}

TEST_CASE("a backward pass says which gradients are final, from the last to the first") {
  TestBackend b;
  const Network net(small_options());
  NetworkState<float, TestBackend> state(b, net.table(), 1);
  const Array<4, float> x(b, extents, noise_values<float>(extents.size(), 1));
  auto pass = state.pass(b, true);
  const auto z = net.forward(b, x.share(), pass);
  std::vector<std::size_t> firsts;
  std::vector<std::vector<float>> then;
  pass.gradients_final = [&](std::size_t first) {
    firsts.push_back(first);
    then.push_back(state.gradients.to_host(b));
  };
  net.backward(b, Array<2, float>(b, z.extents, noise_values<float>(z.size(), 2)), pass);
  const auto last = state.gradients.to_host(b);
  REQUIRE(firsts.size() == 5);  // the projector and four blocks
  CHECK(firsts[0] == entry(net.table().parameters(), "projector.0.weight").offset);
  CHECK(firsts[4] == entry(net.table().parameters(), "layer1.0.conv1.weight").offset);
  for (std::size_t i = 0; i < firsts.size(); ++i) {
    const auto from = static_cast<std::ptrdiff_t>(firsts[i]);
    CHECK(std::equal(last.begin() + from, last.end(), then[i].begin() + from));
    CHECK_FALSE(std::equal(last.begin(), last.begin() + from, then[i].begin()));
  }
}

TEST_CASE("the steady state allocates nothing") {
  TestBackend b;
  const Network net(small_options());
  NetworkState<float, TestBackend> state(b, net.table(), 1);
  const Array<4, float> x(b, extents, noise_values<float>(extents.size(), 1));
  step(b, net, state, x);
  const std::size_t allocations = b.pool().allocations(), used = b.pool().used();
  for (int i = 0; i < 3; ++i) step(b, net, state, x);
  CHECK(allocations > 0);
  CHECK(b.pool().allocations() == allocations);
  CHECK(b.pool().used() == used);
}

TEST_CASE("a pass in evaluation keeps no activations") {
  TestBackend b;
  const Network net(small_options());
  NetworkState<float, TestBackend> state(b, net.table(), 1);
  const Array<4, float> x(b, extents, noise_values<float>(extents.size(), 1));
  auto first = state.pass(b, false);
  net.forward(b, x.share(), first);  // after which the backend has what its products keep
  const std::size_t used = b.pool().used();
  auto evaluation = state.pass(b, false);
  net.forward(b, x.share(), evaluation);
  CHECK(evaluation.tape.empty());
  CHECK(b.pool().used() == used);
  auto training = state.pass(b, true);
  net.forward(b, x.share(), training);
  CHECK_FALSE(training.tape.empty());
  CHECK(b.pool().used() > used);
}

TEST_CASE("unknown names are refused") {
  CHECK_THROWS_WITH_AS(Network({.arch = "vgg"}),
                       "resnet: the architecture must be resnet10, resnet18, resnet34 or resnet50, got \"vgg\"",
                       ConfigError);
  CHECK_THROWS_WITH_AS(Network({.projector = "none"}),
                       "projector: the kind must be thesis, mlp, mlp_bn or linear, got \"none\"", ConfigError);
}
