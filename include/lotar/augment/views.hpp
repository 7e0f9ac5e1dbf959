#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/augment/pipeline.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/view.hpp>

namespace lotar {
namespace detail {

/// Work item v * samples + i makes view v of row i of the batch.
template <class T, class Memory, class Operations>
struct MakeViews {
  View<const std::uint8_t, 4, Memory> images;
  View<const std::uint32_t, 1, Memory> order;
  const Clock* clock;  ///< null: epoch 0, batch 0
  std::size_t batch_size, samples, pixels;
  std::uint64_t seed;
  Operations pipeline;
  View<T, 4, Memory> out;
  static constexpr bool large_scratch = true;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t item) const {
    const std::size_t height = images.extent(1), width = images.extent(2), channels = images.extent(3);
    const Clock now = clock != nullptr ? *clock : Clock{};
    const std::uint32_t sample = order.data[now.batch * batch_size + item % samples];
    Image image{block.template scratch<float>(3 * pixels), block.template scratch<float>(3 * pixels), {height, width}};
    load_image(block, images.data + sample * height * width * channels, channels, image);
    pipeline.apply(block, image, {seed, now.epoch, sample, static_cast<std::uint32_t>(item / samples)});
    store_image(block, image, out.data + item * 3 * image.size.pixels());
  }
};

/// @throws ShapeError "where: ..." unless views can be made of images of these extents.
inline void check_images(const char* where, const Extents<4>& images) {
  constexpr std::size_t limit = 1 << 15;  // pixels of a side
  const auto& [n, height, width, channels] = images.extent;
  if (n == 0 || height == 0 || width == 0 || height > limit || width > limit || (channels != 1 && channels != 3))
    throw ShapeError(std::string(where) + ": images must be [N, H, W, 1 or 3] with N > 0 and sides of 1 to " +
                     std::to_string(limit) + ", got " + to_string(images));
}

/// Checks what all functions below have in common and runs MakeViews.
template <class T, class B, class Operations>
void make_views(B& b, const char* where, std::size_t views, const In<std::uint8_t, 4, B>& images,
                const In<std::uint32_t, 1, B>& order, std::size_t batch_size, const Clock* clock, std::uint64_t seed,
                const Operations& pipeline, const Out<T, 4, B>& out) {
  const ImageSize in{images.extent(1), images.extent(2)};
  check_images(where, images.extents);
  pipeline.check(in);
  pipeline.check_images(images);
  const Footprint footprint = pipeline.footprint(in);
  const std::size_t samples = out.extent(0) / views;
  check_shape(where, "out", Extents<4>{views * samples, footprint.output.height, footprint.output.width, 3},
              out.extents);
  check_batch(where, samples, order, batch_size);
  const Work work{max(in.pixels(), footprint.output.pixels()),
                  2 * scratch_size<float>(3 * footprint.pixels) + footprint.scratch_bytes};
  b.for_each_block(views * samples, work,
                   MakeViews<T, typename B::Memory, Operations>{images, order, clock, batch_size, samples,
                                                                footprint.pixels, seed, pipeline, out});
}

}  // namespace detail

/// Two random views of each sample of a batch: what contrastive methods compare.
///
/// What is drawn for a view is a function of (seed, epoch, sample, view) alone: not of the sample's place in a batch,
/// nor of the backend. The epoch and the batch are read from the clock when the kernel runs, so a step can be replayed.
///
/// @param images      [N, H, W, C], C 3, or 1, which is read as three equal channels; sides at most 2^15
/// @param order       the epoch's samples: row i of batch k is images[order[k batch_size + i]]. Its values are < N, and
///                    the clock's batch lies within it: neither is checked
/// @param batch_size  samples of a whole batch
/// @param clock       [1]
/// @param pipeline    see pipeline.hpp and presets.hpp
/// @param out         [2n, h, w, 3] out: view v of row i is out[v n + i]; n may be less than batch_size in a last batch
/// @throws ShapeError if the shapes differ from these.
/// @throws ConfigError for an option of the pipeline out of its range.
/// @cost   scratch a view: two float images of the largest size between two operations (24 KiB at 32x32), and tables.
///         On a GPU it is in shared memory, if that has room for it: 99 to 227 KiB by model, for images below 64x64 to
///         96x96; else in main memory, for as many views at a time as 1 GiB holds.
template <class T, Backend B, class... Operations>
void two_views(B& b, const In<std::uint8_t, 4, B>& images, const In<std::uint32_t, 1, B>& order, std::size_t batch_size,
               const In<Clock, 1, B>& clock, std::uint64_t seed, const Pipeline<Operations...>& pipeline,
               const View<T, 4, typename B::Memory>& out) {
  check_shape("two_views", "clock", Extents<1>{1}, clock.extents);
  detail::make_views<T>(b, "two_views", 2, images, order, batch_size, clock.data, seed, pipeline, out);
}

/// One random view of each sample of a batch: as two_views, but out is [n, h, w, 3]. It is the first of the two.
template <class T, Backend B, class... Operations>
void one_view(B& b, const In<std::uint8_t, 4, B>& images, const In<std::uint32_t, 1, B>& order, std::size_t batch_size,
              const In<Clock, 1, B>& clock, std::uint64_t seed, const Pipeline<Operations...>& pipeline,
              const View<T, 4, typename B::Memory>& out) {
  check_shape("one_view", "clock", Extents<1>{1}, clock.extents);
  detail::make_views<T>(b, "one_view", 1, images, order, batch_size, clock.data, seed, pipeline, out);
}

/// Samples as they are, for evaluation: row i is images[samples[i]] through a pipeline that draws nothing.
///
/// @param samples  values < N, not checked
/// @param out      [n, h, w, 3] out, n at most the number of samples
/// @throws ShapeError, ConfigError as two_views.
/// @cost   as two_views.
template <class T, Backend B, class... Operations>
void fixed_view(B& b, const In<std::uint8_t, 4, B>& images, const In<std::uint32_t, 1, B>& samples,
                const Pipeline<Operations...>& pipeline, const View<T, 4, typename B::Memory>& out) {
  static_assert(!Pipeline<Operations...>::random, "fixed_view: an evaluation must not draw");
  detail::make_views<T>(b, "fixed_view", 1, images, samples, samples.extent(0), nullptr, 0, pipeline, out);
}

}  // namespace lotar
