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
