#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/core/backend.hpp>
#include <lotar/core/columns.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/nn/batch_norm/moments.hpp>

/// What is done with the statistics, to each element: forward, and back.
namespace lotar::detail {

/// What is known of each channel.
template <class A>
struct NormChannels {
  const A *mean, *scale, *gamma, *beta;

  LOTAR_FN bool is_aligned() const { return are_aligned(mean, scale, gamma, beta); }
  LOTAR_FN A factor(std::size_t c) const { return scale[c] * gamma[c]; }
  template <std::size_t width>
  LOTAR_FN Pack<A, width> factors(std::size_t c) const {
    auto to = load_pack<width>(scale + c);
    const auto g = load_pack<width>(gamma + c);
    for (std::size_t k = 0; k < width; ++k) to[k] *= g[k];
    return to;
  }
};

/// A ConvInput's norm, [3, C].
template <class A>
struct NormCoefficients {
  NormChannels<A> channels;
  std::size_t cols;
  A* to;
  LOTAR_FN void operator()(std::size_t c) const {
    to[c] = channels.mean[c];
    to[cols + c] = channels.factor(c);
    to[2 * cols + c] = channels.beta[c];
  }
};

/// What a ReLU lets through of a matrix whose columns are a multiple of pack_width: a byte for each pack, with a bit
/// for each value, set where that is above 0.
template <class T>
struct ReluMask {
  static constexpr std::size_t width = pack_width<T>;
  static_assert(width <= 8);
  LOTAR_FN static std::uint8_t of(const Pack<T, width>& values) {
    unsigned bits = 0;
    for (std::size_t k = 0; k < width; ++k) bits |= (static_cast<Accum<T>>(values[k]) > Accum<T>(0) ? 1u : 0u) << k;
    return static_cast<std::uint8_t>(bits);
  }
  /// Whether the i-th value is let through.
  LOTAR_FN static bool passes(const std::uint8_t* bytes, std::size_t i) {
    return (bytes[i / width] >> (i % width) & 1) != 0;
  }
};

/// y = relu?(gamma (x - mean) scale + beta + residual)
template <class T, class A>
struct NormApply {
  const T *x, *residual;
  NormChannels<A> channels;
  std::size_t cols;
  bool relu;
  T* y;
  std::uint8_t* relu_mask;  // of y, written by packs alone; or null

  LOTAR_FN T value(A v, T add) const {
    v += static_cast<A>(add);
    return static_cast<T>(relu ? max(v, A(0)) : v);
  }
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    y[i] =
        value(norm_value(x[i], channels.mean[c], channels.factor(c), channels.beta[c]), residual ? residual[i] : T(0));
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return channels.is_aligned() && are_aligned(x, residual, y); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c, m = load_pack<width>(channels.mean + c), factor = channels.template factors<width>(c),
            b = load_pack<width>(channels.beta + c)](std::size_t r) {
      const std::size_t i = r * f.cols + c;
      const auto from = load_pack<width>(f.x + i);
      Pack<T, width> add{}, to;
      if (f.residual) add = load_pack<width>(f.residual + i);
      for (std::size_t k = 0; k < width; ++k) to[k] = f.value(norm_value(from[k], m[k], factor[k], b[k]), add[k]);
      store_pack(to, f.y + i);
      if (f.relu_mask) f.relu_mask[i / width] = ReluMask<T>::of(to);
    };
  }
};

/// How the gradient passes the ReLU: there is none, or it stops where y is 0, which is computed again; or, where a
/// residual is part of y, read: of y, or of its ReluMask.
enum class NormMask { none, computed, read, bits };

/// The gradient d before a ReLU of v.
template <class D, class A>
LOTAR_FN inline D norm_masked(D d, A v) {
  return v > A(0) ? d : D(0);
}

/// What is summed over the rows: the gradient before the ReLU, and it times x - mean. With a residual, dy becomes that
/// gradient.
template <class T, class A, NormMask mask>
struct NormGradientValues {
  T* dy;
  const T *x, *y;                 // y null unless it is read
  const std::uint8_t* relu_mask;  // as y
  NormChannels<A> channels;
  std::size_t cols;

  LOTAR_FN static Pair<A> values(T gradient, T from, A m, A factor, A b) {
    A d = static_cast<A>(gradient);
    if constexpr (mask == NormMask::computed) d = norm_masked(d, norm_value(from, m, factor, b));
    return {d, d * (static_cast<A>(from) - m)};
  }
  LOTAR_FN Pair<A> operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    T d = dy[i];
    if constexpr (mask == NormMask::read) dy[i] = d = norm_masked(d, static_cast<A>(y[i]));
    if constexpr (mask == NormMask::bits) dy[i] = d = ReluMask<T>::passes(relu_mask, i) ? d : T(0);
    return values(d, x[i], channels.mean[c], channels.factor(c), channels.beta[c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return cols % width == 0 && channels.is_aligned() && are_aligned(dy, x, y); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c, m = load_pack<width>(channels.mean + c), factor = channels.template factors<width>(c),
            b = load_pack<width>(channels.beta + c)](std::size_t r) {
      const std::size_t i = r * f.cols + c;
      const auto from = load_pack<width>(f.x + i);
      auto d = load_pack<width>(f.dy + i);
      if constexpr (mask == NormMask::read) {
        const auto out = load_pack<width>(f.y + i);
        for (std::size_t k = 0; k < width; ++k) d[k] = norm_masked(d[k], static_cast<A>(out[k]));
        store_pack(d, f.dy + i);
      }
      if constexpr (mask == NormMask::bits) {
        const unsigned bits = f.relu_mask[i / width];
        for (std::size_t k = 0; k < width; ++k) d[k] = bits >> k & 1 ? d[k] : T(0);
        store_pack(d, f.dy + i);
      }
      Pair<Pack<A, width>> sums;
      for (std::size_t k = 0; k < width; ++k) {
        const Pair<A> v = values(d[k], from[k], m[k], factor[k], b[k]);
        sums.first[k] = v.first;
        sums.second[k] = v.second;
      }
      return sums;
    };
  }
};

