#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>
#include <lotar/ops/arg_max.hpp>

namespace lotar {

/// The class that a network says each image is of, where its projections are logits: the largest, by the running
/// statistics.
///
/// @param state        its values and statistics are read, and left as they are
/// @param features     [N, F] of the images, as extract_features gives them
/// @param predictions  [N] out: of equal logits the first, -1 where all are NaN
/// @throws ShapeError if the shapes differ from these.
/// @cost   one pass of the projector; a copy of the features and the logits of scratch.
template <class T, Backend B>
void classify(B& b, const Network& network, NetworkState<T, B>& state, const In<Accum<T>, 2, B>& features,
              const Out<std::int32_t, 1, B>& predictions) {
  const std::size_t n = features.extent(0);
  check_shape("classify", "features", Extents<2>{{n, network.features()}}, features.extents);
  check_shape("classify", "predictions", Extents<1>{{n}}, predictions.extents);
  Pass<T, B> pass = state.pass(b, false);
  Tensor<Accum<T>, 2, B> x(b, features.extents);
  b.copy(features, x.view());
  arg_max<Accum<T>>(b, network.projector().forward(b, std::move(x), pass), predictions);
}

}  // namespace lotar
