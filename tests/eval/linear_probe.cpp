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
std::vector<A> small_features(std::size_t rows = n, std::size_t first = 0) {
  std::vector<A> x(rows * width);
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < width; ++j) {
      const double di = static_cast<double>(first + i), dj = static_cast<double>(j);
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
  const Tensor<A, 2, TestBackend> x(b, {2 * n, width}, small_features<A>(2 * n));
  const Tensor<A, 2, TestBackend> unseen(b, {30, width}, small_features<A>(30, 270));
  Classes other(30);
  for (std::size_t i = 0; i < other.size(); ++i) other[i] = static_cast<std::int32_t>(i * 3 % classes);
  const Labels y(b, {n}, small_labels()), unseen_labels(b, {30}, other);
  const auto check = [&](const LinearProbeOptions& options, std::size_t copies, const std::vector<double>& wanted,
                         const std::vector<double>& losses, const std::vector<int>& right) {
    // Normal starts are rounded to float, and an ulp of .03 off where PyTorch's side takes another logarithm: 2e-9.
    const double tolerance = std::is_same_v<A, float> ? 1e-4 : options.initial_deviation > 0 ? 1e-8 : 1e-10;
    std::size_t calls = 0;
    const auto progress = [&](const LinearProbeProgress& p) {
      REQUIRE(calls < losses.size());
      CHECK(p.loss == doctest::Approx(losses[calls++]).epsilon(tolerance));
      CHECK(p.epoch == calls);
      CHECK(p.epochs == losses.size());
      CHECK(std::isnan(p.validation));
    };
    const auto bank = x.rows(0, copies * n);
    const std::vector<A> got = parameters(b, train_linear_probe<A>(b, bank, y, classes, options, progress));
    CHECK(calls == losses.size());
    REQUIRE(got.size() == wanted.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      CHECK(static_cast<double>(got[i]) == doctest::Approx(wanted[i]).epsilon(tolerance));

    // With a validation set, the probe of the first of its best epochs.
    std::vector<int> seen;
    const auto best = train_linear_probe<A>(
        b, bank, y, classes, options,
        [&](const LinearProbeProgress& p) { seen.push_back(static_cast<int>(std::lround(30 * p.validation))); },
        {unseen, unseen_labels});
    CHECK(seen == right);
    if (options.final_learning_rate > 0) return;  // a shorter training would have other rates
    LinearProbeOptions shorter = options;
    shorter.epochs = static_cast<std::size_t>(std::max_element(right.begin(), right.end()) - right.begin()) + 1;
    CHECK(shorter.epochs < options.epochs);
    CHECK(parameters(b, best) == parameters(b, train_linear_probe<A>(b, bank, y, classes, shorter)));
  };
  LinearProbeOptions options{.learning_rate = .0625, .epochs = 5, .batch_size = 32, .seed = 7};
  SUBCASE("Adam") { check(options, 1, expected::probe, expected::probe_losses, expected::probe_right); }
  SUBCASE("standardised, with decay") {
    options.standardize = true;
    options.weight_decay = .01;
    check(options, 1, expected::standardized_probe, expected::standardized_probe_losses,
          expected::standardized_probe_right);
  }
  SUBCASE("SGD with momentum, tenths of the rate, a normal start") {
    options.optimizer = "sgd";
    options.decay_epochs = {2, 4};
    options.initial_deviation = .01;
    check(options, 1, expected::sgd_probe, expected::sgd_probe_losses, expected::sgd_probe_right);
  }
  SUBCASE("an exponential schedule, two copies in turn") {
    options.weight_decay = .01;
    options.final_learning_rate = 1e-3;
    check(options, 2, expected::exponential_probe, expected::exponential_probe_losses,
          expected::exponential_probe_right);
  }
}

TEST_CASE("learning rates by hand") {
  LinearProbeOptions options{.learning_rate = 2, .epochs = 4};
  CHECK(detail::probe_rates(options, 2) == std::vector<float>(8, 2));
  options.decay_epochs = {1, 3};
  CHECK(detail::probe_rates(options, 2) == std::vector<float>{2, 2, .2f, .2f, .2f, .2f, .02f, .02f});
  options.decay_epochs = {};
  options.final_learning_rate = .125;  // half as much each epoch
  CHECK(detail::probe_rates(options, 1) == std::vector<float>{2, 1, .5f, .25f});
}

TEST_CASE("a normal start: by its deviation, with biases of 0") {
  ParameterTable table;
  table.add("probe", {3, 1001}, ParameterKind::linear, {Init::Kind::normal, .01});
  const auto start = detail::probe_start<double>(table, {.initial_deviation = .01});
  double squares = 0;
  for (std::size_t i = 0; i < 3 * 1001; ++i) squares += start[i] * start[i];
  CHECK(std::sqrt(squares / 3000) == doctest::Approx(.01).epsilon(.05));  // 4 of its own deviations
  for (const std::size_t row : {1u, 2u, 3u}) CHECK(start[row * 1001 - 1] == 0);
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
  const std::string shapes =
      "train_linear_probe: features must be [K N, D] and labels [N] with N in [1, 2^32), K >= 1 and D >= 1, got ";
  CHECK_THROWS_WITH_AS(train(x, few, classes, {}), (shapes + "[70, 6] and [69]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(train(none, nobody, classes, {}), (shapes + "[0, 6] and [0]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(train(none, y, classes, {}), (shapes + "[0, 6] and [70]").c_str(), ShapeError);
  CHECK_THROWS_WITH_AS(train_linear_probe<float>(b, x, y, classes, {}, {}, {wide, y}),
                       "train_linear_probe: validation.features must be [2, 6], got [2, 7]", ShapeError);
  CHECK_THROWS_WITH_AS(train_linear_probe<float>(b, x, y, classes, {}, {}, {x, few}),
                       "train_linear_probe: validation.labels must be [70], got [69]", ShapeError);
  for (const std::int32_t label : {-1, 4}) {
    Classes labels(n, 2);
    labels[n - 1] = label;
    const Labels bad(b, {n}, labels);
    CHECK_THROWS_WITH_AS(
        train_linear_probe<float>(b, x, y, classes, {}, {}, {x, bad}),
        ("train_linear_probe: validation.labels must be in [0, 4), got " + std::to_string(label)).c_str(), ConfigError);
  }
  CHECK_THROWS_WITH_AS(train(x, y, 0, {}), "train_linear_probe: classes must be >= 1, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.epochs = 0}),
                       "train_linear_probe: epochs and batch_size must be >= 1, got 0 and 512", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.batch_size = 0}),
                       "train_linear_probe: epochs and batch_size must be >= 1, got 90 and 0", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.learning_rate = NAN}),
                       "train_linear_probe: learning_rate must be finite and > 0, got nan", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.optimizer = "lars"}),
                       "train_linear_probe: optimizer \"lars\": wanted adam or sgd", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.final_learning_rate = -1}),
                       "train_linear_probe: final_learning_rate must be finite and >= 0, got -1", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.initial_deviation = INFINITY}),
                       "train_linear_probe: initial_deviation must be finite and >= 0, got inf", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.optimizer = "sgd", .momentum = 1}),
                       "Sgd: momentum must be in [0, 1), got 1", ConfigError);
  CHECK_THROWS_WITH_AS(train(x, y, classes, {.weight_decay = -1}), "Adam: weight_decay must be finite and >= 0, got -1",
                       ConfigError);

  const LinearProbe<float, TestBackend> probe{{b, {classes, width}}, {b, {classes}}};
  CHECK_THROWS_WITH_AS(probe.logits(b, wide, z), "LinearProbe::logits: features must be [2, 6], got [2, 7]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(probe.logits(b, x.rows(0, 2), z), "LinearProbe::logits: out must be [2, 4], got [2, 3]",
                       ShapeError);
  CHECK_THROWS_WITH_AS(probe.predict(b, x, few), "LinearProbe::predict: predictions must be [70], got [69]",
                       ShapeError);
  CHECK_THROWS_WITH_AS((LinearProbe<float, TestBackend>{}.predict(b, x, y)),
                       "LinearProbe::predict: the probe must have at least one class, got [0]", ShapeError);
}
