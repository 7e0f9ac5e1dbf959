#include <lotar/nn/activation.hpp>

#include <string>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("a norm goes where convolutions read it, and is refused elsewhere") {
  TestBackend b;
  Activation<float, TestBackend> plain{Tensor<float, 4, TestBackend>(b, {2, 3, 4, 5})};
  const Activation<float, TestBackend> normed{plain.x.share(), Tensor<float, 2, TestBackend>(b, {3, 5})};
  if constexpr (ConvInputBackend<TestBackend>) {
    CHECK(plain.input().x.data == plain.x.data);
    CHECK(plain.input().norm.data == nullptr);
    CHECK(normed.input().x.extents == plain.x.extents);
    CHECK(normed.input().norm.data == normed.norm.data);
  } else {
    CHECK(plain.input().data == plain.x.data);
    CHECK_THROWS_WITH_AS(
        normed.input(), (std::string("Activation: ") + TestBackend::name + " does not normalize what it reads").c_str(),
        ConfigError);
  }
}
