#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <lotar/core/distributed.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {
namespace detail {

/// Rows whose sums one block takes; the blocks' sums are then added in order.
inline constexpr std::size_t norm_tile = 256;

/// Per tile of rows: the mean of each column and the sum of squares about it.
template <class T, class M>
struct NormTileMoments {
  View<const T, 2, M> x;
  View<Accum<T>, 2, M> mean, squares;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t tile) const {
    using A = Accum<T>;
    const std::size_t cols = x.extent(1), first = tile * norm_tile, rows = min(norm_tile, x.extent(0) - first);
    const T* from = x.data + first * cols;
    A* m = &mean(tile, 0);
    block.sum_columns(
        rows, cols, [&](std::size_t r, std::size_t c) { return static_cast<A>(from[r * cols + c]); }, m);
    block.for_each(cols, [&](std::size_t c) { m[c] /= static_cast<A>(rows); });
    block.sum_columns(
        rows, cols,
        [&](std::size_t r, std::size_t c) {
          const A d = static_cast<A>(from[r * cols + c]) - m[c];
          return d * d;
        },
        &squares(tile, 0));
  }
};

/// Columns that one block of the kernels below takes: few, so that each of its threads adds few of thousands of tiles.
inline constexpr std::size_t norm_strip = 32;

/// The moments of parts of the rows: of tiles, or of other processes' rows.
template <class A>
struct NormParts {
  const A *mean, *squares, *counts;  // a row a part, `stride` apart; counts null: tiles of `rows` rows
  std::size_t parts, stride, rows;

  LOTAR_FN A count(std::size_t part) const {
    return counts ? counts[part * stride] : static_cast<A>(min(norm_tile, rows - part * norm_tile));
  }

  /// The moments of all rows in columns [first, first + cols).
  /// @return the number of rows
  template <class Block>
  LOTAR_FN A merge(Block& block, std::size_t first, std::size_t cols, A* m, A* sq) const {
    A n = static_cast<A>(rows);
    if (counts) {
      n = A(0);
      for (std::size_t p = 0; p < parts; ++p) n += count(p);
    }
    block.sum_columns(
        parts, cols, [&](std::size_t p, std::size_t c) { return count(p) * mean[p * stride + first + c]; }, m);
    block.for_each(cols, [&](std::size_t c) { m[c] /= n; });
    block.sum_columns(
        parts, cols,
        [&](std::size_t p, std::size_t c) {
          const A d = mean[p * stride + first + c] - m[c];
          return squares[p * stride + first + c] + count(p) * d * d;
        },
        sq);
    return n;
  }
};

/// The moments of this process' rows, for the others: means, sums of squares, and the number of rows.
template <class A, class M>
struct NormOwnMoments {
  NormParts<A> tiles;
  std::size_t channels;
  View<A, 2, M> out;  // [1, 2 C + 1]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, channels - first);
    const A n = tiles.merge(block, first, cols, out.data + first, out.data + channels + first);
    if (strip == 0 && block.leader()) out.data[2 * channels] = n;
  }
};

/// The moments of all rows from those of the parts; folds them into the running statistics.
template <class A, class M>
struct NormMoments {
  NormParts<A> from;
  A epsilon, momentum;
  View<A, 1, M> mean, scale;  // of the batch, and 1 / its standard deviation
  A *running_mean, *running_var;
  A* count;  // null, or where the number of rows goes
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, mean.extent(0) - first);
    A* m = mean.data + first;
    A* squares = block.template scratch<A>(norm_strip);
    const A n = from.merge(block, first, cols, m, squares);
    block.for_each(cols, [&](std::size_t c) {
      A &mean_then = running_mean[first + c], &var_then = running_var[first + c];
      mean_then += momentum * (m[c] - mean_then);
      var_then += momentum * (squares[c] / (n - A(1)) - var_then);
      scale(first + c) = A(1) / sqrt(squares[c] / n + epsilon);
    });
    if (count && strip == 0 && block.leader()) *count = n;
  }
};

template <class A>
struct NormRunning {
  const A *running_mean, *running_var;
  A epsilon;
  A *mean, *scale;
  LOTAR_FN void operator()(std::size_t c) const {
    mean[c] = running_mean[c];
    scale[c] = A(1) / sqrt(running_var[c] + epsilon);
  }
};

