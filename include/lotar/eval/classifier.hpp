#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include <lotar/augment/views.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>
#include <lotar/ops/arg_max.hpp>

namespace lotar {

/// The class that a network says each image is of, where its projections are logits: the largest, by the running
/// statistics.
///
/// @param state        its values and statistics are read, and left as they are
/// @param images       [N, H, W, C], C 1 or 3
/// @param pipeline     draws nothing, see plain_view; its output is what the network sees
/// @param predictions  [N] out: of equal logits the first, -1 where all are NaN
/// @param batch        images at a time, >= 1; no prediction depends on it
/// @throws ShapeError if there are not as many predictions as images.
/// @throws ConfigError for a batch of 0.
template <class T, Backend B, class Pipeline>
void classify(B& b, const Network& network, NetworkState<T, B>& state, const In<std::uint8_t, 4, B>& images,
              const Pipeline& pipeline, const Out<std::int32_t, 1, B>& predictions, std::size_t batch = 256) {
  const std::size_t n = images.extent(0);
  if (batch == 0) throw ConfigError("classify: batch must be >= 1, got 0");
  check_shape("classify", "predictions", Extents<1>{n}, predictions.extents);
  std::vector<std::uint32_t> all(n);
  std::iota(all.begin(), all.end(), 0u);
  const Tensor<std::uint32_t, 1, B> samples(b, {{n}}, all);
  const ImageSize size = pipeline.footprint({images.extent(1), images.extent(2)}).output;
  Pass<T, B> pass = state.pass(b, false);
  for (std::size_t first = 0; first < n; first += batch) {
    const std::size_t count = min(batch, n - first);
    Tensor<T, 4, B> x(b, {{count, size.height, size.width, 3}});
    fixed_view<T>(b, images, samples.rows(first, count), pipeline, x.view());
    const Tensor<Accum<T>, 2, B> logits = network.forward(b, std::move(x), pass);
    arg_max<Accum<T>>(b, logits, predictions.rows(first, count));
  }
}

}  // namespace lotar
