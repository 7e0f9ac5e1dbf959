#include <lotar/ops/reduce.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class Memory>
struct Extremes {
  View<const float, 1, Memory> x;
  View<float, 1, Memory> out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const auto value = [this](std::size_t j) { return x(j); };
    const float sum = block_sum(block, x.size(), value), low = block_min(block, x.size(), value),
                high = block_max(block, x.size(), value);
    if (!block.leader()) return;
    out(3 * i) = sum;
    out(3 * i + 1) = low;
    out(3 * i + 2) = high;
  }
};

std::vector<float> extremes(const std::vector<float>& x) {
  TestBackend b;
  const Tensor<float, 1, TestBackend> from(b, {x.size()}, x), out(b, {6});
  b.for_each_block(2, Work{x.size()}, Extremes<TestBackend::Memory>{from, out});
  return out.to_host(b);
}

}  // namespace

TEST_CASE("block_sum, block_min and block_max") {
  CHECK(extremes({-3}) == std::vector<float>{-3, -3, -3, -3, -3, -3});
  std::vector<float> x(1001);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) - 700;
  CHECK(extremes(x) == std::vector<float>{-200200, -700, 300, -200200, -700, 300});
}

TEST_CASE("of nothing they are the neutral elements") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(extremes({}) == std::vector<float>{0, infinity, -infinity, 0, infinity, -infinity});
}

TEST_CASE("dot") {
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
