#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/clock.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/train/method.hpp>

namespace lotar {

/// What an epoch gave so far; where it has not come to, the values of the one before, or zeros.
struct SampleRecord {
  static constexpr std::uint32_t none = 0xFFFFFFFF;

  std::vector<float> loss;         ///< [N] the mean of the losses of a sample's two anchors, unweighted
  std::vector<float> distance;     ///< [N] between its views' projections
  std::vector<float> weight;       ///< [N] of its loss
  std::vector<float> batch_loss;   ///< [steps per epoch] each batch's weighted mean loss: what its step minimised
  std::uint32_t first_bad = none;  ///< the first step with a loss that is not finite
};

namespace detail {

template <class A, class M>
struct RecordSamples {
  View<const A, 1, M> losses, distances, weights;
  BatchSamples<M> samples;
  A *loss, *distance, *weight, *batch_loss;
  std::uint32_t* first_bad;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t n = distances.extent(0), anchors = losses.extent(0);
    block.for_each(n, [&](std::size_t i) {
      const std::uint32_t sample = samples(i);
      loss[sample] = anchors == n ? losses(i) : (losses(i) + losses(i + n)) / A(2);
      distance[sample] = distances(i);
      weight[sample] = weights(i);
    });
    const A total = block.reduce(
        anchors, A(0), [&](std::size_t a) { return losses(a) * weights(a < n ? a : a - n); },
        [](A a, A b) { return a + b; });
    if (!block.leader()) return;
    const Clock& now = samples.clock(0);
    batch_loss[now.batch] = total / static_cast<A>(anchors);
    if (!is_finite(total) && *first_bad == SampleRecord::none) *first_bad = now.step;
  }
};

}  // namespace detail

/// The record while it is being written, on the backend.
template <class A, class B>
class DeviceSampleRecord {
 public:
  DeviceSampleRecord(B& b, std::size_t samples, std::size_t steps_per_epoch)
      : loss(b, {{samples}}),
        distance(b, {{samples}}),
        weight(b, {{samples}}),
        batch_loss(b, {{steps_per_epoch}}),
        first_bad_(b, {{1}}) {
    for (const auto* array : {&loss, &distance, &weight, &batch_loss}) b.fill(array->view(), A(0));
    b.fill(first_bad_.view(), SampleRecord::none);
  }

  /// Adds a batch.
  /// @cost one pass over its losses, by one block.
  void add(B& b, const Anchors<A, B>& batch) {
    b.for_each_block(1, Work{batch.losses.size()},
                     detail::RecordSamples<A, typename B::Memory>{batch.losses, batch.distances, batch.weights,
                                                                  batch.samples, loss.data, distance.data, weight.data,
                                                                  batch_loss.data, first_bad_.data});
  }

  /// What a checkpoint has to keep.
  NamedArrays<A, B> state() const {
    return {{"loss", loss}, {"distance", distance}, {"weight", weight}, {"batch_loss", batch_loss}};
  }

  /// Forgets a step that was not finite.
  void reset(B& b) { b.fill(first_bad_.view(), SampleRecord::none); }

  SampleRecord download(B& b) const {
    const auto host = [&](const Tensor<A, 1, B>& t) {
      const std::vector<A> values = t.to_host(b);
      return std::vector<float>(values.begin(), values.end());
    };
    return {host(loss), host(distance), host(weight), host(batch_loss), first_bad_.to_host(b)[0]};
  }

  Tensor<A, 1, B> loss, distance, weight, batch_loss;

 private:
  Tensor<std::uint32_t, 1, B> first_bad_;
};

}  // namespace lotar
