#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <lotar/augment/views.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/random.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>

namespace lotar {

struct FeatureOptions {
  std::size_t batch = 256;        ///< images at a time, >= 1
  bool batch_statistics = false;  ///< normalise each batch, in a random order, by its own statistics
  std::uint64_t seed = 1;         ///< of what the pipeline draws, and of that order
};

namespace detail {

/// Row r of a batch goes to the row of its sample.
template <class A, class Memory>
struct PlaceFeatures {
  View<const A, 2, Memory> batch;
  View<const std::uint32_t, 1, Memory> samples;
  View<A, 2, Memory> features;

  LOTAR_FN void operator()(std::size_t r, std::size_t c) const { features(samples(r), c) = batch(r, c); }
};

}  // namespace detail

/// The features of images under a frozen encoder: by its running statistics, unless options.batch_statistics.
///
/// @param state     its values and statistics are read, and left as they are; but with options.batch_statistics the
///                  running statistics follow the batches', as in training, and the gradients become 0: then give a
///                  copy of what must not change
/// @param images    [N, H, W, C], C 1 or 3
/// @param pipeline  see plain_view; its output is what the encoder sees
/// @param features  [K N, F] out: K copies, K >= 1, each as an epoch draws its views, or its order, anew
/// @throws ShapeError if features are not [K N, F]; with options.batch_statistics, once it is reached, for a batch of
///         one image of which the encoder leaves one pixel.
/// @throws ConfigError for a batch of 0, and as the pipeline says.
/// @cost   K N forward passes of the encoder; scratch: a batch's views and activations, with options.batch_statistics
///         those of all layers at once.
template <class T, Backend B, class Pipeline>
void extract_features(B& b, const ResNet& encoder, NetworkState<T, B>& state, const In<std::uint8_t, 4, B>& images,
                      const Pipeline& pipeline, const View<Accum<T>, 2, typename B::Memory>& features,
                      const FeatureOptions& options = {}) {
  const std::size_t n = images.extent(0), rows = features.extent(0);
  if (options.batch == 0) throw ConfigError("extract_features: batch must be >= 1, got 0");
  if (n == 0 || rows == 0 || rows % n != 0 || features.extent(1) != encoder.features())
    throw ShapeError("extract_features: features must be [K " + std::to_string(n) + ", " +
                     std::to_string(encoder.features()) + "] with K >= 1, of at least one image, got " +
                     to_string(features.extents));
  const ImageSize size = pipeline.footprint({images.extent(1), images.extent(2)}).output;
  const Tensor<std::uint32_t, 1, B> order(b, {{n}});
  const Tensor<Clock, 1, B> clock(b, {{1}});
  Pass<T, B> pass = state.pass(b, options.batch_statistics);
  for (std::size_t copy = 0; copy < rows / n; ++copy) {
    const auto epoch = static_cast<std::uint32_t>(copy);
    std::vector<std::uint32_t> samples(n);
    std::iota(samples.begin(), samples.end(), 0u);
    if (options.batch_statistics) samples = epoch_order(options.seed, epoch, n);
    b.upload(samples, order.view());
    const Clock start{epoch, 0, 0};
    b.upload(std::span<const Clock>(&start, 1), clock.view());
    for (std::size_t first = 0; first < n; first += options.batch) {
      const std::size_t count = min(options.batch, n - first);
      Tensor<T, 4, B> x(b, {{count, size.height, size.width, 3}});
      if constexpr (Pipeline::random)
        one_view<T>(b, images, order, options.batch, clock, options.seed, pipeline, x.view());
      else
        fixed_view<T>(b, images, order.rows(first, count), pipeline, x.view());
      const Tensor<Accum<T>, 2, B> y = encoder.forward(b, std::move(x), pass);
      pass.tape.clear();
      b.for_each(
          count, y.extent(1),
          detail::PlaceFeatures<Accum<T>, typename B::Memory>{y, order.rows(first, count), features.rows(copy * n, n)});
      b.for_each(1, AdvanceClock{clock.data});
    }
  }
}

}  // namespace lotar
