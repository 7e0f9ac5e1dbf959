#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/nn/batch_norm/moments.hpp>
#include <lotar/ops/columns.hpp>

/// What is done with the statistics, to each element: forward, and back.
namespace lotar::detail {

/// relu?(gamma (x - mean) scale + beta + residual), with gamma scale as one factor.
template <class T, class A = Accum<T>>
LOTAR_FN inline T norm_output(T x, T residual, A mean, A factor, A beta, bool relu) {
  const A v = fma(static_cast<A>(x) - mean, factor, beta) + static_cast<A>(residual);
  return static_cast<T>(relu ? max(v, A(0)) : v);
}

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

/// y = relu?(gamma (x - mean) scale + beta + residual)
template <class T, class A>
struct NormApply {
  const T *x, *residual;
  NormChannels<A> channels;
  std::size_t cols;
  bool relu;
  T* y;

  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    y[i] =
        norm_output(x[i], residual ? residual[i] : T(0), channels.mean[c], channels.factor(c), channels.beta[c], relu);
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
      for (std::size_t k = 0; k < width; ++k) to[k] = norm_output(from[k], add[k], m[k], factor[k], b[k], f.relu);
      store_pack(to, f.y + i);
    };
  }
};

/// How the gradient passes the ReLU: there is none, or it stops where y is 0, which is computed again, or read where a
/// residual is part of it.
enum class NormMask { none, computed, read };

/// What is summed over the rows: the gradient before the ReLU, and it times x - mean. With a residual, dy becomes that
/// gradient.
template <class T, class A>
struct NormGradientValues {
  T* dy;
  const T *x, *y;  // y null unless it is read
  NormChannels<A> channels;
  std::size_t cols;
  NormMask mask;

  LOTAR_FN static bool passes(T y) { return static_cast<A>(y) > A(0); }
  LOTAR_FN static Pair<A> values(T d, T from, A m) {
    return {static_cast<A>(d), static_cast<A>(d) * (static_cast<A>(from) - m)};
  }
  LOTAR_FN Pair<A> operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    const A m = channels.mean[c];
    T d = dy[i];
    if (mask == NormMask::read) dy[i] = d = passes(y[i]) ? d : T(0);
    if (mask == NormMask::computed)
      d = passes(norm_output(x[i], T(0), m, channels.factor(c), channels.beta[c], true)) ? d : T(0);
    return values(d, x[i], m);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return cols % width == 0 && channels.is_aligned() && are_aligned(dy, x, y); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c, m = load_pack<width>(channels.mean + c), factor = channels.template factors<width>(c),
            b = load_pack<width>(channels.beta + c)](std::size_t r) {
      const std::size_t i = r * f.cols + c;
      const auto from = load_pack<width>(f.x + i);
      auto d = load_pack<width>(f.dy + i);
      if (f.mask == NormMask::read) {
        const auto out = load_pack<width>(f.y + i);
        for (std::size_t k = 0; k < width; ++k) d[k] = passes(out[k]) ? d[k] : T(0);
        store_pack(d, f.dy + i);
      }
      if (f.mask == NormMask::computed)
        for (std::size_t k = 0; k < width; ++k)
          d[k] = passes(norm_output(from[k], T(0), m[k], factor[k], b[k], true)) ? d[k] : T(0);
      Pair<Pack<A, width>> sums;
      for (std::size_t k = 0; k < width; ++k) {
        const Pair<A> v = values(d[k], from[k], m[k]);
        sums.first[k] = v.first;
        sums.second[k] = v.second;
      }
      return sums;
    };
  }
};

/// Per tile of rows, the sums of NormGradientValues.
template <class T, class A>
struct NormTileGradients {
  static constexpr unsigned most_threads = 128;
  NormTiles tiles;
  NormGradientValues<T, A> all;
  A *sum, *product;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const auto [number, begin, rows] = tiles.tile(i);
    const std::size_t cols = tiles.cols;
    NormGradientValues<T, A> part = all;
    part.dy += begin * cols;
    part.x += begin * cols;
    if (part.y) part.y += begin * cols;
    block.sum_columns(rows, cols, part, sum + number * cols, product + number * cols);
  }
};

/// The tiles' sums added up, those of products scaled to the normalised input, and added to the gradients of beta and
/// gamma.
template <class A, class M>
struct NormGradients {
  View<const A, 2, M> tile_sum, tile_product;
  View<A, 1, M> sum, product;
  const A* scale;
  A *dgamma, *dbeta;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t channels = sum.extent(0), first = strip * norm_strip, cols = min(norm_strip, channels - first);
    block.sum_columns(tile_sum.extent(0), cols, Columns<A>{tile_sum.data + first, channels}, sum.data + first);
    block.sum_columns(tile_sum.extent(0), cols, Columns<A>{tile_product.data + first, channels}, product.data + first);
    block.for_each(cols, [&](std::size_t k) {
      const std::size_t c = first + k;
      product(c) *= scale[c];
      dbeta[c] += sum(c);
      dgamma[c] += product(c);
    });
  }
};

/// dx = gamma scale (dy - mean(dy) - xhat mean(dy xhat)), for dy before the ReLU
template <class T, class A>
struct NormBackward {
  const T *dy, *x;
  NormChannels<A> channels;
  const A *sum, *product;
  std::size_t cols;
  bool mask;  ///< the ReLU is computed again
  A inverse_rows;
  const A* all_rows;  ///< null: no other process has any
  T* dx;

  LOTAR_FN A inverse() const { return all_rows ? A(1) / *all_rows : inverse_rows; }
  /// @param slope  scale mean(dy xhat)
  LOTAR_FN T value(T d, T from, A m, A factor, A b, A mean_d, A slope) const {
    if (mask && !(static_cast<A>(norm_output(from, T(0), m, factor, b, true)) > A(0))) d = T(0);
    return static_cast<T>(factor * (static_cast<A>(d) - (mean_d + (static_cast<A>(from) - m) * slope)));
  }
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    const A n = inverse();
    dx[i] = value(dy[i], x[i], channels.mean[c], channels.factor(c), channels.beta[c], sum[c] * n,
                  channels.scale[c] * (product[c] * n));
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return channels.is_aligned() && are_aligned(dy, x, sum, product, dx); }
  LOTAR_FN auto columns(std::size_t c) const {
    auto mean_d = load_pack<width>(sum + c), slope = load_pack<width>(product + c);
    const auto scale = load_pack<width>(channels.scale + c);
    const A n = inverse();
    for (std::size_t k = 0; k < width; ++k) {
      mean_d[k] *= n;
      slope[k] = scale[k] * (slope[k] * n);
    }
    return [f = *this, c, m = load_pack<width>(channels.mean + c), factor = channels.template factors<width>(c),
            b = load_pack<width>(channels.beta + c), mean_d, slope](std::size_t r) {
      const std::size_t i = r * f.cols + c;
      const auto d = load_pack<width>(f.dy + i), from = load_pack<width>(f.x + i);
      Pack<T, width> to;
      for (std::size_t k = 0; k < width; ++k)
        to[k] = f.value(d[k], from[k], m[k], factor[k], b[k], mean_d[k], slope[k]);
      store_pack(to, f.dx + i);
    };
  }
};

}  // namespace lotar::detail
