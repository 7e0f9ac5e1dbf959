#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/checks.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/random.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/cross_entropy.hpp>
#include <lotar/nn/batch_norm.hpp>
#include <lotar/nn/init.hpp>
#include <lotar/nn/linear.hpp>
#include <lotar/ops/arg_max.hpp>
#include <lotar/ops/reduce.hpp>
#include <lotar/optim/optimizer.hpp>

namespace lotar {

struct LinearProbeOptions {
  std::string optimizer = "adam";              ///< adam or sgd
  double momentum = 0.9;                       ///< of sgd, in [0, 1)
  double learning_rate = 3e-4;                 ///< at the start, > 0
  std::vector<std::size_t> decay_epochs = {};  ///< after each of so many epochs the rate falls to a tenth
  double final_learning_rate = 0;              ///< > 0: of one epoch more, to which the rate falls exponentially
  double weight_decay = 0;                     ///< >= 0
  std::size_t epochs = 90;                     ///< >= 1
  std::size_t batch_size = 512;                ///< >= 1; an epoch's last batch has what is left
  double initial_deviation = 0;                ///< > 0: normal weights and biases of 0; 0: PyTorch's default start
  bool standardize = false;                    ///< train on (x - mean) / sqrt(variance + 1e-6) of each feature
  std::uint64_t seed = 1;                      ///< of the start and of each epoch's order
};

/// What a probe's training tells after each epoch.
struct LinearProbeProgress {
  std::size_t epoch, epochs;  ///< finished, and in all
  double loss;                ///< mean over the epoch, in nats
  double validation;          ///< accuracy on the validation set, in [0, 1]; NaN without one
};

/// Features of known class. Without rows: none.
///
/// @tparam A  float or double
template <class A, class B>
struct LabelledFeatures {
  In<A, 2, B> features;           ///< [N, D]
  In<std::int32_t, 1, B> labels;  ///< [N] in [0, C)
};

namespace detail {

/// Rows of a batch: features of the epoch's copy, standardised if there are means, and a 1 that the bias multiplies;
/// and their labels.
template <class A, class Memory>
struct ProbeGather {
  View<const A, 2, Memory> features;
  View<const std::int32_t, 1, Memory> labels;
  View<const A, 1, Memory> mean, scale;
  View<const std::uint32_t, 1, Memory> order;
  View<const Clock, 1, Memory> clock;
  std::size_t batch_size;
  View<A, 2, Memory> x;  // [rows, D + 1]
  View<std::int32_t, 1, Memory> y;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t width = features.extent(1), samples = labels.extent(0), copies = features.extent(0) / samples;
    const std::size_t sample = order(clock(0).batch * batch_size + r), copy = clock(0).epoch % copies;
    const A *from = features.data + (copy * samples + sample) * width, *m = mean.data, *s = scale.data;
    A* to = x.data + r * (width + 1);
    if (m == nullptr)
      block.for_each(width, [=](std::size_t j) { to[j] = from[j]; });
    else
      block.for_each(width, [=](std::size_t j) { to[j] = (from[j] - m[j]) * s[j]; });
    if (!block.leader()) return;
    to[width] = A(1);
    y(r) = labels(sample);
  }
};

/// Ends a step: adds the batch's losses up and advances the clock.
template <class A, class Memory>
struct ProbeEndStep {
  View<const A, 1, Memory> losses;
  View<A, 1, Memory> total;
  Clock* clock;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const A* loss = losses.data;
    const A sum = block_sum(block, losses.extent(0), [loss](std::size_t i) { return loss[i]; });
    if (!block.leader()) return;
    total(0) += sum;
    AdvanceClock{clock}(0);
  }
};

/// Row c of [weight | bias], which saw standardised features, as it is for the features themselves.
template <class A, class Memory>
struct ProbeUnfold {
  View<const A, 2, Memory> trained;  // [C, D + 1]
  View<const A, 1, Memory> mean, scale;
  View<A, 2, Memory> weight;
  View<A, 1, Memory> bias;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t c) const {
    const std::size_t width = weight.extent(1);
    const A *from = trained.data + c * (width + 1), *m = mean.data, *s = scale.data;
    A* to = weight.data + c * width;
    block.for_each(width, [=](std::size_t j) { to[j] = m == nullptr ? from[j] : from[j] * s[j]; });
    const A shift = block_sum(block, m == nullptr ? 0 : width, [=](std::size_t j) { return to[j] * m[j]; });
    if (block.leader()) bias(c) = from[width] - shift;
  }
};

