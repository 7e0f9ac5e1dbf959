#include <lotar/data/numpy_random.hpp>

#include <numeric>
#include <vector>

#include "../test.hpp"

using namespace lotar;

static std::vector<int> shuffled(NumpyRandom& random, std::size_t n) {
  std::vector<int> values(n);
  std::iota(values.begin(), values.end(), 0);
  random.shuffle(std::span(values));
  return values;
}

TEST_CASE("shuffles are those of numpy.random.seed and numpy.random.shuffle") {  // NumPy 1.24
  NumpyRandom zero(0), one(1), last(4294967295u);
  CHECK(shuffled(zero, 10) == std::vector<int>{2, 8, 4, 9, 1, 6, 7, 3, 0, 5});
  CHECK(shuffled(zero, 5) == std::vector<int>{1, 0, 2, 3, 4});
  CHECK(shuffled(one, 10) == std::vector<int>{2, 9, 6, 4, 0, 3, 1, 7, 8, 5});
  CHECK(shuffled(one, 5) == std::vector<int>{3, 0, 1, 2, 4});
  CHECK(shuffled(last, 10) == std::vector<int>{6, 9, 5, 1, 8, 0, 7, 4, 2, 3});
  CHECK(shuffled(last, 5) == std::vector<int>{0, 1, 4, 2, 3});
}

TEST_CASE("intervals include their last number, and a single number draws nothing") {
  NumpyRandom random(5);
  std::vector<int> seen(7);
  for (int i = 0; i < 700; ++i) ++seen.at(random.interval(6));
  for (const int count : seen) CHECK(count > 50);
  NumpyRandom a(5), b(5);
  CHECK(a.interval(0) == 0);
  CHECK(a.interval(0xFFFFFFFF) == b.interval(0xFFFFFFFF));
  CHECK(shuffled(a, 0).empty());
  CHECK(shuffled(a, 1) == std::vector<int>{0});
}
