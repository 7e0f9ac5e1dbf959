#include <lotar/nn/activation.hpp>

#include <string>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("a norm goes where convolutions read it, and is refused elsewhere", B, TestBackend) {
  B b;
  const Activation<float, B> plain{Tensor<float, 4, B>(b, {2, 3, 4, 5})};
  const Activation<float, B> normed{plain.x.share(), Tensor<float, 2, B>(b, {3, 5})};
  if constexpr (ConvInputBackend<B>) {
    CHECK(plain.input().x.data == plain.x.data);
    CHECK(plain.input().norm.data == nullptr);
    CHECK(normed.input().x.extents == plain.x.extents);
    CHECK(normed.input().norm.data == normed.norm.data);
  } else {
    CHECK(plain.input().data == plain.x.data);
    const std::string refusal = std::string("Activation: ") + B::name + " does not normalize what it reads";
    CHECK_THROWS_WITH_AS(normed.input(), refusal.c_str(), ConfigError);
  }
}
