#include <lotar/eval/classifier.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <lotar/augment/presets.hpp>
#include <lotar/eval/features.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

using Classes = std::vector<std::int32_t>;

constexpr std::size_t count = 40, side = 8, classes = 4;

struct Classifier {
  TestBackend b;
  Network network{{.arch = "resnet10", .width = 2, .projector = "mlp", .projection = {.out = classes}}};
  NetworkState<float, TestBackend> state{b, network.table(), 3};
  std::vector<std::uint8_t> pixels = [] {
    std::vector<std::uint8_t> values(count * side * side);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<std::uint8_t>((i * i / 64 * 29 + i / 64 * 90) % 256);
    return values;
  }();
  Tensor<std::uint8_t, 4, TestBackend> images{b, {{count, side, side, 1}}, pixels};

  /// With running statistics of these images: by those of the start all would be of one class.
  Classifier() {
    for (int i = 0; i < 30; ++i) logits(true);
  }

  std::vector<float> logits(bool training) {
    std::vector<float> x;
    for (const std::uint8_t p : pixels) x.insert(x.end(), 3, static_cast<float>(p) / 255);
    Pass<float, TestBackend> pass = state.pass(b, training);
    return network.forward(b, Tensor<float, 4, TestBackend>(b, {{count, side, side, 3}}, x), pass).to_host(b);
  }

  Classes predictions() {
    const Tensor<float, 2, TestBackend> features(b, {{count, network.features()}});
    extract_features(b, network.encoder(), state, images, plain_view(side, Normalize{}), features.view());
    const Tensor<std::int32_t, 1, TestBackend> p(b, {{count}});
    classify<float>(b, network, state, features, p.view());
    return p.to_host(b);
  }
};

}  // namespace

TEST_CASE("the classes are those of the largest logits, and the network stays as it is") {
  Classifier c;
  const std::vector<float> logits = c.logits(false);
  Classes wanted;
  for (auto row = logits.begin(); row != logits.end(); row += classes)
    wanted.push_back(static_cast<std::int32_t>(std::max_element(row, row + classes) - row));
  CHECK(std::any_of(wanted.begin(), wanted.end(), [&](std::int32_t k) { return k != wanted[0]; }));

  const std::vector<float> values = c.state.values.to_host(c.b), statistics = c.state.statistics.to_host(c.b);
  CHECK(c.predictions() == wanted);
  CHECK(c.state.values.to_host(c.b) == values);
  CHECK(c.state.statistics.to_host(c.b) == statistics);
}

TEST_CASE("what does not fit is refused") {
  Classifier c;
  const Tensor<std::int32_t, 1, TestBackend> few(c.b, {{3}});
  const Tensor<float, 2, TestBackend> features(c.b, {{4, 16}}), narrow(c.b, {{3, 15}});
  CHECK_THROWS_WITH_AS(classify<float>(c.b, c.network, c.state, features, few.view()),
                       "classify: predictions must be [4], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(classify<float>(c.b, c.network, c.state, narrow, few.view()),
                       "classify: features must be [3, 16], got [3, 15]", ShapeError);
}