/// The learning rate of every update: it changes between epochs only.
inline std::vector<float> probe_rates(const LinearProbeOptions& o, std::size_t steps_per_epoch) {
  std::vector<float> rates;
  for (std::size_t epoch = 0; epoch < o.epochs; ++epoch) {
    double rate = o.learning_rate;
    if (o.final_learning_rate > 0)
      rate *= std::pow(o.final_learning_rate / rate, static_cast<double>(epoch) / static_cast<double>(o.epochs));
    for (const std::size_t decay : o.decay_epochs) rate *= epoch < decay ? 1 : 0.1;
    rates.insert(rates.end(), steps_per_epoch, static_cast<float>(rate));
  }
  return rates;
}

/// The flat parameters that a probe starts from, of a table with [weight | bias] alone.
template <class A>
std::vector<A> probe_start(const ParameterTable& table, const LinearProbeOptions& o) {
  std::vector<A> values = initial_parameters<A>(table, o.seed);
  if (o.initial_deviation == 0) return values;
  const std::vector<std::size_t>& shape = table.parameters()[0].shape;
  for (std::size_t row = 1; row <= shape[0]; ++row) values[row * shape[1] - 1] = A(0);
  return values;
}

/// @throws ConfigError for an option out of its range; the optimizer checks its own.
inline void check_probe(const LinearProbeOptions& o, std::size_t classes) {
  const std::string where = "train_linear_probe: ";
  if (classes == 0) throw ConfigError(where + "classes must be >= 1, got 0");
  if (o.optimizer != "adam" && o.optimizer != "sgd")  // lars would take [weight | bias] for one parameter
    throw ConfigError(where + "optimizer \"" + o.optimizer + "\": wanted adam or sgd");
  if (o.epochs == 0 || o.batch_size == 0)
    throw ConfigError(where + "epochs and batch_size must be >= 1, got " + std::to_string(o.epochs) + " and " +
                      std::to_string(o.batch_size));
  check_positive<float>("train_linear_probe", "learning_rate", o.learning_rate);
  check_not_negative<float>("train_linear_probe", "final_learning_rate", o.final_learning_rate);
  check_not_negative<float>("train_linear_probe", "initial_deviation", o.initial_deviation);
}

/// Mean and 1 / sqrt(variance + 1e-6) of each column, by the kernels of batch norm.
template <class A, class B>
void column_moments(B& b, In<A, 2, B> x, Out<A, 1, B> mean, Out<A, 1, B> scale) {
  const std::size_t cols = x.extent(1);
  const Tensor<A, 2, B> running(b, {2, cols});
  b.fill(running.view(), A(0));
  const NormStatistics<A, B> tiles(b, x);
  b.for_each_block(norm_strips(cols), norm_strip_work<A>(tiles.parts.parts),
                   NormMoments<A, typename B::Memory>{tiles.parts, A(1e-6), A(0), mean, scale, running.data,
                                                      running.data + cols, nullptr});
}

}  // namespace detail

/// A linear classifier of features: logits = x weight^T + bias.
///
/// @tparam A  float or double
template <class A, Backend B>
struct LinearProbe {
  Tensor<A, 2, B> weight;  ///< [C, D]
  Tensor<A, 1, B> bias;    ///< [C]

  /// @param features  [M, D]
  /// @param out       [M, C] out
  /// @throws ShapeError if the shapes differ from these.
  void logits(B& b, In<A, 2, B> features, Out<A, 2, B> out) const {
    const std::size_t rows = features.extent(0), classes = bias.size();
    check_shape("LinearProbe::logits", "features", Extents<2>{rows, weight.extent(1)}, features.extents);
    check_shape("LinearProbe::logits", "out", Extents<2>{rows, classes}, out.extents);
    b.for_each(rows, classes, detail::BroadcastRow<A>{bias.data, classes, out.data});
    b.gemm(Op::none, Op::transpose, 1, features, weight, 1, out);
  }

