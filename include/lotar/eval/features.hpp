#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include <lotar/augment/views.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>

namespace lotar {

/// The features of whole images under a frozen encoder: running statistics, no augmentation, nothing trained.
///
/// @param state     its values and statistics are read, and left as they are
/// @param images    [N, H, W, C], C 1 or 3
/// @param pipeline  draws nothing, see plain_view; its output is what the encoder sees
/// @param features  [N, F] out
/// @param batch     images at a time; no feature depends on it
/// @throws ShapeError if features are not [N, F].
template <class T, Backend B, class Pipeline>
void extract_features(B& b, const ResNet& encoder, NetworkState<T, B>& state, const In<std::uint8_t, 4, B>& images,
                      const Pipeline& pipeline, const View<Accum<T>, 2, typename B::Memory>& features,
                      std::size_t batch = 256) {
  const std::size_t n = images.extent(0);
  if (batch == 0) throw ConfigError("extract_features: batch must be >= 1, got 0");
  check_shape("extract_features", "features", Extents<2>{{n, encoder.features()}}, features.extents);
  std::vector<std::uint32_t> all(n);
  std::iota(all.begin(), all.end(), 0u);
  const Tensor<std::uint32_t, 1, B> samples(b, {{n}}, all);
  const ImageSize size = pipeline.footprint({images.extent(1), images.extent(2)}).output;
  Pass<T, B> pass = state.pass(b, false);
  for (std::size_t first = 0; first < n; first += batch) {
    const std::size_t count = min(batch, n - first);
    Tensor<T, 4, B> x(b, {{count, size.height, size.width, 3}});
    fixed_view<T>(b, images, samples.rows(first, count), pipeline, x.view());
    const Tensor<Accum<T>, 2, B> y = encoder.forward(b, std::move(x), pass);
    b.copy(y, features.rows(first, count));
  }
}

}  // namespace lotar
