#include <lotar/nn/resnet.hpp>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "parity.hpp"

using namespace lotar;

namespace {

/// Images of noise [2, h, w, 3], laid in PyTorch's order [2, 3, h, w].
template <class T>
std::vector<T> images(std::size_t h, std::size_t w) {
  std::vector<T> x(2 * h * w * 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<T>(noise(1000, (i / 3 / (h * w) * 3 + i % 3) * h * w + i / 3 % (h * w)));
  return x;
}

template <class T>
void check_network(const ResNetOptions& options, const expected::Network& wanted, std::size_t h = 16,
                   std::size_t w = 16) {
  ParameterTable table;
  const ResNet net(table, options);
  // Seen: 5e-13 and 1e-12 in double, of which the reference's 13 digits are a part; 2e-6 and 9e-6 in float. Another
  // order of the sums in float may turn a ReLU that is within 1e-6 of zero, and with it one of thousands of elements.
  const Tolerance tolerance = std::is_same_v<T, float> ? Tolerance{2e-5, 1e-3} : Tolerance{1e-11, 1e-11};
  check_parity<T>(
      table, wanted, tolerance,
      [&](auto& b, auto& pass) {
        return net.forward(b, Array<4, T>(b, {{2, h, w, 3}}, images<T>(h, w)), pass);
      },
      [&](auto& b, const auto& dy, auto& pass) { net.backward(b, dy, pass); });
}

}  // namespace

TEST_CASE_TEMPLATE("ResNet-18 is torchvision's: names, outputs, running statistics, gradients", T, double, float) {
  ParameterTable table;
  CHECK(ResNet(table, resnet_options("resnet18")).features() == 512);
  CHECK(table.count() == 11168832);
  if (std::string(TestBackend::name) == "lockstep") return;  // minutes there
  check_network<T>(resnet_options("resnet18"), expected::resnet18);
}

TEST_CASE_TEMPLATE("so is ResNet-10", T, double, float) {
  check_network<T>(resnet_options("resnet10", 8), expected::resnet10_width8);
}

TEST_CASE("so are the other depths, bottlenecks, and the stem of ImageNet") {
  SUBCASE("ResNet-34") { check_network<double>(resnet_options("resnet34", 8), expected::resnet34_width8); }
  SUBCASE("ResNet-50") { check_network<double>(resnet_options("resnet50", 8), expected::resnet50_width8); }
  SUBCASE("ImageNet's stem") {
    check_network<double>(resnet_options("resnet18", 8, Stem::imagenet), expected::resnet18_width8_imagenet, 48, 64);
  }
}

TEST_CASE("the stem without padding sees images with a border of zeros as cifar's stem sees them without it") {
  TestBackend b;
  ParameterTable table, same;
  const ResNet net(table, resnet_options("resnet10", 4)), unpadded(same, resnet_options("resnet10", 4, Stem::unpadded));
  REQUIRE(table.size() == same.size());
  NetworkState<double, TestBackend> state(b, table, 1);
  const std::vector<double> x = images<double>(9, 12);
  std::vector<double> bordered(2 * 11 * 14 * 3);
  for (std::size_t i = 0; i < x.size(); ++i)
    bordered[((i / (9 * 36) * 11 + i / 36 % 9 + 1) * 14 + i / 3 % 12 + 1) * 3 + i % 3] = x[i];
  auto pass = state.pass(b, false);
  const auto wanted = net.forward(b, Array<4>(b, {{2, 9, 12, 3}}, x), pass).to_host(b);
  CHECK(unpadded.forward(b, Array<4>(b, {{2, 11, 14, 3}}, bordered), pass).to_host(b) == wanted);
  const auto other = unpadded.forward(b, Array<4>(b, {{2, 9, 12, 3}}, x), pass).to_host(b);
  CHECK(other.size() == wanted.size());
  CHECK(other != wanted);
}

TEST_CASE("the gradients of residual blocks match central differences") {
  const struct {
    std::size_t in, width, stride;
    bool bottleneck;
  } cases[] = {{2, 2, 1, false}, {2, 3, 2, false}, {4, 1, 1, true}, {2, 1, 2, true}};
  for (const auto& k : cases) {
    ParameterTable table;
    const ResidualBlock block(table, "layer1.0", k.in, k.width, k.stride, k.bottleneck);
    CHECK(block.out() == (k.bottleneck ? 4 * k.width : k.width));
    const Extents<4> extents{{2, 3, 2, k.in}};
    check_gradients(
        table, extents.size(),
        [&](auto& b, const std::vector<double>& x, auto& pass) {
          return block.forward(b, Array<4>(b, extents, x), pass);
        },
        [&](auto& b, auto dy, auto& pass) { return block.backward(b, std::move(dy), pass).to_host(b); });
  }
}

TEST_CASE("a block leaves its input as it was") {
  TestBackend b;
  ParameterTable table;
  const ResidualBlock block(table, "layer1.0", 2, 2, 1, false);
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, false);
  const auto values = noise_values<float>(2 * 3 * 3 * 2, 1);
  const Array<4, float> x(b, {{2, 3, 3, 2}}, values);
  block.forward(b, x.share(), pass);
  CHECK(x.to_host(b) == values);
}

TEST_CASE("widths of features") {
  const struct {
    const char* name;
    std::size_t width, features;
  } cases[] = {{"resnet10", 64, 512}, {"resnet18", 16, 128}, {"resnet34", 1, 8}, {"resnet50", 64, 2048}};
  for (const auto& k : cases) {
    ParameterTable table;
    CHECK(ResNet(table, resnet_options(k.name, k.width)).features() == k.features);
  }
}

TEST_CASE("what is unknown or does not fit is refused") {
  CHECK_THROWS_WITH_AS(resnet_options("resnet19"),
                       "resnet: the architecture must be resnet10, resnet18, resnet34 or resnet50, got \"resnet19\"",
                       ConfigError);
  CHECK_THROWS_WITH_AS(resnet_options("resnet18", 0), "resnet: width must be >= 1, got 0", ConfigError);
  ParameterTable table;
  const ResNet net(table, resnet_options("resnet10", 1));
  CHECK_THROWS_WITH_AS(ResNet(table, resnet_options("resnet10", 1)),
                       "ParameterTable: the name \"conv1.weight\" is taken", ConfigError);
  TestBackend b;
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  CHECK_THROWS_WITH_AS(
      net.forward(b, Array<4, float>(b, {{2, 8, 8, 1}}), pass),
      "conv2d: x [N, H, W, C] and filter [K, R, S, C] must agree in C, got [2, 8, 8, 1] and [1, 3, 3, 3]", ShapeError);
  auto evaluation = state.pass(b, false);
  const auto y = net.forward(b, Array<4, float>(b, {{2, 8, 8, 3}}), evaluation);
  CHECK_THROWS_AS(net.backward(b, y, evaluation), ConfigError);  // nothing was kept
}
