#include <lotar/eval/linear_probe.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "../reference/eval.hpp"
#include "../threads.hpp"

using namespace lotar;

namespace {

using Classes = std::vector<std::int32_t>;
using Labels = Tensor<std::int32_t, 1, TestBackend>;

/// The problem that tests/reference/eval.py has too.
constexpr std::size_t n = 70, width = 6, classes = 4;

template <class A>
std::vector<A> small_features() {
  std::vector<A> x(n * width);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < width; ++j) {
      const double di = static_cast<double>(i), dj = static_cast<double>(j);
      x[i * width + j] = static_cast<A>(std::sin(.9 * di + 1.7 * dj + .05 * di * dj) * (1 + dj) + .3 * dj);
    }
  return x;
}

Classes small_labels() {
  Classes labels(n);
  for (std::size_t i = 0; i < n; ++i) labels[i] = static_cast<std::int32_t>(i * 7 % classes);
  return labels;
}

template <class A>
std::vector<A> parameters(TestBackend& b, const LinearProbe<A, TestBackend>& probe) {
  std::vector<A> all = probe.weight.to_host(b), bias = probe.bias.to_host(b);
  all.insert(all.end(), bias.begin(), bias.end());
  return all;
}

/// Clusters of rows about the corners of a simplex, so far apart that a line separates them.
std::vector<float> clusters(std::size_t rows, std::size_t count, std::size_t dims, double offset) {
  std::vector<float> x(rows * dims);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < dims; ++j)
      x[i * dims + j] =
          (i % count == j ? 1.f : 0.f) +
          .2f * static_cast<float>(std::sin(offset + 12.9 * static_cast<double>(i) + 78.2 * static_cast<double>(j)));
  return x;
}

Classes cluster_labels(std::size_t rows, std::size_t count) {
  Classes y(rows);
  for (std::size_t i = 0; i < rows; ++i) y[i] = static_cast<std::int32_t>(i % count);
  return y;
}

}  // namespace

