#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/augment/views.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/distributed.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/random.hpp>
#include <lotar/io/sha256.hpp>
#include <lotar/loss/temperature.hpp>
#include <lotar/nn/branch.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>
#include <lotar/optim/optimizer.hpp>
#include <lotar/optim/prune.hpp>
#include <lotar/optim/schedule.hpp>
#include <lotar/train/checkpoint.hpp>
#include <lotar/train/gradient_buckets.hpp>
#include <lotar/train/method.hpp>
#include <lotar/train/objective.hpp>
#include <lotar/train/pretraining_options.hpp>
#include <lotar/train/sample_record.hpp>

namespace lotar {

/// A backend that chooses how to convolve: its choices are kept in checkpoints, for they decide the bits of results.
template <class B>
concept RemembersPlans = requires(B& b, const std::map<std::string, std::string>& plans) {
  { b.plans() } -> std::same_as<std::map<std::string, std::string>>;  // what was chosen, by problem
  b.use_plans(plans);                                                 // chooses so from now on
};

/// Pre-training: an epoch draws every sample once, in a random order, and each batch's views update the network.
///
/// With options.prune the first views pass through the network and the second ones through its pruned branch; the step
/// is that of one loss over both.
///
/// Steps neither wait nor return numbers: losses, distances and weights of every sample stay on the backend until they
/// are asked for. The same options and seed give the same bits, however often the training was saved and restored.
///
/// On a distributed backend each process takes its share of every batch through the network. The loss is that of the
/// whole batch, of which all processes compute the same, and so are parameters, memories and records: with synchronized
/// norms they differ from those of one process by rounding alone. What is saved is the same in all; without
/// synchronized norms the running statistics are each process' own, and a training goes on with those of one.
///
/// @tparam T         how activations and the convolutions' copy of the weights are stored: float, bf16, or double in
///                   tests; parameters, statistics, losses and what a checkpoint holds are Accum<T>
/// @tparam Method    see method.hpp
/// @tparam Pipeline  of random views, see augment/pipeline.hpp
template <class T, Backend B, class Method, class Pipeline>
class Pretraining {
 public:
  using A = Accum<T>;
  static_assert(Method::views == 1 || Method::views == 2);
  static_assert(Method::views == 2 || HasObjective<Method, A, B>, "one view needs an objective(b, batch, dz)");

  /// @param b        held by reference: it must outlive the training
  /// @param images   [N, H, W, C] bytes, row by row, uploaded once
  /// @param shape    [N, H, W, C], C 1 or 3
  /// @param options  see there
  /// @param method   what it refers to must outlive the training
  /// @param views    what a sample's views are drawn by; what it refers to must outlive the training
  /// @throws ShapeError if there are not as many images as shape says, or the views cannot be made of them.
  /// @throws ConfigError for options out of range, and if the images do not fill one batch.
  /// @cost   the images' bytes, and a few times the network's parameters, of the backend's memory; one hash of the
  ///         images.
  Pretraining(B& b, std::span<const std::uint8_t> images, const Extents<4>& shape, const PretrainingOptions& options,
              Method method, const Pipeline& views)
      : b_(b),
        options_(checked(options, shape, rank_count(b))),
        method_(std::move(method)),
        views_(views),
        network_(options_.network),
        images_(b, shape, images),
        images_digest_(sha256(images)),
        state_(b, network_.table(), options.seed),
        optimizer_(b, network_.table(), options.optimizer),
        buckets_(b, state_.gradients, options.bucket),
        host_rates_(learning_rates(schedule(options.schedule, steps_per_epoch()))),
        rates_(b, {{host_rates_.size()}}, host_rates_),
        host_temperatures_(temperatures(options.temperature, options.schedule.epochs)),
        temperature_(b, {{1}}),
        order_(b, {{shape[0]}}),
        device_clock_(b, {{1}}),
        record_(b, shape[0], steps_per_epoch()),
        projections_(b, {{Method::views * options.batch_size, network_.projections()}}) {
    b.fill(projections_.view(), A(0));
    views_.check({shape[1], shape[2]});
    views_.check_images(this->images());
    if (options_.prune > 0) {
      branch_.emplace(b, *network_.branch());
      pruning_.emplace(b, network_.table(), network_.branch()->size, options_.prune);
    }
    check_names();
    prune();
    start({});
  }

  Pretraining(const Pretraining&) = delete;  // its recorded steps know where it lies
  Pretraining& operator=(const Pretraining&) = delete;

