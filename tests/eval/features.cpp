#include <lotar/eval/features.hpp>

#include <cstdint>
#include <vector>

#include <lotar/augment/presets.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

struct Encoder {
  TestBackend b;
  Network network{{.arch = "resnet10", .width = 4}};
  NetworkState<float, TestBackend> state{b, network.table(), 3};
  std::vector<std::uint8_t> pixels = [] {
    std::vector<std::uint8_t> values(5 * 8 * 8);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint8_t>(i * 29 % 251);
    return values;
  }();
  Tensor<std::uint8_t, 4, TestBackend> images{b, {{5, 8, 8, 1}}, pixels};

  std::vector<float> features(std::size_t batch) {
    const Tensor<float, 2, TestBackend> f(b, {{5, network.features()}});
    extract_features(b, network.encoder(), state, images, plain_view(8), f.view(), batch);
    return f.to_host(b);
  }
};

}  // namespace

TEST_CASE("features do not depend on the batch, and the encoder stays as it is") {
  Encoder e;
  const std::vector<float> values = e.state.values.to_host(e.b), statistics = e.state.statistics.to_host(e.b);
  const std::vector<float> all = e.features(5);
  CHECK(e.features(2) == all);
  CHECK(e.features(1) == all);
  CHECK(e.state.values.to_host(e.b) == values);
  CHECK(e.state.statistics.to_host(e.b) == statistics);
}

TEST_CASE("features are those of the encoder in evaluation mode") {
  Encoder e;
  const Normalize& n = imagenet_normalize;
  std::vector<float> x;
  for (const std::uint8_t p : e.pixels)
    for (std::size_t c = 0; c < 3; ++c)
      x.push_back(
          static_cast<float>((p / 255.0 - static_cast<double>(n.mean[c])) / static_cast<double>(n.deviation[c])));
  Pass<float, TestBackend> pass = e.state.pass(e.b, false);
  const auto wanted =
      e.network.encoder().forward(e.b, Tensor<float, 4, TestBackend>(e.b, {{5, 8, 8, 3}}, x), pass).to_host(e.b);
  const std::vector<float> got = e.features(5);
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-4));
}

TEST_CASE("a place for features of another shape is refused") {
  Encoder e;
  const Tensor<float, 2, TestBackend> f(e.b, {{4, e.network.features()}});
  CHECK_THROWS_WITH_AS(extract_features(e.b, e.network.encoder(), e.state, e.images, plain_view(8), f.view()),
                       "extract_features: features must be [5, 32], got [4, 32]", ShapeError);
  const Tensor<float, 2, TestBackend> all(e.b, {{5, e.network.features()}});
  CHECK_THROWS_WITH_AS(extract_features(e.b, e.network.encoder(), e.state, e.images, plain_view(8), all.view(), 0),
                       "extract_features: batch must be >= 1, got 0", ConfigError);
}
