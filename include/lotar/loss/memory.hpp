#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {

struct LossMemoryOptions {
  double momentum = 0.97;  ///< beta, in [0, 1)
};

namespace detail {

template <class A, class Memory>
struct RememberLosses {
  View<const A, 1, Memory> losses;
  BatchSamples<Memory> samples;
  A momentum;
  View<A, 1, Memory> memory;

  LOTAR_FN void operator()(std::size_t i) const {
    const std::size_t n = losses.size() / 2;
    const A loss = (losses(i) + losses(i + n)) / A(2);
    A& s = memory(samples(i));
    s = samples.clock(0).epoch == 0 ? loss : fma(momentum, s - loss, loss);
  }
};

template <class A, class Memory>
struct MemoryStrengths {
  View<const A, 1, Memory> memory;
  View<A, 1, Memory> strengths;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t n = memory.size();
    const A *s = memory.data, first = s[0];
    // of differences, which are exactly 0 if all memories are equal: their own sum over n need not be one of them
    const A mean = block_sum(block, n, [=](std::size_t i) { return s[i] - first; }) / static_cast<A>(n);
    const auto above = [=](std::size_t i) { return (s[i] - first) - mean; };
    const A most = block_max(block, n, [&above](std::size_t i) { return abs(above(i)); });
    const A equal = A(0.5) + (mean - mean);  // NaN if a memory is
    block.for_each(n, [&](std::size_t i) {
      strengths(i) = most > A(0) ? clamp(fma(above(i) / most, A(0.5), A(0.5)), A(0), A(1)) : equal;
    });
  }
};

}  // namespace detail

/// BCL's memory: how hard each sample has been to learn, from the loss it had in the epochs so far.
///
/// A sample's memory s is its loss in the first epoch and a moving average later; at the end of an epoch all become
/// strengths M = ((s - mean s) / max |s - mean s| + 1) / 2 in [0, 1], by which the next epoch's views are augmented;
/// 1/2 if all are equal.
///
/// @source Zhou et al., Contrastive learning with boosted memorization, ICML 2022.
template <class A, Backend B>
class LossMemory {
 public:
  /// Strengths are 0 until the first refresh().
  /// @throws ConfigError unless there are samples and the momentum is in [0, 1).
  LossMemory(B& b, std::size_t samples, const LossMemoryOptions& options = {})
      : momentum_(static_cast<A>(options.momentum)), memory_(b, {samples}), strengths_(b, {samples}) {
    if (samples == 0) throw ConfigError("LossMemory: wanted at least one sample, got 0");
    check_fraction<A>("LossMemory", "momentum", options.momentum);
    b.fill(memory_.view(), A(0));
    b.fill(strengths_.view(), A(0));
  }

  /// s = (1 - momentum) l + momentum s for the samples of a batch, l the mean of the losses of a sample's two anchors.
  /// @param losses   [2n], anchors i and i + n of one sample
  /// @param samples  of the batch; its order is of [samples]
  /// @throws ShapeError if the shapes differ from these, or a batch holds fewer than n samples.
  /// @cost   one pass over the batch's losses.
  void update(B& b, In<A, 1, B> losses, const BatchSamples<typename B::Memory>& samples) {
    if (losses.size() % 2 != 0) throw ShapeError("LossMemory: losses must be [2n], got " + to_string(losses.extents));
    check_shape("LossMemory", "order", memory_.extents, samples.order.extents);
    check_batch("LossMemory", losses.size() / 2, samples.order, samples.batch_size);
    b.for_each(losses.size() / 2,
               detail::RememberLosses<A, typename B::Memory>{losses, samples, momentum_, memory_.view()});
  }

  /// Makes strengths of what is remembered: after an epoch has shown every sample. All are NaN if a memory is.
  /// @cost three passes over all samples, by one block.
  void refresh(B& b) {
    b.for_each_block(1, Work{memory_.size()},
                     detail::MemoryStrengths<A, typename B::Memory>{memory_, strengths_.view()});
  }

  /// [samples] M, where they stay while the memory lives.
  Out<A, 1, B> strengths() const { return strengths_; }
  /// [samples] s
  Out<A, 1, B> losses() const { return memory_; }

 private:
  A momentum_;
  Tensor<A, 1, B> memory_, strengths_;
};

}  // namespace lotar