  const Network& network() const { return network_; }
  NetworkState<T, B>& state() { return state_; }
  const Clock& clock() const { return clock_; }  ///< the next step's place
  std::size_t samples() const { return images_.extent(0); }
  In<std::uint8_t, 4, B> images() const { return images_; }  ///< [N, H, W, C]
  std::size_t steps_per_epoch() const { return (samples() + options_.batch_size - 1) / options_.batch_size; }
  std::size_t steps() const { return options_.schedule.epochs * steps_per_epoch(); }
  bool done() const { return clock_.step >= steps(); }
  /// The learning rate of the last step made; before any, of the first.
  double learning_rate() const { return host_rates_[clock_.step == 0 ? 0 : clock_.step - 1]; }

  /// One update. Begins the next epoch where the last one is over; if that throws, the next call begins it anew. After
  /// anything thrown by the update itself, restore() a checkpoint before going on: norms' statistics and BCL's memory
  /// may have the batch already, and would take it twice.
  /// @throws ConfigError if the training is done.
  void step() {
    if (done()) throw ConfigError("Pretraining::step: all " + std::to_string(steps()) + " steps are made");
    if (clock_.batch == steps_per_epoch()) {
      prune();
      method_.begin_epoch(b_);
      start({clock_.epoch + 1, 0, clock_.step});
    }
    const std::size_t n = min(options_.batch_size, samples() - std::size_t{clock_.batch} * options_.batch_size);
    auto& recorded = n == options_.batch_size ? whole_step_ : last_step_;
    if (!recorded) recorded = b_.record([this, n] { enqueue(n); });
    recorded();
    ++clock_.batch;
    ++clock_.step;
  }

  /// Whether the steps so far made a whole number of epochs.
  bool epoch_complete() const { return clock_.batch == steps_per_epoch(); }

  /// What the samples of this epoch so far gave; waits.
  /// @throws NonFiniteError that names the first step whose loss was not finite.
  SampleRecord record() {
    SampleRecord record = record_.download(b_);
    if (record.first_bad != SampleRecord::none)
      throw NonFiniteError("the loss of step " + std::to_string(record.first_bad) + " (epoch " +
                           std::to_string(record.first_bad / steps_per_epoch() + 1) + ", learning rate " +
                           number_text(host_rates_[record.first_bad]) + ") is not finite");
    return record;
  }

  /// [views * batch size, D] the projections of the last whole batch, views as in Anchors; zeros before any; waits.
  std::vector<A> projections() { return projections_.to_host(b_); }

  /// Everything the training needs to go on from here; waits. Of several processes each may choose how to convolve, and
  /// all go on with the choices of the one whose checkpoint they restore: the same bits only if these agree.
  /// @throws NonFiniteError if a loss, parameter or statistic is not finite.
  Checkpoint save() {
    static_assert(std::is_same_v<A, float>, "checkpoints hold float");
    record();
    Checkpoint c;
    c.metadata = identity();
    if constexpr (RemembersPlans<B>)
      for (const auto& [problem, plan] : b_.plans()) c.metadata[std::string(plan_key) + problem] = plan;
    for (const auto& [name, view] : arrays()) {
      auto& values = c.arrays[name];
      values.resize(view.size());
      b_.download(view, std::span<A>(values));
    }
    for (const char* name : {"values", "statistics"})
      for (const float v : c.arrays[name])
        if (!std::isfinite(v))
          throw NonFiniteError("the " + std::string(name) + " of the network after step " +
                               std::to_string(clock_.step) + " are not finite");
    c.counters["clock"] = {clock_.epoch, clock_.batch, clock_.step};
    return c;
  }

  /// Goes on from a checkpoint of a training with the same options, images and method by its identity, which are
  /// compared, and views and labels, which are not.
  /// @throws ConfigError that names the first thing that is another training's; this one is as before then.
  void restore(const Checkpoint& c) {
    for (const auto& [key, value] : identity()) {
      const auto found = c.metadata.find(key);
      if (found == c.metadata.end() || found->second != value)
        throw ConfigError("Pretraining::restore: the checkpoint is of another training: wanted " + key + " " + value +
                          ", got " + (found == c.metadata.end() ? "none" : found->second));
    }
    const auto clock = c.counters.find("clock");
    if (clock == c.counters.end() || clock->second.size() != 3 || clock->second[2] > steps() ||
        clock->second[1] > steps_per_epoch() || (clock->second[1] == 0 && clock->second[2] != 0) ||
        clock->second[0] * steps_per_epoch() + clock->second[1] != clock->second[2])
      throw ConfigError("Pretraining::restore: the checkpoint's clock is not one of this training");
    const NamedArrays<A, B> arrays = this->arrays();
    if (c.arrays.size() != arrays.size())
      throw ConfigError("Pretraining::restore: wanted " + std::to_string(arrays.size()) + " arrays, got " +
                        std::to_string(c.arrays.size()));
    for (const auto& [name, view] : arrays) {
      const auto found = c.arrays.find(name);
      if (found == c.arrays.end() || found->second.size() != view.size())
        throw ConfigError("Pretraining::restore: wanted \"" + name + "\" of " + std::to_string(view.size()) +
                          " values, got " + (found == c.arrays.end() ? "none" : std::to_string(found->second.size())));
    }
    if constexpr (RemembersPlans<B>) {
      std::map<std::string, std::string> plans;
      for (const auto& [key, value] : c.metadata)
        if (key.starts_with(plan_key)) plans.emplace(key.substr(plan_key.size()), value);
      b_.use_plans(plans);
      whole_step_ = last_step_ = nullptr;  // recorded by others
    }
    for (const auto& [name, view] : arrays) b_.upload(c.arrays.at(name), view);
    record_.reset(b_);
    start({clock->second[0], clock->second[1], clock->second[2]});
  }

