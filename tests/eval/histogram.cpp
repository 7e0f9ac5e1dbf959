#include <lotar/eval/histogram.hpp>

#include <limits>
#include <vector>

#include "../test.hpp"

using lotar::histogram;
using Counts = std::vector<std::size_t>;

TEST_CASE("a bin begins with its lower end, and the last one holds the upper") {
  const std::vector<double> values = {0, 0.25, 0.5, 0.75, 1, 1.25, 1.99, 2};
  CHECK(histogram(values, 0, 2, 4) == Counts{2, 2, 2, 2});
  CHECK(histogram(values, 0, 2, 1) == Counts{8});
  CHECK(histogram(std::vector<double>{-2.5, -1.5, -1, 0}, -3, 0, 3) == Counts{1, 1, 2});
  CHECK(histogram({}, 0, 1, 3) == Counts{0, 0, 0});
}

TEST_CASE("what is out of range counts in the end bins, and NaN nowhere") {
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(histogram(std::vector<double>{-1, -inf, -1e300, 0.5, 2, inf, 1e300, std::nan("")}, 0, 1, 3) == Counts{3, 1, 3});
}

TEST_CASE("what is no range is refused") {
  const auto refuse = [](double low, double high, std::size_t bins, const char* message) {
    CHECK_THROWS_WITH_AS(histogram(std::vector<double>{1}, low, high, bins), message, lotar::ConfigError);
  };
  refuse(0, 1, 0, "histogram: bins must be >= 1, got 0");
  refuse(1, 1, 3, "histogram: low must be < high and both finite, got 1 and 1");
  refuse(0, std::nan(""), 3, "histogram: low must be < high and both finite, got 0 and nan");
  refuse(0, std::numeric_limits<double>::infinity(), 3, "histogram: low must be < high and both finite, got 0 and inf");
}
