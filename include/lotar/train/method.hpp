#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/cross_entropy.hpp>
#include <lotar/loss/memory.hpp>
#include <lotar/loss/reweight.hpp>

namespace lotar {

/// A batch between the two phases of its loss: what a method sees of it.
///
/// A sample has two anchors, its views; with a method of one view it has one, and 2n below is n.
template <class A, class B>
struct Anchors {
  In<A, 2, B> z;           ///< [2n, D] projections; rows i and i + n are the views of sample i
  Out<A, 1, B> losses;     ///< [2n] of each anchor
  Out<A, 1, B> distances;  ///< [n] out: between a sample's views, for the record
  Out<A, 1, B> weights;    ///< [n] out: of each sample's loss
  BatchSamples<typename B::Memory> samples = {};
};

/// A method with a loss of its own, in the place of the contrastive one that weigh and add_gradient are of: the hook
/// objective(b, batch, dz) writes the batch's losses, distances and weights, and their gradient dz, [views n, D].
/// The temperature, the focal loss and DCLW are not for it.
template <class Method, class A, class B>
concept HasObjective = requires(Method& method, B& b, const Anchors<A, B>& batch, const Out<A, 2, B>& dz) {
  method.objective(b, batch, dz);
};

/// SimCLR: every sample weighs the same. Also the neutral defaults of all hooks: a method of one's own derives from it
/// and hides what it does otherwise.
///
/// All hooks but identity, begin_epoch and state are recorded with the step: a backend may replay what they enqueued
/// without calling them again. What changes from step to step lies in backend tensors, which state() names.
///
/// @source Chen et al. 2020, arXiv:2002.05709.
struct SimClr {
  static constexpr std::size_t views = 2;  ///< of a sample

  /// The method and its options in words: a training goes on with a checkpoint only where they are the same.
  std::string identity() const { return "simclr"; }

  /// Writes the samples' distances [n] and weights [n], given z [2n, D] and the losses [2n].
  template <class A, class B>
  void weigh(B& b, const Anchors<A, B>& batch) const {
    view_distances(b, batch.z, LotarOptions{}, batch.distances);
    b.fill(batch.weights, A(1));
  }

  /// Adds to dz, [2n, D], what flows through the weights; by default they are constants.
  template <class A, class B>
  void add_gradient(B&, const Anchors<A, B>&, const Out<A, 2, B>&) const {}

  /// Sees a batch after its loss is known and before its update is made.
  template <class A, class B>
  void observe(B&, const Anchors<A, B>&) {}

  /// Called before every epoch but the first; once more for an epoch that something thrown kept from beginning.
  template <class B>
  void begin_epoch(B&) {}

  /// What the method remembers between steps, for checkpoints: arrays of any length, the same in every step, each of a
  /// name of its own.
  template <class A, class B>
  NamedArrays<A, B> state() const {
    return {};
  }
};

/// LoTaR: a sample weighs by how far apart its views are, among those of its batch; see reweight.hpp.
struct Lotar : SimClr {
  LotarOptions options = {};

  explicit Lotar(const LotarOptions& options_ = {}) : options(options_) {}

  std::string identity() const {
    return std::string("lotar of ") + (options.distance == ViewDistance::l2 ? "l2" : "squared l2") + " distances of " +
           (options.projections == Projections::raw ? "raw" : "normalized") + " projections, sign " +
           std::to_string(static_cast<int>(options.sign)) +
           (options.gradient_through_weights ? ", with a gradient through the weights" : "");
  }

  template <class A, class B>
  void weigh(B& b, const Anchors<A, B>& batch) const {
    view_distances(b, batch.z, options, batch.distances);
    lotar_weights(b, batch.distances, options, batch.weights);
  }

  template <class A, class B>
  void add_gradient(B& b, const Anchors<A, B>& batch, const Out<A, 2, B>& dz) const {
    lotar_weights_backward(b, batch.z, batch.distances, batch.losses, options, dz);
  }
};

/// BCL: remembers each sample's losses, which decide how strongly its views are augmented, by a
/// BoostedRandAugment that reads strengths(). Over any other method: BCL on LoTaR is Bcl<B, Lotar>.
///
/// @source Zhou et al., Contrastive learning with boosted memorization, ICML 2022.
template <class B, class Base = SimClr>
class Bcl : public Base {
  static_assert(Base::views == 2, "the memory holds the mean loss of a sample's two anchors");

 public:
  Bcl(B& b, std::size_t samples, const Base& base = Base{}, const LossMemoryOptions& memory = {})
      : Base(base), momentum_(memory.momentum), memory_(b, samples, memory) {}

  std::string identity() const { return Base::identity() + ", bcl of momentum " + number_text(momentum_); }

  /// [samples] where a BoostedRandAugment finds them
  View<const float, 1, typename B::Memory> strengths() const { return memory_.strengths(); }

  void observe(B& b, const Anchors<float, B>& batch) {
    Base::observe(b, batch);
    memory_.update(b, batch.losses, batch.samples);
  }

  void begin_epoch(B& b) {
    Base::begin_epoch(b);
    memory_.refresh(b);
  }

  template <class A, class>
  NamedArrays<A, B> state() const {
    static_assert(std::is_same_v<A, float>, "the memory, and the RandAugment that reads it, hold float");
    NamedArrays<A, B> state = Base::template state<A, B>();
    state.emplace_back("loss", memory_.losses());
    state.emplace_back("strength", memory_.strengths());
    return state;
  }

 private:
  double momentum_;
  LossMemory<float, B> memory_;
};

namespace detail {

template <class M>
struct GatherLabels {
  View<const std::int32_t, 1, M> labels;
  BatchSamples<M> samples;
  View<std::int32_t, 1, M> out;
  LOTAR_FN void operator()(std::size_t i) const { out(i) = labels(samples(i)); }
};

}  // namespace detail

/// The supervised baseline: cross-entropy of one view's logits, which the network's projections are.
template <class B>
struct Supervised : SimClr {
  static constexpr std::size_t views = 1;

  In<std::int32_t, 1, B> labels;  ///< [samples] in [0, C), on the backend; must outlive the training

  explicit Supervised(const In<std::int32_t, 1, B>& labels_) : labels(labels_) {}

  std::string identity() const { return "supervised"; }

  /// The mean of the batch's cross-entropies: see HasObjective.
  /// @throws ShapeError unless there is a label for each of the samples, and a batch may hold these rows.
  template <class A>
  void objective(B& b, const Anchors<A, B>& batch, const Out<A, 2, B>& dz) const {
    check_shape("Supervised", "labels", batch.samples.order.extents, labels.extents);
    check_batch("Supervised", batch.z.extent(0), batch.samples.order, batch.samples.batch_size);
    const Tensor<std::int32_t, 1, B> rows(b, {batch.z.extent(0)});
    b.for_each(rows.size(), detail::GatherLabels<typename B::Memory>{labels, batch.samples, rows});
    cross_entropy(b, batch.z, rows, batch.losses, dz);
    b.fill(batch.distances, A(0));
    b.fill(batch.weights, A(1));
  }
};

}  // namespace lotar
