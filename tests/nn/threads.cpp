#include <algorithm>
#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <lotar/backend/cpu.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>

using namespace lotar;

namespace {

static_assert(ConvInputBackend<Cpu> && ConvMomentsBackend<Cpu>);

struct Example {
  std::string arch;
  std::size_t width;
  Extents<4> images;

  Network net() const {
    return Network({.arch = arch, .width = width, .projector = "mlp_bn", .projection = {.out = 20}});
  }
};

struct Trained {
  std::vector<float> values, gradients, statistics;
  bool operator==(const Trained&) const = default;
};

/// Some steps of gradient descent on the squares of a small network's projections.
template <class T>
Trained train(const Example& example, const CpuOptions& options) {
  Cpu b(options);
  const Network net = example.net();
  NetworkState<T, Cpu> state(b, net.table(), 3);
  std::vector<T> images(example.images.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<T>(static_cast<float>(i * 7919 % 1009) / 1009);
  const Tensor<T, 4, Cpu> x(b, example.images, images);
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

TEST_CASE_TEMPLATE("training gives the same bits for any number of threads", T, float, bf16) {
  const Example examples[] = {
      {"resnet10", 4, {{18, 12, 12, 3}}},  // several images a group in some layers, a rest in others
      {"resnet10", 32, {{6, 24, 24, 3}}},  // Winograd's algorithm, by tiles and by panels
      {"resnet50", 8, {{10, 8, 8, 3}}},    // 1x1 filters and strides over what is normalized on load
  };
  for (const Example& example : examples)
    for (const bool products : {false, true}) {
      if (products && !std::is_same_v<T, bf16>) continue;
      CAPTURE(example.arch);
      CAPTURE(example.width);
      CAPTURE(products);
      CpuOptions options{.threads = 1, .poison_allocations = true, .bf16_products = products};
      const Trained one = train<T>(example, options);
      CHECK((one.values != initial_parameters<float>(example.net().table(), 3)));
      CHECK(std::all_of(one.values.begin(), one.values.end(), [](float v) { return is_finite(v); }));
      for (const int threads : {2, 3, 8, 40}) {
        CAPTURE(threads);
        options.threads = threads;
        CHECK((train<T>(example, options) == one));
      }
      if (example.width != 32 || products) continue;
      options.winograd = false;
      CHECK((train<T>(example, options) != one));
    }
}
