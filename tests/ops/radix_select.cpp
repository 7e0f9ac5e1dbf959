#include <lotar/ops/radix_select.hpp>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class Memory>
struct Lookup {
  View<const std::uint64_t, 1, Memory> keys;
  LOTAR_FN std::uint64_t operator()(std::size_t i) const { return keys(i); }
};

std::uint64_t select(TestBackend& b, const std::vector<std::uint64_t>& keys, std::size_t rank) {
  const Tensor<std::uint64_t, 1, TestBackend> device(b, {keys.size()}, keys), out(b, {1});
  radix_select(b, keys.size(), Lookup<TestBackend::Memory>{device}, rank, out.view());
  return out.to_host(b)[0];
}

std::vector<std::uint64_t> mixed(std::size_t n, std::uint64_t mask) {
  std::vector<std::uint64_t> keys(n);
  std::uint64_t x = 88172645463325252u;
  for (std::uint64_t& key : keys) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    key = x & mask;
  }
  return keys;
}

}  // namespace

TEST_CASE("every rank is that of the sorted keys, with ties and with differences in any byte") {
  TestBackend b;
  for (const std::uint64_t mask : {~std::uint64_t{0}, std::uint64_t{3}, std::uint64_t{0xFF000000FF000000}}) {
    CAPTURE(mask);
    const std::vector<std::uint64_t> keys = mixed(41, mask);
    std::vector<std::uint64_t> sorted = keys;
    std::sort(sorted.begin(), sorted.end());
    for (std::size_t rank = 0; rank < keys.size(); ++rank) CHECK(select(b, keys, rank) == sorted[rank]);
  }
}

TEST_CASE("more keys than one block takes") {
  TestBackend b;
  const std::vector<std::uint64_t> keys = mixed(100001, 0xFFFFF);
  std::vector<std::uint64_t> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  for (const std::size_t rank : {0u, 1u, 50000u, 99999u, 100000u}) CHECK(select(b, keys, rank) == sorted[rank]);
}

TEST_CASE("one key, and the largest there is") {
  TestBackend b;
  CHECK(select(b, {~std::uint64_t{0}}, 0) == ~std::uint64_t{0});
  CHECK(select(b, {~std::uint64_t{0}, 0}, 0) == 0);
}

TEST_CASE("a rank that is not there is refused") {
  TestBackend b;
  CHECK_THROWS_WITH_AS(select(b, {1, 2}, 2), "radix_select: the rank must be below n, and n below 2^32, got 2 of 2",
                       ConfigError);
}