 private:
  static constexpr std::string_view plan_key = "plan: ";

  static PretrainingOptions checked(PretrainingOptions o, const Extents<4>& shape, std::size_t ranks) {
    detail::check_images("Pretraining", shape);
    detail::check_pretraining(o, shape[0], ranks, Method::views);
    if (Method::views == 1 && o.prune > 0) throw ConfigError("prune: wanted 0 for a method of one view");
    if (HasObjective<Method, A, B> && (o.objective.focal > 0 || o.objective.dclw > 0))
      throw ConfigError("focal and dclw: wanted 0 for a method with an objective of its own");
    o.network.pruned_branch = o.prune > 0;
    return o;
  }

  static ScheduleOptions schedule(ScheduleOptions options, std::size_t steps_per_epoch) {
    options.steps_per_epoch = steps_per_epoch;
    return options;
  }

  /// What must be the same in a training that goes on with this one's checkpoint.
  std::map<std::string, std::string> identity() const {
    std::map<std::string, std::string> all = detail::identity(options_);
    all["image shape"] = to_string(images_.extents);
    all["images"] = images_digest_;
    all["method"] = method_.identity();
    all["precision"] = std::is_same_v<T, bf16> ? "bf16" : std::is_same_v<T, float> ? "float32" : "float64";
    return all;
  }

  /// All that a checkpoint keeps but the clock.
  NamedArrays<A, B> arrays() {
    NamedArrays<A, B> all{{"values", state_.values}, {"statistics", state_.statistics}};
    for (const auto& [name, view] : optimizer_.state()) all.emplace_back("optimizer." + name, view);
    for (const auto& [name, view] : record_.state()) all.emplace_back("record." + name, view);
    for (const auto& [name, view] : method_.template state<A, B>()) all.emplace_back("method." + name, view);
    all.emplace_back("record.projections", projections_.flat());
    if (branch_) all.emplace_back("mask", branch_->mask);
    return all;
  }

  /// Refuses a method whose state has a name twice: a checkpoint would keep only one of the two.
  void check_names() {
    std::set<std::string> names;
    for (const auto& [name, view] : method_.template state<A, B>())
      if (!names.insert(name).second) throw ConfigError("Pretraining: the method's state has \"" + name + "\" twice");
  }

  /// Chooses the weights that this epoch's pruned branch lacks.
  void prune() {
    if (branch_) pruning_->mask(b_, state_.values, branch_->mask);
  }

  /// Draws the order of the clock's epoch, sets what the backend reads of it, and goes there.
  void start(const Clock& clock) {
    b_.upload(epoch_order(options_.seed, clock.epoch, samples()), order_);
    b_.upload(std::span<const Clock>(&clock, 1), device_clock_);
    b_.fill(temperature_.view(), static_cast<A>(host_temperatures_[clock.epoch]));
    clock_ = clock;
  }

