#include <lotar/ops/dot.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("dot agrees with a plain loop") {
  TestBackend b;
  for (const std::size_t n : {0u, 1u, 77u, 5000u}) {
    std::vector<double> x(n), y(n);
    double wanted = 0;
    for (std::size_t i = 0; i < n; ++i) {
      x[i] = std::sin(static_cast<double>(i)), y[i] = std::cos(.3 * static_cast<double>(i));
      wanted += x[i] * y[i];
    }
    const Tensor<double, 1, TestBackend> tx(b, {n}, x), ty(b, {n}, y), out(b, {1});
    dot(b, tx, ty, out);
    CHECK(out.to_host(b)[0] == doctest::Approx(wanted).epsilon(1e-12));
  }
}

TEST_CASE("dot refuses shapes that do not fit") {
  TestBackend b;
  const Tensor<float, 1, TestBackend> x(b, {3}), y(b, {4}), out(b, {1});
  CHECK_THROWS_WITH_AS(dot(b, x, y, out), "dot: y must be [3], got [4]", ShapeError);
  CHECK_THROWS_WITH_AS(dot(b, x, x, y), "dot: out must be [1], got [4]", ShapeError);
}
