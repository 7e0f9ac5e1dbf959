#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

/// Filters that work along columns and then along rows: what resampling and blurring have in common.
namespace lotar::detail {

/// Result i of an axis is the sum over k of weight[k, i] times pixel index[k, i] of that axis: tables [taps, out].
struct AxisFilter {
  float* weight;
  std::int32_t* index;
  std::size_t taps;  ///< 2, or a multiple of 4
  std::size_t out;
};

/// How many taps a filter that needs this many has.
LOTAR_FN constexpr std::size_t padded_taps(std::size_t needed) { return needed <= 2 ? 2 : (needed + 3) / 4 * 4; }

/// The scratch of an AxisFilter whose tables have n entries.
LOTAR_FN constexpr std::size_t filter_scratch(std::size_t n) {
  return scratch_size<float>(n) + scratch_size<std::int32_t>(n);
}

/// Planes of floats: where the first begins, and the distances of rows and of planes.
template <class T>
struct Planes {
  T* data;
  std::size_t row, plane;
};

/// Adds `Taps` taps to the result along columns [out, width]; the first ones begin it.
template <std::size_t Taps, bool first, class Block>
LOTAR_FN void filter_columns_step(Block& block, const float* weight, const std::int32_t* index, std::size_t out_height,
                                  Planes<const float> in, Planes<float> out, std::size_t width) {
  for (std::size_t c = 0; c < 3; ++c) {
    const float* const from = in.data + c * in.plane;
    float* const to = out.data + c * out.plane;
    block.for_each(out_height, width, [=](std::size_t y, std::size_t x) {
      const auto tap = [=](std::size_t k) {
        return weight[k * out_height + y] * from[static_cast<std::size_t>(index[k * out_height + y]) * in.row + x];
      };
      float sum = tap(0) + tap(1);
      if constexpr (Taps == 4) sum += tap(2) + tap(3);
      if constexpr (!first) sum += to[y * out.row + x];
      to[y * out.row + x] = sum;
    });
  }
}

/// The same along rows.
template <std::size_t Taps, bool first, class Block>
LOTAR_FN void filter_rows_step(Block& block, const float* weight, const std::int32_t* index, std::size_t out_width,
                               Planes<const float> in, Planes<float> out, std::size_t height) {
  for (std::size_t c = 0; c < 3; ++c) {
    const float* const from = in.data + c * in.plane;
    float* const to = out.data + c * out.plane;
    block.for_each(height, out_width, [=](std::size_t y, std::size_t x) {
      const auto tap = [=](std::size_t k) {
        return weight[k * out_width + x] * from[y * in.row + static_cast<std::size_t>(index[k * out_width + x])];
      };
      float sum = tap(0) + tap(1);
      if constexpr (Taps == 4) sum += tap(2) + tap(3);
      if constexpr (!first) sum += to[y * out.row + x];
      to[y * out.row + x] = sum;
    });
  }
}

template <class Block>
LOTAR_FN void filter_columns(Block& block, const AxisFilter& f, Planes<const float> in, Planes<float> out,
                             std::size_t width) {
  if (f.taps == 2) return filter_columns_step<2, true>(block, f.weight, f.index, f.out, in, out, width);
  filter_columns_step<4, true>(block, f.weight, f.index, f.out, in, out, width);
  for (std::size_t k = 4; k < f.taps; k += 4)
    filter_columns_step<4, false>(block, f.weight + k * f.out, f.index + k * f.out, f.out, in, out, width);
}

template <class Block>
LOTAR_FN void filter_rows(Block& block, const AxisFilter& f, Planes<const float> in, Planes<float> out,
                          std::size_t height) {
  if (f.taps == 2) return filter_rows_step<2, true>(block, f.weight, f.index, f.out, in, out, height);
  filter_rows_step<4, true>(block, f.weight, f.index, f.out, in, out, height);
  for (std::size_t k = 4; k < f.taps; k += 4)
    filter_rows_step<4, false>(block, f.weight + k * f.out, f.index + k * f.out, f.out, in, out, height);
}

}  // namespace lotar::detail
