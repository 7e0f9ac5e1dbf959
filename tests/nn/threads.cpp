#include <cstddef>
#include <vector>

#include <doctest/doctest.h>

#include <lotar/backend/cpu.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>

using namespace lotar;

namespace {

struct Trained {
  std::vector<float> values, gradients, statistics;
};

/// Some steps of gradient descent on the squares of a small network's projections.
Trained train(int threads) {
  Cpu b(CpuOptions{.threads = threads, .poison_allocations = true});
  const Network net({.arch = "resnet10", .width = 4, .projector = "mlp_bn", .projection = {.out = 20}});
  NetworkState<float, Cpu> state(b, net.table(), 3);
  const Extents<4> extents{{18, 12, 12, 3}};  // several images a group in some layers, a rest in others
  std::vector<float> images(extents.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * 7919 % 1009) / 1009;
  const Tensor<float, 4, Cpu> x(b, extents, images);
  for (int step = 0; step < 3; ++step) {
    auto pass = state.pass(b, true);
    auto z = net.forward(b, x.share(), pass);
    b.for_each(z.size(), [z = z.data](std::size_t i) { z[i] *= static_cast<float>(i % 3); });
    net.backward(b, std::move(z), pass);
    b.for_each(state.values.size(),
               [v = state.values.data, g = state.gradients.data](std::size_t i) { v[i] -= .01f * g[i]; });
  }
  return {state.values.to_host(b), state.gradients.to_host(b), state.statistics.to_host(b)};
}

}  // namespace

TEST_CASE("training gives the same bits for any number of threads") {
  const Trained one = train(1);
  const Network net({.arch = "resnet10", .width = 4, .projector = "mlp_bn", .projection = {.out = 20}});
  CHECK(one.values != initial_parameters<float>(net.table(), 3));
  for (const float v : one.values) REQUIRE(is_finite(v));
  for (const int threads : {2, 4, 8}) {
    const Trained more = train(threads);
    CHECK(more.values == one.values);
    CHECK(more.gradients == one.gradients);
    CHECK(more.statistics == one.statistics);
  }
}
