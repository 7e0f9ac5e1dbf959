#include <lotar/nn/relu.hpp>

#include <cmath>
#include <utility>
#include <vector>

#include "layers.hpp"

using namespace lotar;

TEST_CASE("the ReLU: max(x, 0), and the gradient where x > 0") {
  TestBackend b;
  Pass<float, TestBackend> pass;
  const Extents<2> extents{{2, 2}};
  const auto y = Relu().forward(b, Array<2, float>(b, extents, std::vector<float>{-1, 0, 2, -0.f}), pass);
  CHECK(y.to_host(b) == std::vector<float>{0, 0, 2, 0});
  const auto dx = Relu().backward(b, Array<2, float>(b, extents, std::vector<float>{1, 2, 3, 4}), pass);
  CHECK(dx.to_host(b) == std::vector<float>{0, 0, 3, 0});
  CHECK(pass.tape.empty());
}

TEST_CASE("NaN stays NaN") {
  TestBackend b;
  Pass<double, TestBackend> pass;
  CHECK(std::isnan(Relu().forward(b, Array<2>(b, {{1, 1}}, std::vector<double>{NAN}), pass).to_host(b)[0]));
}

TEST_CASE("gradients match central differences") {
  check_gradients(
      ParameterTable(), 6 * 5,
      [](auto& b, const std::vector<double>& x, auto& pass) {
        return Relu().forward(b, Array<2>(b, {{6, 5}}, x), pass);
      },
      [](auto& b, auto dy, auto& pass) { return Relu().backward(b, std::move(dy), pass).to_host(b); });
}

TEST_CASE("a gradient of another shape is refused") {
  TestBackend b;
  Pass<float, TestBackend> pass;
  Relu().forward(b, Array<2, float>(b, {{2, 3}}), pass);
  CHECK_THROWS_WITH_AS(Relu().backward(b, Array<2, float>(b, {{3, 2}}), pass),
                       "Relu::backward: dy must be [2, 3], got [3, 2]", ShapeError);
}
