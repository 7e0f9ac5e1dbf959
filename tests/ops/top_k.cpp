#include <lotar/ops/top_k.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include <lotar/core/random.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T>
struct Best {
  std::vector<T> values;
  std::vector<std::uint32_t> indices;
  bool operator==(const Best&) const = default;
};

template <class T>
Best<T> run(const std::vector<T>& scores, std::size_t rows, std::size_t k) {
  TestBackend b;
  const Tensor<T, 2, TestBackend> s(b, {rows, scores.size() / rows}, scores), values(b, {rows, k});
  const Tensor<std::uint32_t, 2, TestBackend> indices(b, {rows, k});
  top_k(b, s, values, indices);
  return {values.to_host(b), indices.to_host(b)};
}

/// By a stable sort of all columns.
template <class T>
Best<T> sorted(const std::vector<T>& scores, std::size_t rows, std::size_t k) {
  const std::size_t n = scores.size() / rows;
  Best<T> best;
  for (std::size_t r = 0; r < rows; ++r) {
    std::vector<std::uint32_t> order(n);
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return scores[r * n + i] > scores[r * n + j]; });
    for (std::size_t j = 0; j < k; ++j) {
      best.values.push_back(scores[r * n + order[j]]);
      best.indices.push_back(order[j]);
    }
  }
  return best;
}

}  // namespace

TEST_CASE_TEMPLATE("the largest first, ties by column", T, float, double) {
  CHECK(run<T>({3, -1, 3, 7, 0, 3}, 1, 3) == Best<T>{{7, 3, 3}, {3, 0, 2}});
  CHECK(run<T>({-5, -2, -9, 4}, 2, 1) == Best<T>{{-2, 4}, {1, 1}});
  CHECK(run<T>({2, 2, 2, 2}, 1, 4) == Best<T>{{2, 2, 2, 2}, {0, 1, 2, 3}});
  CHECK(run<T>({T(-0.), 0, T(-0.), -1}, 1, 2) == Best<T>{{0, 0}, {0, 1}});
}

TEST_CASE_TEMPLATE("infinities and the smallest numbers are in their places", T, float, double) {
  using Limits = std::numeric_limits<T>;
  CHECK(run<T>(
            {-Limits::infinity(), Limits::denorm_min(), Limits::infinity(), 0, -Limits::denorm_min(), Limits::lowest()},
            1, 6) == Best<T>{{Limits::infinity(), Limits::denorm_min(), 0, -Limits::denorm_min(), Limits::lowest(),
                              -Limits::infinity()},
                             {2, 1, 3, 4, 5, 0}});
}

TEST_CASE_TEMPLATE("random rows agree with a stable sort", T, float, double) {
  struct Case {
    std::size_t rows, n, k;
    std::uint32_t levels;  // few levels make many ties
  };
  for (const Case& c :
       {Case{3, 1000, 200, 0}, Case{4, 257, 1, 0}, Case{2, 255, 255, 0}, Case{3, 999, 300, 7}, Case{2, 5000, 100, 3}}) {
    std::vector<T> scores(c.rows * c.n);
    Random random(1, 2, 3, 4, 5);
    for (T& s : scores) s = static_cast<T>(c.levels ? static_cast<float>(random.index(c.levels)) : random.normal());
    CAPTURE(c.n);
    CAPTURE(c.k);
    CHECK(run(scores, c.rows, c.k) == sorted(scores, c.rows, c.k));
  }
}

TEST_CASE_TEMPLATE("NaN of either sign counts as the largest", T, float, double) {
  const T infinity = std::numeric_limits<T>::infinity();
  const T plus = std::copysign(std::numeric_limits<T>::quiet_NaN(), T(1)), minus = std::copysign(plus, T(-1));
  for (const auto& [first, second] : {std::pair{plus, minus}, {minus, plus}, {plus, plus}, {minus, minus}}) {
    const auto best = run<T>({1, first, -infinity, infinity, second}, 1, 4);
    CHECK(best.indices == std::vector<std::uint32_t>{1, 4, 3, 0});
    CHECK(std::isnan(best.values[0]));
    CHECK(std::isnan(best.values[1]));
    CHECK(best.values[2] == infinity);
    CHECK(run<T>({2, first, second}, 1, 1).indices == std::vector<std::uint32_t>{1});
  }
}

TEST_CASE("k whose scratch is more than the shared memory of a GPU's block") {
  std::vector<double> scores(30000, 1);  // ties, which cost no comparisons with each other
  scores[20000] = 2;
  CHECK(run(scores, 1, 29999) == sorted(scores, 1, 29999));
}

TEST_CASE("shapes that do not fit are refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> scores(b, {3, 5}), values(b, {3, 2}), fewer(b, {2, 2}), more(b, {3, 6});
  const Tensor<std::uint32_t, 2, TestBackend> indices(b, {3, 2}), wrong(b, {3, 1});
  CHECK_THROWS_WITH_AS(top_k(b, scores, more, indices),
                       "top_k: k must be in 1..n and n below 2^32 for scores [rows, n], values [rows, k], got [3, 5] "
                       "and [3, 6]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(top_k(b, scores, fewer, indices), "top_k: values must be [3, 2], got [2, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(top_k(b, scores, values, wrong), "top_k: indices must be [3, 2], got [3, 1]", ShapeError);
}
