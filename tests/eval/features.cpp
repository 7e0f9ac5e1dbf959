#include <lotar/eval/features.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
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

  template <class Pipeline>
  std::vector<float> features(const Pipeline& pipeline, std::size_t copies, const FeatureOptions& options) {
    const Tensor<float, 2, TestBackend> f(b, {{copies * 5, network.features()}});
    extract_features(b, network.encoder(), state, images, pipeline, f.view(), options);
    return f.to_host(b);
  }
  std::vector<float> features(std::size_t batch) { return features(plain_view(8), 1, {.batch = batch}); }

  /// Of the images, normalised on the host, in one batch.
  std::vector<float> by_hand(bool training, bool flipped = false) {
    const Normalize& n = imagenet_normalize;
    std::vector<float> x;
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const double p = pixels[flipped ? i / 8 * 8 + 7 - i % 8 : i] / 255.0;
      for (std::size_t c = 0; c < 3; ++c)
        x.push_back(static_cast<float>((p - static_cast<double>(n.mean[c])) / static_cast<double>(n.deviation[c])));
    }
    Pass<float, TestBackend> pass = state.pass(b, training);
    return network.encoder().forward(b, Tensor<float, 4, TestBackend>(b, {{5, 8, 8, 3}}, x), pass).to_host(b);
  }
};

void check_close(const std::vector<float>& got, const std::vector<float>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-4));
}

/// To the bit, but where cuDNN chooses how to convolve by the number of images.
void check_same(const std::vector<float>& got, const std::vector<float>& wanted) {
  if (std::string(TestBackend::name) == "cuda")
    check_close(got, wanted);
  else
    CHECK(got == wanted);
}

}  // namespace

TEST_CASE("features do not depend on the batch, and the encoder stays as it is") {
  Encoder e;
  const std::vector<float> values = e.state.values.to_host(e.b), statistics = e.state.statistics.to_host(e.b);
  const std::vector<float> all = e.features(5);
  check_same(e.features(2), all);
  check_same(e.features(1), all);
  CHECK(e.state.values.to_host(e.b) == values);
  CHECK(e.state.statistics.to_host(e.b) == statistics);
}

TEST_CASE("nor do those of a network so wide that convolutions are done by other algorithms") {
  TestBackend b;
  const Network network({.arch = "resnet10", .width = 16});
  NetworkState<float, TestBackend> state(b, network.table(), 3);
  std::vector<std::uint8_t> pixels(6 * 16 * 16);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * i % 251);
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {{6, 16, 16, 1}}, pixels);
  const auto features = [&](std::size_t batch) {
    const Tensor<float, 2, TestBackend> f(b, {{6, network.features()}});
    extract_features(b, network.encoder(), state, images, plain_view(16), f.view(), {.batch = batch});
    return f.to_host(b);
  };
  check_same(features(1), features(6));
  check_same(features(4), features(6));
}

TEST_CASE("features are those of the encoder in evaluation mode") {
  Encoder e;
  check_close(e.features(5), e.by_hand(false));
}

TEST_CASE("copies see other views, which the seed, the copy and the sample decide") {
  Encoder e;
  const auto flip = pipeline(HorizontalFlip{}, imagenet_normalize);
  const std::size_t copies = 6, width = e.network.features();
  const std::vector<float> got = e.features(flip, copies, {.seed = 3});
  const std::vector<float> plain = e.by_hand(false), flipped = e.by_hand(false, true);
  std::size_t flips = 0;
  for (std::size_t row = 0; row < copies * 5; ++row) {
    const auto like = [&](const std::vector<float>& wanted) {
      return std::equal(got.begin() + static_cast<std::ptrdiff_t>(row * width),
                        got.begin() + static_cast<std::ptrdiff_t>((row + 1) * width),
                        wanted.begin() + static_cast<std::ptrdiff_t>(row % 5 * width),
                        [](float x, float y) { return x == doctest::Approx(y).epsilon(1e-4); });
    };
    CHECK(like(plain) != like(flipped));
    flips += like(flipped);
  }
  CHECK(flips > 4);  // of 30, half of which are expected
  CHECK(flips < 26);
  CHECK(e.features(flip, copies, {.batch = 2, .seed = 3}) == got);
  CHECK(e.features(flip, copies, {.seed = 4}) != got);
  const std::vector<float> fewer = e.features(flip, 2, {.seed = 3});
  CHECK(std::equal(fewer.begin(), fewer.end(), got.begin()));
}

TEST_CASE("with the statistics of batches, features are those of training, and running statistics follow") {
  Encoder e, other;
  const std::vector<float> values = e.state.values.to_host(e.b);
  const std::vector<float> got = e.features(plain_view(8), 1, {.batch = 5, .batch_statistics = true});
  check_close(got, other.by_hand(true));
  CHECK(got != e.features(5));
  check_close(e.state.statistics.to_host(e.b), other.state.statistics.to_host(other.b));
  CHECK(e.state.values.to_host(e.b) == values);

  // Smaller batches are other ones in each copy; the seed decides which.
  const auto batches = [](std::uint64_t seed) {
    Encoder fresh;
    return fresh.features(plain_view(8), 2, {.batch = 3, .batch_statistics = true, .seed = seed});
  };
  const std::vector<float> two = batches(1);
  CHECK_FALSE(std::equal(two.begin(), two.begin() + static_cast<std::ptrdiff_t>(two.size() / 2),
                         two.begin() + static_cast<std::ptrdiff_t>(two.size() / 2)));
  CHECK(batches(1) == two);
  CHECK(batches(2) != two);
}

TEST_CASE("of a network with a pruned branch, features are those of the dense one") {
  Encoder dense;
  const Network sdclr({.arch = "resnet10", .width = 4, .pruned_branch = true});
  const ParameterTable& table = sdclr.table();
  NetworkState<float, TestBackend> state(dense.b, table, 1);
  // The dense network's arrays, then those under "pruned.", which must not be read.
  const auto extend = [&](const Tensor<float, 1, TestBackend>& from, const Tensor<float, 1, TestBackend>& to) {
    REQUIRE(to.size() > from.size());
    dense.b.fill(to.view(), NAN);
    dense.b.copy(from, to.rows(0, from.size()));
  };
  extend(dense.state.values, state.values);
  extend(dense.state.statistics, state.statistics);
  for (const Parameter& p : table.parameters())
    CHECK(p.name.starts_with("pruned.") == (p.offset >= dense.state.values.size()));

  const Tensor<float, 2, TestBackend> f(dense.b, {{5, sdclr.features()}});
  extract_features(dense.b, sdclr.encoder(), state, dense.images, plain_view(8), f.view());
  CHECK(f.to_host(dense.b) == dense.features(5));
}

TEST_CASE("a place for features of another shape is refused") {
  Encoder e;
  const auto extract = [&](std::size_t rows, std::size_t width, std::size_t batch) {
    const Tensor<float, 2, TestBackend> f(e.b, {{rows, width}});
    extract_features(e.b, e.network.encoder(), e.state, e.images, plain_view(8), f.view(), {.batch = batch});
  };
  const std::string wanted = "extract_features: features must be [K 5, 32] with K >= 1, of at least one image, got ";
  CHECK_THROWS_WITH_AS(extract(4, 32, 1), (wanted + "[4, 32]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(extract(0, 32, 1), (wanted + "[0, 32]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(extract(10, 31, 1), (wanted + "[10, 31]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(extract(5, 32, 0), "extract_features: batch must be >= 1, got 0", ConfigError);
}