/// y = relu?(gamma (x - mean) scale + beta + residual)
template <class T, class A>
struct NormApply {
  const T *x, *residual;
  const A *mean, *scale, *gamma, *beta;
  std::size_t cols;
  bool relu;
  T* y;

  LOTAR_FN T value(T from, T add, A m, A s, A g, A b) const {
    A v = fma(static_cast<A>(from) - m, s * g, b);
    if (residual) v += static_cast<A>(add);
    return static_cast<T>(relu ? max(v, A(0)) : v);
  }
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    y[i] = value(x[i], residual ? residual[i] : T(0), mean[c], scale[c], gamma[c], beta[c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(x, residual, mean, scale, gamma, beta, y); }
  LOTAR_FN void wide(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    const auto from = load_pack<width>(x + i), add = load_pack<width>((residual ? residual : x) + i);
    const auto m = load_pack<width>(mean + c), s = load_pack<width>(scale + c), g = load_pack<width>(gamma + c),
               b = load_pack<width>(beta + c);
    Pack<T, width> to;
    for (std::size_t k = 0; k < width; ++k) to[k] = value(from[k], add[k], m[k], s[k], g[k], b[k]);
    store_pack(to, y + i);
  }
};

/// d becomes 0 where y is.
template <class T>
struct NormMask {
  const T* y;
  T* d;

  LOTAR_FN static T value(T out, T gradient) { return static_cast<Accum<T>>(out) > Accum<T>(0) ? gradient : T(0); }
  LOTAR_FN void operator()(std::size_t, std::size_t i) const { d[i] = value(y[i], d[i]); }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(y, d); }
  LOTAR_FN void wide(std::size_t, std::size_t i) const {
    const auto out = load_pack<width>(y + i);
    auto gradient = load_pack<width>(d + i);
    for (std::size_t k = 0; k < width; ++k) gradient[k] = value(out[k], gradient[k]);
    store_pack(gradient, d + i);
  }
};

/// dy becomes the gradient before the ReLU; per tile of rows, the sums of it and of it times the normalised input.
template <class T, class M>
struct NormTileGradients {
  View<T, 2, M> dy;
  View<const T, 2, M> x, y;  // y empty without a ReLU
  View<const Accum<T>, 1, M> mean, scale;
  View<Accum<T>, 2, M> sum, product;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t tile) const {
    using A = Accum<T>;
    const std::size_t cols = dy.extent(1), first = tile * norm_tile, rows = min(norm_tile, dy.extent(0) - first);
    T* d = dy.data + first * cols;
    const T* v = x.data + first * cols;
    if (y.data) block.for_each(1, rows * cols, NormMask<T>{y.data + first * cols, d});
    block.sum_columns(
        rows, cols, [&](std::size_t r, std::size_t c) { return static_cast<A>(d[r * cols + c]); }, &sum(tile, 0));
    block.sum_columns(
        rows, cols,
        [&](std::size_t r, std::size_t c) {
          return static_cast<A>(d[r * cols + c]) * (static_cast<A>(v[r * cols + c]) - mean.data[c]) * scale.data[c];
        },
        &product(tile, 0));
  }
};

/// The tiles' sums added up, and added to the gradients of beta and gamma.
template <class A, class M>
struct NormGradients {
  View<const A, 2, M> tile_sum, tile_product;
  View<A, 1, M> sum, product;
  A *dgamma, *dbeta;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, sum.extent(0) - first);
    const std::size_t tiles = tile_sum.extent(0);
    block.sum_columns(
        tiles, cols, [&](std::size_t t, std::size_t c) { return tile_sum(t, first + c); }, sum.data + first);
    block.sum_columns(
        tiles, cols, [&](std::size_t t, std::size_t c) { return tile_product(t, first + c); }, product.data + first);
    block.for_each(cols, [&](std::size_t c) {
      dbeta[first + c] += sum(first + c);
      dgamma[first + c] += product(first + c);
    });
  }
};

/// dx = gamma scale (dy - mean(dy) - xhat mean(dy xhat))
template <class T, class A>
struct NormBackward {
  const T *dy, *x;
  const A *mean, *scale, *gamma, *sum, *product;
  std::size_t cols;
  A inverse_rows;
  const A* all_rows;  // null: no other process has any
  T* dx;