/// Per tile of rows, the sums of NormGradientValues.
template <class T, class A, NormMask mask>
struct NormTileGradients {
  static constexpr unsigned most_threads = 128;
  NormTiles tiles;
  NormGradientValues<T, A, mask> all;
  A *sum, *product;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const NormTiles::Tile tile = tiles.tile(i);
    const std::size_t cols = tiles.cols;
    NormGradientValues<T, A, mask> part = all;
    part.dy += tile.begin * cols;
    part.x += tile.begin * cols;
    if (part.y) part.y += tile.begin * cols;
    if (part.relu_mask) part.relu_mask += tile.begin * cols / ReluMask<T>::width;
    block.sum_columns(tile.rows, cols, part, sum + tile.number * cols, product + tile.number * cols);
  }
};

/// The values of two matrices [rows, cols] of A, for Block::sum_columns with two outputs.
template <class A>
struct ColumnPairs {
  Columns<A> first, second;

  LOTAR_FN Pair<A> operator()(std::size_t r, std::size_t c) const { return {first(r, c), second(r, c)}; }

  static constexpr std::size_t width = pack_width<A>;
  LOTAR_FN bool is_aligned() const { return first.is_aligned() && second.is_aligned(); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [a = first.columns(c), b = second.columns(c)](std::size_t r) { return Pair<Pack<A, width>>{a(r), b(r)}; };
  }
};

/// The parts' sums added up: to the gradients of beta and gamma, and to the part of these rows in what all rows have in
/// common, the mean of dy, and of dy xhat times scale: how fast that falls with x.
template <class A, class M>
struct NormGradients {
  NormSums<A, M> parts;
  View<A, 1, M> mean, slope;
  const A* scale;
  A inverse_rows;
  const A* all_rows;  ///< null: no other process has any
  A *dgamma, *dbeta;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t channels = mean.extent(0), first = strip * norm_strip, cols = min(norm_strip, channels - first);
    block.sum_columns(parts.sum.extent(0), cols,
                      ColumnPairs<A>{{parts.sum.data + first, channels}, {parts.product.data + first, channels}},
                      mean.data + first, slope.data + first);
    const A inverse = all_rows ? A(1) / *all_rows : inverse_rows;
    block.for_each(cols, [&](std::size_t k) {
      const std::size_t c = first + k;
      const A product = slope(c) * scale[c];
      dbeta[c] += mean(c);
      dgamma[c] += product;
      mean(c) *= inverse;
      slope(c) = product * inverse * scale[c];
    });
  }
};

/// dx = gamma scale (dy - mean(dy) - xhat mean(dy xhat)), for dy before the ReLU
/// @tparam masked  the ReLU is computed again
template <class T, class A, bool masked>
struct NormBackward {
  const T *dy, *x;
  NormChannels<A> channels;
  const A *mean_d, *slope;  // of NormGradients
  std::size_t cols;
  T* dx;

  LOTAR_FN static T value(T gradient, T from, A m, A factor, A b, A mean_d, A slope) {
    A d = static_cast<A>(gradient);
    if constexpr (masked) d = norm_masked(d, norm_value(from, m, factor, b));
    return static_cast<T>(factor * (d - (mean_d + (static_cast<A>(from) - m) * slope)));
  }
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    dx[i] = value(dy[i], x[i], channels.mean[c], channels.factor(c), channels.beta[c], mean_d[c], slope[c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return channels.is_aligned() && are_aligned(dy, x, mean_d, slope, dx); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c, m = load_pack<width>(channels.mean + c), factor = channels.template factors<width>(c),
            b = load_pack<width>(channels.beta + c), mean_d = load_pack<width>(mean_d + c),
            slope = load_pack<width>(slope + c)](std::size_t r) {
      const std::size_t i = r * f.cols + c;
      const auto d = load_pack<width>(f.dy + i), from = load_pack<width>(f.x + i);
      Pack<T, width> to;
      for (std::size_t k = 0; k < width; ++k) to[k] = value(d[k], from[k], m[k], factor[k], b[k], mean_d[k], slope[k]);
      store_pack(to, f.dx + i);
    };
  }
};

}  // namespace lotar::detail
