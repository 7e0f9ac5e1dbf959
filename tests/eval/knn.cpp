#include <lotar/eval/knn.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <vector>

#include "../threads.hpp"

using namespace lotar;

namespace {

using Classes = std::vector<std::int32_t>;

template <class A>
Classes run(TestBackend& b, const std::vector<A>& bank, const Classes& labels, const std::vector<A>& queries,
            std::size_t width, const KnnOptions& options) {
  const std::size_t n = labels.size(), m = queries.size() / width;
  const Tensor<A, 2, TestBackend> known(b, {n, width}, bank), asked(b, {m, width}, queries);
  const Tensor<std::int32_t, 1, TestBackend> y(b, {n}, labels), predictions(b, {m});
  knn_classify<A>(b, known, y, asked, options, predictions);
  return predictions.to_host(b);
}

template <class A>
std::vector<A> wave(std::size_t rows, std::size_t cols, double phase) {
  std::vector<A> x(rows * cols);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<A>(std::sin(phase + .71 * static_cast<double>(i) + .013 * static_cast<double>(i * (i % 17))));
  return x;
}

/// By plain loops and a stable sort.
Classes plain(const std::vector<double>& bank, const Classes& labels, const std::vector<double>& queries,
              std::size_t width, const KnnOptions& options) {
  Classes predictions;
  for (std::size_t q = 0; q < queries.size() / width; ++q) {
    std::vector<double> similarity;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      double dot = 0, a = 0, c = 0;
      for (std::size_t j = 0; j < width; ++j) {
        const double x = queries[q * width + j], y = bank[i * width + j];
        dot += x * y, a += x * x, c += y * y;
      }
      similarity.push_back(dot / std::sqrt(a * c));
    }
    std::vector<std::size_t> order(labels.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](auto i, auto j) { return similarity[i] > similarity[j]; });
    std::map<std::int32_t, double> votes;
    for (std::size_t j = 0; j < options.k; ++j)
      votes[labels[order[j]]] += std::exp(similarity[order[j]] / options.temperature);
    predictions.push_back(std::max_element(votes.begin(), votes.end(), [](const auto& x, const auto& y) {
                            return x.second < y.second;
                          })->first);
  }
  return predictions;
}

}  // namespace

TEST_CASE_TEMPLATE("one neighbour, and the votes of three", A, float, double) {
  TestBackend b;
  const std::vector<A> bank = {1, 0, 0, 1, 0, 1, -1, 0}, query = {5, 4};  // 0.78 from the first, 0.62 from the next two
  const Classes labels = {3, 1, 1, 2};
  CHECK(run<A>(b, bank, labels, query, 2, {.k = 1}) == Classes{3});
  CHECK(run<A>(b, bank, labels, query, 2, {.k = 3, .temperature = 1}) == Classes{1});     // two votes of e^.62
  CHECK(run<A>(b, bank, labels, query, 2, {.k = 3, .temperature = .07}) == Classes{3});   // e^(.16 / .07) > 2
  CHECK(run<A>(b, bank, labels, query, 2, {.k = 3, .temperature = 1e-6}) == Classes{3});  // nothing overflows
}

TEST_CASE("ties go to the lower index, then to the lower class") {
  TestBackend b;
  const std::vector<float> bank = {0, 1, 0, 2, 0, 3, 0, 4}, query = {0, 7};  // all the same direction
  CHECK(run<float>(b, bank, {5, 4, 3, 3}, query, 2, {.k = 1}) == Classes{5});
  CHECK(run<float>(b, bank, {5, 4, 3, 3}, query, 2, {.k = 2}) == Classes{4});
  CHECK(run<float>(b, bank, {5, 4, 3, 3}, query, 2, {.k = 4}) == Classes{3});
}

TEST_CASE("agrees with plain loops, through several tiles of queries") {
  TestBackend b;
  const std::size_t n = 300, m = 90, width = 12;
  Classes labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<std::int32_t>(i * i % 7);
  const auto bank = wave<double>(n, width, 0), queries = wave<double>(m, width, 2);
  for (const KnnOptions& options :
       {KnnOptions{}, KnnOptions{.k = 5, .temperature = .5}, KnnOptions{.k = n, .temperature = .1}})
    CHECK(run<double>(b, bank, labels, queries, width, options) == plain(bank, labels, queries, width, options));

  for (const std::size_t scores : {std::size_t{1}, 7 * n, 90 * n})
    CHECK(run<double>(b, bank, labels, queries, width, {.scores_at_once = scores}) ==
          plain(bank, labels, queries, width, {}));
}

TEST_CASE("a query of zeros is near to nobody, one of NaN has no class") {
  TestBackend b;
  CHECK(run<float>(b, {1, 0, 0, 1}, {6, 2}, {0, 0, NAN, 1}, 2, {.k = 2}) == Classes{2, -1});
}

TEST_CASE("a row of the bank that is infinite, or too long, is near to every query, which has no class then") {
  TestBackend b;
  for (const float large : {INFINITY, -INFINITY, 1e20f})
    CHECK(run<float>(b, {1, 0, large, 0, 0, 1}, {6, 2, 4}, {1, 0, -1, 0}, 2, {.k = 1}) == Classes{-1, -1});
}

TEST_CASE("k whose scratch is more than the shared memory of a GPU's block") {
  TestBackend b;
  const std::size_t n = 15000;
  Classes labels(n, 4);
  for (std::size_t i = 0; i < n; i += 3) labels[i] = 2;
  CHECK(run<double>(b, std::vector<double>(n, 1), labels, {1}, 1, {.k = n}) == Classes{4});
}

TEST_CASE("the number of threads changes nothing") {
  const auto bank = wave<float>(1000, 40, 0), queries = wave<float>(200, 40, 5);
  Classes labels(1000), one;
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 10);
  for (const int threads : {1, 2, 4, 8}) {
    auto b = with_threads<TestBackend>(threads);
    const Classes got = run<float>(b, bank, labels, queries, 40, {});
    if (one.empty()) one = got;
    CHECK(got == one);
  }
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> bank(b, {5, 3}), queries(b, {2, 3}), wide(b, {2, 4});
  const Tensor<std::int32_t, 1, TestBackend> labels(b, {5}), few(b, {4}), predictions(b, {2});
  const auto call = [&](const auto& l, const auto& q, const KnnOptions& options, const auto& out) {
    knn_classify<float>(b, bank, l, q, options, out);
  };
  CHECK_THROWS_WITH_AS(call(few, queries, {}, predictions), "knn_classify: labels must be [5], got [4]", ShapeError);
  CHECK_THROWS_WITH_AS(call(labels, wide, {}, predictions), "knn_classify: queries must be [2, 3], got [2, 4]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(call(labels, queries, {}, labels), "knn_classify: predictions must be [2], got [5]", ShapeError);
  CHECK_THROWS_WITH_AS(call(labels, queries, {}, predictions), "knn_classify: k must be in [1, 5], got 20",
                       ConfigError);
  CHECK_THROWS_WITH_AS(call(labels, queries, {.k = 0}, predictions), "knn_classify: k must be in [1, 5], got 0",
                       ConfigError);
  CHECK_THROWS_WITH_AS(call(labels, queries, {.k = 1, .temperature = 0}, predictions),
                       "knn_classify: temperature must be finite and > 0, got 0", ConfigError);
  CHECK_THROWS_AS(call(labels, queries, {.k = 1, .temperature = 1e-60}, predictions), ConfigError);  // 0 as a float
}