  /// The work of one step over n samples: no waiting, nothing from the host but n.
  void enqueue(std::size_t n) {
    constexpr std::size_t views = Method::views;
    buckets_.begin(b_);
    const Share own = own_share(b_, n);
    const ImageSize size = views_.footprint({images_.extent(1), images_.extent(2)}).output;
    const In<std::uint32_t, 1, B> order = order_.rows(own.first, samples() - own.first);
    Tensor<T, 4, B> x(b_, {{views * own.size, size.height, size.width, 3}});
    if constexpr (views == 2)
      two_views<T>(b_, images_, order, options_.batch_size, device_clock_, options_.seed, views_, x.view());
    else
      one_view<T>(b_, images_, order, options_.batch_size, device_clock_, options_.seed, views_, x.view());
    Pass<T, B> dense = state_.pass(b_, true);
    dense.synchronized = options_.synchronize_norms;
    if (!branch_) {
      dense.gradients_final = [this](std::size_t first) { buckets_.add(b_, first); };
      const Tensor<A, 2, B> z = network_.forward(b_, std::move(x), dense);
      network_.backward(b_, own_gradient(z, n), dense);
    } else {
      Pass<T, B> pruned = branch_->pass(b_, state_, true);
      pruned.synchronized = options_.synchronize_norms;
      const Tensor<A, 2, B> z(b_, {{2 * own.size, network_.projections()}});
      b_.copy(network_.forward(b_, half_rows(x, 0), dense), z.rows(0, own.size));
      b_.copy(network_.forward(b_, half_rows(x, own.size), pruned), z.rows(own.size, own.size));
      const Tensor<A, 2, B> dz = own_gradient(z, n);
      network_.backward(b_, half_rows(dz, 0), dense);
      network_.backward(b_, half_rows(dz, own.size), pruned);
      branch_->add_gradients(b_, state_);
    }
    buckets_.finish(b_);
    optimizer_.step(b_, state_.values, state_.gradients, rates_, device_clock_);
    b_.for_each(1, AdvanceClock{device_clock_.data});
  }

  /// The gradient of the batch's loss by this process' own projections.
  Tensor<A, 2, B> own_gradient(const Tensor<A, 2, B>& z, std::size_t n) {
    if constexpr (Distributed<B>) {
      const Share own = own_share(b_, n);
      const Tensor<A, 2, B> all(b_, {{Method::views * n, z.extent(1)}});
      for (std::size_t v = 0; v < Method::views; ++v) b_.all_gather(z.rows(v * own.size, own.size), all.rows(v * n, n));
      const Tensor<A, 2, B> dz = gradient(all, n);
      Tensor<A, 2, B> own_dz(b_, z.extents);
      for (std::size_t v = 0; v < Method::views; ++v)
        b_.copy(dz.rows(v * n + own.first, own.size), own_dz.rows(v * own.size, own.size));
      return own_dz;
    } else {
      return gradient(z, n);
    }
  }

  /// The loss of a batch's projections [views n, D]: into the record; its gradient.
  Tensor<A, 2, B> gradient(const Tensor<A, 2, B>& z, std::size_t n) {
    const Tensor<A, 1, B> losses(b_, {{z.extent(0)}}), distances(b_, {{n}}), weights(b_, {{n}});
    const Anchors<A, B> batch{z, losses, distances, weights, {order_, device_clock_, options_.batch_size}};
    Tensor<A, 2, B> dz(b_, z.extents);
    if constexpr (HasObjective<Method, A, B>)
      method_.objective(b_, batch, dz.view());
    else
      contrastive_objective<B, A>(b_, method_, temperature_, options_.objective, batch, dz);
    method_.observe(b_, batch);
    record_.add(b_, batch);
    if (n == options_.batch_size) b_.copy(z, projections_.view());
    return dz;
  }

  /// Half of a tensor's rows, from `first` on, sharing its memory.
  template <class U, std::size_t N>
  static Tensor<U, N, B> half_rows(const Tensor<U, N, B>& t, std::size_t first) {
    const auto rows = t.rows(first, t.extent(0) / 2);
    return {rows, std::shared_ptr<U[]>(t.memory(), rows.data)};
  }

  B& b_;
  PretrainingOptions options_;
  Method method_;
  Pipeline views_;
  Network network_;
  Tensor<std::uint8_t, 4, B> images_;
  std::string images_digest_;
  NetworkState<T, B> state_;
  Optimizer<A, B> optimizer_;
  GradientBuckets<A, B> buckets_;
  std::vector<float> host_rates_;
  Tensor<float, 1, B> rates_;
  std::vector<float> host_temperatures_;
  Tensor<A, 1, B> temperature_;
  std::optional<Branch<T, B>> branch_;
  std::optional<MagnitudePruning<A, B>> pruning_;
  Tensor<std::uint32_t, 1, B> order_;
  Tensor<Clock, 1, B> device_clock_;
  DeviceSampleRecord<A, B> record_;
  Tensor<A, 2, B> projections_;
  Clock clock_;  // the host's own, ahead of the backend's by what has not run yet
  std::function<void()> whole_step_, last_step_;
};

/// A training of this method on this backend; arguments as Pretraining's.
template <class T = float, Backend B, class Method, class Pipeline>
Pretraining<T, B, Method, Pipeline> make_pretraining(B& b, std::span<const std::uint8_t> images,
                                                     const Extents<4>& shape, const PretrainingOptions& options,
                                                     Method method, const Pipeline& views) {
  return Pretraining<T, B, Method, Pipeline>(b, images, shape, options, std::move(method), views);
}

}  // namespace lotar