TEST_CASE_TEMPLATE("agrees with PyTorch on the same batches", A, float, double) {
  TestBackend b;
  const Tensor<A, 2, TestBackend> x(b, {n, width}, small_features<A>());
  const Labels y(b, {n}, small_labels());
  const auto check = [&](const LinearProbeOptions& options, const std::vector<double>& wanted,
                         const std::vector<double>& losses) {
    const double tolerance = std::is_same_v<A, float> ? 1e-4 : 1e-10;
    std::size_t calls = 0;
    const auto probe = train_linear_probe<A>(b, x, y, classes, options, [&](const LinearProbeProgress& p) {
      REQUIRE(calls < losses.size());
      CHECK(p.loss == doctest::Approx(losses[calls++]).epsilon(tolerance));
      CHECK(p.epoch == calls);
      CHECK(p.epochs == losses.size());
    });
    CHECK(calls == losses.size());
    const std::vector<A> got = parameters(b, probe);
    REQUIRE(got.size() == wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(static_cast<double>(got[i]) == doctest::Approx(wanted[i]).epsilon(tolerance));
  };
  LinearProbeOptions options{.learning_rate = .0625, .epochs = 5, .batch_size = 32, .seed = 7};
  check(options, expected::probe, expected::probe_losses);
  options.standardize = true;
  options.weight_decay = .01;
  check(options, expected::standardized_probe, expected::standardized_probe_losses);
}

TEST_CASE("separable features are separated") {
  TestBackend b;
  const std::size_t rows = 600, count = 10, dims = 16;
  const Tensor<float, 2, TestBackend> x(b, {rows, dims}, clusters(rows, count, dims, 0));
  const Tensor<float, 2, TestBackend> unseen(b, {rows, dims}, clusters(rows, count, dims, 1));
  const Labels y(b, {rows}, cluster_labels(rows, count)), predictions(b, {rows});
  const auto probe = train_linear_probe<float>(b, x, y, count, {.learning_rate = .02, .epochs = 30, .batch_size = 128});
  for (const auto* features : {&x, &unseen}) {
    probe.predict(b, *features, predictions);
    CHECK(predictions.to_host(b) == cluster_labels(rows, count));
  }
}

TEST_CASE("logits and predictions by hand") {
  TestBackend b;
  const LinearProbe<float, TestBackend> probe{{b, {3, 2}, std::vector<float>{1, 0, 0, 1, 1, 0}},
                                              {b, {3}, std::vector<float>{0, .5f, 0}}};
  const Tensor<float, 2, TestBackend> x(b, {4, 2}, std::vector<float>{2, 1, 1, 2, NAN, 0, -1, -1}), z(b, {4, 3});
  const Labels predictions(b, {4});
  probe.logits(b, x.rows(0, 2), z.rows(0, 2));
  probe.predict(b, x, predictions);
  const std::vector<float> logits = z.to_host(b);
  CHECK(std::vector<float>(logits.begin(), logits.begin() + 6) == std::vector<float>{2, 1.5f, 2, 1, 2.5f, 1});
  CHECK(predictions.to_host(b) == Classes{0, 1, -1, 1});  // of equal ones the lower
}

TEST_CASE("an epoch's order is a permutation of its own") {
  std::vector<std::uint32_t> first(1000), second(1000), sorted(1000);
  detail::shuffle_epoch(1, 0, first);
  detail::shuffle_epoch(1, 1, second);
  CHECK(first != second);
  std::iota(sorted.begin(), sorted.end(), 0u);
  CHECK(first != sorted);
  std::sort(first.begin(), first.end());
  CHECK(first == sorted);
}

TEST_CASE("the seed decides, the number of threads and a listener do not") {
  const std::size_t rows = 1500, count = 10, dims = 40;
  std::vector<float> one;
  for (const int threads : {1, 2, 4, 8}) {
    auto b = with_threads<TestBackend>(threads);
    const Tensor<float, 2, TestBackend> x(b, {rows, dims}, clusters(rows, count, dims, 0));
    const Labels y(b, {rows}, cluster_labels(rows, count));
    LinearProbeOptions options{.epochs = 2, .standardize = true};
    const auto train = [&] { return parameters(b, train_linear_probe<float>(b, x, y, count, options)); };
    if (one.empty()) one = train();
    CHECK(train() == one);
    CHECK(parameters(b, train_linear_probe<float>(b, x, y, count, options, [](const LinearProbeProgress&) {})) == one);
    options.seed = 2;
    CHECK(train() != one);
  }
}

TEST_CASE("a loss that is not finite is an error, as is a label out of range") {
  TestBackend b;
  std::vector<float> values(n * width, 1);
  const Tensor<float, 2, TestBackend> good(b, {n, width}, values);
  values[100] = INFINITY;
  const Tensor<float, 2, TestBackend> bad(b, {n, width}, values);
  Classes labels = small_labels();
  const Labels y(b, {n}, labels);
  labels[n - 1] = classes;
  const Labels wrong(b, {n}, labels);
  const LinearProbeOptions options{.epochs = 2, .batch_size = n};
  CHECK_NOTHROW(train_linear_probe<float>(b, good, y, classes, options));
  const std::string message = "train_linear_probe: the loss of epoch 2 is ";
  for (const auto& [x, l] : {std::pair(&bad, &y), std::pair(&good, &wrong)}) {
    try {
      train_linear_probe<float>(b, *x, *l, classes, options);
      FAIL("no error");
    } catch (const NonFiniteError& error) {
      CHECK(std::string(error.what()).find(message) == 0);
    }
  }
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  const Tensor<float, 2, TestBackend> x(b, {n, width}), none(b, {0, width}), wide(b, {2, width + 1}), z(b, {2, 3});
  const Labels y(b, {n}), few(b, {n - 1}), nobody(b, {0});
  const auto train = [&](const auto& features, const auto& labels, std::size_t count,
                         const LinearProbeOptions& options) {
    train_linear_probe<float>(b, features, labels, count, options);
  };
  CHECK_THROWS_WITH_AS(train(x, few, classes, {}), "train_linear_probe: labels must be [70], got [69]", ShapeError);
  CHECK_THROWS_WITH_AS(train(none, nobody, classes, {}),
                       "train_linear_probe: features must be [N, D] with N in [1, 2^32) and D >= 1, got [0, 6]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(train(x, y, 0, {}), "train_linear_probe: classes must be >= 1, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.epochs = 0}),
                       "train_linear_probe: epochs and batch_size must be >= 1, got 0 and 512", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.batch_size = 0}),
                       "train_linear_probe: epochs and batch_size must be >= 1, got 90 and 0", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.learning_rate = NAN}),
                       "train_linear_probe: learning_rate must be > 0, got nan", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.weight_decay = -1}), "Adam: weight_decay must be >= 0, got -1.000000",
                       ConfigError);

  const LinearProbe<float, TestBackend> probe{{b, {classes, width}}, {b, {classes}}};
  CHECK_THROWS_WITH_AS(probe.logits(b, wide, z), "LinearProbe::logits: features must be [2, 6], got [2, 7]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(probe.logits(b, x.rows(0, 2), z), "LinearProbe::logits: out must be [2, 4], got [2, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(probe.predict(b, x, few), "LinearProbe::predict: predictions must be [70], got [69]",
                       ShapeError);
}