  LOTAR_FN A inverse() const { return all_rows ? A(1) / *all_rows : inverse_rows; }
  LOTAR_FN static T value(T d, T from, A m, A s, A g, A total, A total_product, A inverse) {
    const A xhat = (static_cast<A>(from) - m) * s;
    return static_cast<T>(g * s * (static_cast<A>(d) - (total + xhat * total_product) * inverse));
  }
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    dx[i] = value(dy[i], x[i], mean[c], scale[c], gamma[c], sum[c], product[c], inverse());
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(dy, x, mean, scale, gamma, sum, product, dx); }
  LOTAR_FN void wide(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    const auto d = load_pack<width>(dy + i), from = load_pack<width>(x + i);
    const auto m = load_pack<width>(mean + c), s = load_pack<width>(scale + c), g = load_pack<width>(gamma + c),
               total = load_pack<width>(sum + c), total_product = load_pack<width>(product + c);
    const A n = inverse();
    Pack<T, width> to;
    for (std::size_t k = 0; k < width; ++k)
      to[k] = value(d[k], from[k], m[k], s[k], g[k], total[k], total_product[k], n);
    store_pack(to, dx + i);
  }
};

}  // namespace detail

/// Batch normalisation over the rows of [M, C], with an optional residual added and an optional ReLU in the same pass.
///
/// Statistics are centred tile by tile, so that of a large mean only the rounding of a tile's mean is lost. Variances
/// are biased in the normalisation and unbiased in the running statistics, as PyTorch has them. Where the pass is
/// synchronized they are those of all processes' rows.
///
/// @source Ioffe and Szegedy 2015, arXiv:1502.03167.
class BatchNorm {
 public:
  static constexpr double epsilon = 1e-5, momentum = 0.1;

  /// Declares weight, bias, running_mean and running_var, of `channels` entries each, under `name`.
  /// @throws ConfigError if a name is taken.
  BatchNorm(ParameterTable& table, const std::string& name, std::size_t channels, bool relu)
      : channels_(channels),
        gamma_(table.add(name + ".weight", {channels}, ParameterKind::norm, {Init::Kind::constant, 1})),
        beta_(table.add(name + ".bias", {channels}, ParameterKind::norm, {Init::Kind::constant, 0})),
        running_mean_(table.add_statistic(name + ".running_mean", {channels}, 0)),
        running_var_(table.add_statistic(name + ".running_var", {channels}, 1)),
        relu_(relu) {}