  /// The class of the largest logit, the lowest of equal ones; -1 where the features are NaN.
  ///
  /// @param features     [M, D]
  /// @param predictions  [M] out
  /// @throws ShapeError if the shapes differ from these, or the probe has no classes, as before it is trained.
  void predict(B& b, In<A, 2, B> features, Out<std::int32_t, 1, B> predictions) const {
    constexpr std::size_t values = std::size_t{1} << 22;  // logits at a time
    const std::size_t count = features.extent(0), classes = bias.size();
    if (classes == 0) throw ShapeError("LinearProbe::predict: the probe must have at least one class, got [0]");
    check_shape("LinearProbe::predict", "predictions", Extents<1>{count}, predictions.extents);
    const std::size_t tile = min(count, max<std::size_t>(1, values / classes));
    const Tensor<A, 2, B> out(b, {tile, classes});
    for (std::size_t first = 0; first < count; first += tile) {
      const std::size_t rows = min(tile, count - first);
      logits(b, features.rows(first, rows), out.rows(0, rows));
      arg_max<A>(b, out.rows(0, rows), predictions.rows(first, rows));
    }
  }
};

/// A linear layer trained on frozen features by softmax cross-entropy.
///
/// Waits at the end of training, and of every epoch if there is somebody to tell or a validation set.
/// @tparam A          float or double
/// @param features    [K N, D], N in 1..2^32-1, D >= 1: K >= 1 copies of N samples, such as views augmented otherwise;
///                    epoch e, from 0, is trained on copy e mod K
/// @param labels      [N] in [0, C)
/// @param classes     C >= 1
/// @param progress    called after each epoch, if given
/// @param validation  if it has rows, the probe of the first epoch that classifies most of them right is the result
/// @return            a probe for features as they are, standardised or not
/// @throws ShapeError if the shapes differ from these.
/// @throws ConfigError for an option out of its range, or a label of the validation set.
/// @throws NonFiniteError if the loss became infinite or NaN, as it does for a label out of range.
/// @cost   4 N D C flops an epoch; scratch: two batches.
template <class A, Backend B>
LinearProbe<A, B> train_linear_probe(B& b, In<A, 2, B> features, In<std::int32_t, 1, B> labels, std::size_t classes,
                                     const LinearProbeOptions& options = {},
                                     const std::function<void(const LinearProbeProgress&)>& progress = {},
                                     const std::type_identity_t<LabelledFeatures<A, B>>& validation = {}) {
  using M = typename B::Memory;
  const std::size_t n = labels.extent(0), width = features.extent(1), unseen = validation.features.extent(0);
  const std::string where = "train_linear_probe: ";
  if (n == 0 || n > std::numeric_limits<std::uint32_t>::max() || width == 0 || features.extent(0) == 0 ||
      features.extent(0) % n != 0)
    throw ShapeError(where + "features must be [K N, D] and labels [N] with N in [1, 2^32), K >= 1 and D >= 1, got " +
                     to_string(features.extents) + " and " + to_string(labels.extents));
  if (unseen > 0) {
    check_shape("train_linear_probe", "validation.features", Extents<2>{unseen, width}, validation.features.extents);
    check_shape("train_linear_probe", "validation.labels", Extents<1>{unseen}, validation.labels.extents);
  }
  detail::check_probe(options, classes);

  Tensor<A, 1, B> mean, scale;
  if (options.standardize) {
    mean = {b, {width}};
    scale = {b, {width}};
    detail::column_moments<A>(b, features, mean, scale);
  }

  // One parameter [weight | bias]: the features get a column of ones.
  ParameterTable table;
  Init init{Init::Kind::normal, options.initial_deviation};
  if (options.initial_deviation == 0) init = {Init::Kind::uniform, 1 / std::sqrt(static_cast<double>(width))};
  table.add("probe", {classes, width + 1}, ParameterKind::linear, init);
  const Tensor<A, 1, B> values(b, {table.size()}, detail::probe_start<A>(table, options));
  const Tensor<A, 1, B> gradients(b, {table.size()});
  b.fill(gradients.view(), A(0));
  Optimizer<A, B> optimizer(
      b, table, {.name = options.optimizer, .momentum = options.momentum, .weight_decay = options.weight_decay});
  const View<A, 2, M> weight(values.data, {classes, width + 1}), dweight(gradients.data, weight.extents);

  const std::size_t batch = min(options.batch_size, n), rest = n % batch, steps = (n + batch - 1) / batch;
  const Tensor<A, 2, B> x(b, {batch, width + 1}), logits(b, {batch, classes});
  const Tensor<std::int32_t, 1, B> y(b, {batch}), predictions(b, {unseen});
  const Tensor<A, 1, B> losses(b, {batch}), total(b, {1});
  const Tensor<std::uint32_t, 1, B> order(b, {n});
  const std::vector<float> host_rates = detail::probe_rates(options, steps);
  const Tensor<float, 1, B> rates(b, {host_rates.size()}, host_rates);
  const Tensor<Clock, 1, B> clock(b, {1});

  const auto step = [&](std::size_t rows) {
    const auto bx = x.rows(0, rows), bz = logits.rows(0, rows);
    const auto by = y.rows(0, rows);
    const auto bl = losses.rows(0, rows);
    b.for_each_block(rows, Work{width},
                     detail::ProbeGather<A, M>{features, labels, mean, scale, order, clock, batch, bx, by});
    b.gemm(Op::none, Op::transpose, 1, bx, weight, 0, bz);
    cross_entropy(b, bz, by, bl, bz);
    b.gemm(Op::transpose, Op::none, 1, bz, bx, 0, dweight);
    optimizer.step(b, values, gradients, rates, clock);
    b.for_each_block(1, Work{rows}, detail::ProbeEndStep<A, M>{bl, total, clock.data});
  };
  auto whole_batch = b.record([&] { step(batch); });
  auto last_batch = b.record([&] { step(rest == 0 ? batch : rest); });

  const auto unfolded = [&] {
    LinearProbe<A, B> probe{{b, {classes, width}}, {b, {classes}}};
    b.for_each_block(classes, Work{width}, detail::ProbeUnfold<A, M>{weight, mean, scale, probe.weight, probe.bias});
    return probe;
  };
  std::vector<std::int32_t> wanted(unseen);
  if (unseen > 0) b.download(validation.labels, std::span<std::int32_t>(wanted));
  for (const std::int32_t label : wanted)
    if (label < 0 || static_cast<std::size_t>(label) >= classes)
      throw ConfigError(where + "validation.labels must be in [0, " + std::to_string(classes) + "), got " +
                        std::to_string(label));
  LinearProbe<A, B> best;
  double best_accuracy = -1;

  for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
    b.upload(epoch_order(options.seed, static_cast<std::uint32_t>(epoch), n), order.view());
    const Clock start{static_cast<std::uint32_t>(epoch), 0, static_cast<std::uint32_t>(epoch * steps)};
    b.upload(std::span<const Clock>(&start, 1), clock.view());
    b.fill(total.view(), A(0));
    for (std::size_t i = 0; i + 1 < steps; ++i) whole_batch();
    last_batch();
    if (!progress && unseen == 0 && epoch + 1 < options.epochs) continue;
    const double loss = static_cast<double>(total.to_host(b)[0]) / static_cast<double>(n);
    if (!std::isfinite(loss))
      throw NonFiniteError(where + "the loss of epoch " + std::to_string(epoch + 1) + " is " + number_text(loss));
    double accuracy = std::numeric_limits<double>::quiet_NaN();
    if (unseen > 0) {
      LinearProbe<A, B> probe = unfolded();
      probe.predict(b, validation.features, predictions);
      const std::vector<std::int32_t> got = predictions.to_host(b);
      std::size_t right = 0;
      for (std::size_t i = 0; i < unseen; ++i) right += got[i] == wanted[i];
      accuracy = static_cast<double>(right) / static_cast<double>(unseen);
      if (accuracy > best_accuracy) {
        best_accuracy = accuracy;
        best = std::move(probe);
      }
    }
    if (progress) progress({epoch + 1, options.epochs, loss, accuracy});
  }
  return unseen > 0 ? std::move(best) : unfolded();
}

}  // namespace lotar