  /// @tparam U        how the pass stores activations; x may be Accum<U>, as a projector's rows are
  /// @param x         [M, C]; when training, M >= 2, or 1 where other processes have rows as well
  /// @param residual  empty, or [M, C]
  /// @return          [M, C]
  /// @throws ShapeError if the shapes differ from these, or the pass's arrays do not reach this layer's entries.
  /// @cost            3 passes over x when training, 1 else; scratch: x / 128
  template <class T, class U, class B>
  Tensor<T, 2, B> forward(B& b, Tensor<T, 2, B> x, Pass<U, B>& pass, const Tensor<T, 2, B>& residual = {}) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    const std::size_t rows = x.extent(0);
    const std::size_t least = !pass.training ? 0 : synchronized(pass) && rank_count(b) > 1 ? 1 : 2;
    if (x.extent(1) != channels_ || rows < least)
      throw ShapeError("BatchNorm: x must be [M, " + std::to_string(channels_) + "]" +
                       (least > 0 ? " with M >= " + std::to_string(least) : "") + ", got " + to_string(x.extents));
    if (residual.data) check_shape("BatchNorm", "residual", x.extents, residual.extents);
    Tensor<A, 1, B> mean(b, {{channels_}}), scale(b, {{channels_}}), count;
    A* const running_mean = pass.statistic(running_mean_, channels_).data;
    A* const running_var = pass.statistic(running_var_, channels_).data;
    if (pass.training) {
      Tensor<A, 2, B> tile_mean(b, {{tiles(rows), channels_}}), tile_squares(b, {{tiles(rows), channels_}});
      b.for_each_block(tiles(rows), tile_work(rows), detail::NormTileMoments<T, M>{x, tile_mean, tile_squares});
      detail::NormParts<A> parts{tile_mean.data, tile_squares.data, nullptr, tiles(rows), channels_, rows};
      Tensor<A, 2, B> moments;
      if constexpr (Distributed<B>) {
        if (pass.synchronized) {
          const Tensor<A, 2, B> own(b, {{1, 2 * channels_ + 1}});
          moments = Tensor<A, 2, B>(b, {{b.ranks(), 2 * channels_ + 1}});
          count = Tensor<A, 1, B>(b, {{1}});
          b.for_each_block(strips(), strip_work<A>(rows), detail::NormOwnMoments<A, M>{parts, channels_, own});
          b.all_gather(own, moments.view());
          const A* const first = moments.data;
          parts = {first, first + channels_, first + 2 * channels_, b.ranks(), moments.extent(1), 0};
        }
      }
      b.for_each_block(strips(), strip_work<A>(rows),
                       detail::NormMoments<A, M>{parts, A(epsilon), A(momentum), mean, scale, running_mean, running_var,
                                                 count.data});
    } else {
      b.for_each(channels_, detail::NormRunning<A>{running_mean, running_var, A(epsilon), mean.data, scale.data});
    }
    Tensor<T, 2, B> y(b, x.extents);
    b.for_each(rows, channels_,
               detail::NormApply<T, A>{x.data, residual.data, mean.data, scale.data, pass.value(gamma_, channels_).data,
                                       pass.value(beta_, channels_).data, channels_, relu_, y.data});
    pass.keep(std::move(x));
    pass.keep(std::move(mean));
    pass.keep(std::move(scale));
    if (synchronized(pass)) pass.keep(std::move(count));
    if (relu_) pass.keep(y.share());
    return y;
  }

  /// @param dy  [M, C]; becomes the gradient of the sum before the ReLU, which is that of the residual
  /// @return    the gradient of x, [M, C]
  /// @throws ShapeError as forward, and if the pass has no gradients; ConfigError without a forward pass before.
  /// @cost      3 passes over dy, 4 with a ReLU, and 2 over x; scratch: x / 128
  template <class T, class U, class B>
  Tensor<T, 2, B> backward(B& b, const Tensor<T, 2, B>& dy, Pass<U, B>& pass) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    Tensor<T, 2, B> y;
    if (relu_) y = pass.tape.template pop<T, 2>();
    Tensor<A, 1, B> count;
    if (synchronized(pass)) count = pass.tape.template pop<A, 1>();
    const Tensor<A, 1, B> scale = pass.tape.template pop<A, 1>(), mean = pass.tape.template pop<A, 1>();
    const Tensor<T, 2, B> x = pass.tape.template pop<T, 2>();
    check_shape("BatchNorm::backward", "dy", x.extents, dy.extents);
    const std::size_t rows = x.extent(0);
    Tensor<A, 2, B> tile_sum(b, {{tiles(rows), channels_}}), tile_product(b, {{tiles(rows), channels_}});
    const Tensor<A, 1, B> sums(b, {{2 * channels_}});
    const auto sum = sums.rows(0, channels_), product = sums.rows(channels_, channels_);
    b.for_each_block(tiles(rows), tile_work(rows),
                     detail::NormTileGradients<T, M>{dy, x, y, mean, scale, tile_sum, tile_product});
    b.for_each_block(
        strips(), strip_work<A>(rows),
        detail::NormGradients<A, M>{tile_sum, tile_product, sum, product, pass.gradient(gamma_, channels_).data,
                                    pass.gradient(beta_, channels_).data});
    if constexpr (Distributed<B>)
      if (pass.synchronized) b.all_reduce(sums.view());
    Tensor<T, 2, B> dx(b, x.extents);
    b.for_each(
        rows, channels_,
        detail::NormBackward<T, A>{dy.data, x.data, mean.data, scale.data, pass.value(gamma_, channels_).data, sum.data,
                                   product.data, channels_, A(1) / static_cast<A>(rows), count.data, dx.data});
    return dx;
  }

 private:
  template <class U, class B>
  static bool synchronized(const Pass<U, B>& pass) {
    return Distributed<B> && pass.training && pass.synchronized;
  }
  static std::size_t tiles(std::size_t rows) { return (rows + detail::norm_tile - 1) / detail::norm_tile; }
  std::size_t strips() const { return (channels_ + detail::norm_strip - 1) / detail::norm_strip; }
  Work tile_work(std::size_t rows) const { return {min(rows, detail::norm_tile) * channels_, 0}; }
  template <class A>
  Work strip_work(std::size_t rows) const {
    return {tiles(rows) * detail::norm_strip, scratch_size<A>(detail::norm_strip)};
  }

  std::size_t channels_, gamma_, beta_, running_mean_, running_var_;
  bool relu_;
};

}  // namespace lotar
