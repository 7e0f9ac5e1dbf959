#pragma once

#include <cstddef>
#include <string>
#include <utility>

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

/// Columns that one block of the kernels below takes.
inline constexpr std::size_t norm_strip = 64;

/// The moments of all rows from those of the tiles; folds them into the running statistics.
template <class A, class M>
struct NormMoments {
  View<const A, 2, M> tile_mean, tile_squares;
  std::size_t rows;
  A epsilon, momentum;
  View<A, 1, M> mean, scale;  // of the batch, and 1 / its standard deviation
  A *running_mean, *running_var;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, mean.extent(0) - first);
    const std::size_t tiles = tile_mean.extent(0);
    const auto count = [&](std::size_t t) { return static_cast<A>(min(norm_tile, rows - t * norm_tile)); };
    A* m = mean.data + first;
    A* squares = block.template scratch<A>(norm_strip);
    const A n = static_cast<A>(rows);
    block.sum_columns(
        tiles, cols, [&](std::size_t t, std::size_t c) { return count(t) * tile_mean(t, first + c); }, m);
    block.for_each(cols, [&](std::size_t c) { m[c] /= n; });
    block.sum_columns(
        tiles, cols,
        [&](std::size_t t, std::size_t c) {
          const A d = tile_mean(t, first + c) - m[c];
          return tile_squares(t, first + c) + count(t) * d * d;
        },
        squares);
    block.for_each(cols, [&](std::size_t c) {
      A &mean_then = running_mean[first + c], &var_then = running_var[first + c];
      mean_then += momentum * (m[c] - mean_then);
      var_then += momentum * (squares[c] / (n - A(1)) - var_then);
      scale(first + c) = A(1) / sqrt(squares[c] / n + epsilon);
    });
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
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    A v = fma(static_cast<A>(x[i]) - mean[c], scale[c] * gamma[c], beta[c]);
    if (residual) v += static_cast<A>(residual[i]);
    y[i] = static_cast<T>(relu ? max(v, A(0)) : v);
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
    if (y.data) {
      const T* out = y.data + first * cols;
      block.for_each(rows * cols, [&](std::size_t i) { d[i] = static_cast<A>(out[i]) > A(0) ? d[i] : T(0); });
    }
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
  A rows;
  T* dx;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    const std::size_t i = r * cols + c;
    const A xhat = (static_cast<A>(x[i]) - mean[c]) * scale[c];
    dx[i] = static_cast<T>(gamma[c] * scale[c] * (static_cast<A>(dy[i]) - (sum[c] + xhat * product[c]) / rows));
  }
};

}  // namespace detail

/// Batch normalisation over the rows of [M, C], with an optional residual added and an optional ReLU in the same pass.
///
/// Statistics are centred tile by tile, so that of a large mean only the rounding of a tile's mean is lost. Variances
/// are biased in the normalisation and unbiased in the running statistics, as PyTorch has them.
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
  /// @param x         [M, C]; when training, M >= 2
  /// @param residual  empty, or [M, C]
  /// @return          [M, C]
  /// @throws ShapeError if the shapes differ from these, or the pass's arrays do not reach this layer's entries.
  /// @cost            3 passes over x when training, 1 else; scratch: x / 128
  template <class T, class U, class B>
  Tensor<T, 2, B> forward(B& b, Tensor<T, 2, B> x, Pass<U, B>& pass, const Tensor<T, 2, B>& residual = {}) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    const std::size_t rows = x.extent(0);
    if (x.extent(1) != channels_ || (pass.training && rows < 2))
      throw ShapeError("BatchNorm: x must be [M, " + std::to_string(channels_) + "]" +
                       (pass.training ? " with M >= 2" : "") + ", got " + to_string(x.extents));
    if (residual.data) check_shape("BatchNorm", "residual", x.extents, residual.extents);
    Tensor<A, 1, B> mean(b, {{channels_}}), scale(b, {{channels_}});
    A* const running_mean = pass.statistic(running_mean_, channels_).data;
    A* const running_var = pass.statistic(running_var_, channels_).data;
    if (pass.training) {
      Tensor<A, 2, B> tile_mean(b, {{tiles(rows), channels_}}), tile_squares(b, {{tiles(rows), channels_}});
      b.for_each_block(tiles(rows), tile_work(rows), detail::NormTileMoments<T, M>{x, tile_mean, tile_squares});
      b.for_each_block(strips(), strip_work<A>(rows),
                       detail::NormMoments<A, M>{tile_mean, tile_squares, rows, A(epsilon), A(momentum), mean, scale,
                                                 running_mean, running_var});
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
    const Tensor<A, 1, B> scale = pass.tape.template pop<A, 1>(), mean = pass.tape.template pop<A, 1>();
    const Tensor<T, 2, B> x = pass.tape.template pop<T, 2>();
    check_shape("BatchNorm::backward", "dy", x.extents, dy.extents);
    const std::size_t rows = x.extent(0);
    Tensor<A, 2, B> tile_sum(b, {{tiles(rows), channels_}}), tile_product(b, {{tiles(rows), channels_}});
    Tensor<A, 1, B> sum(b, {{channels_}}), product(b, {{channels_}});
    b.for_each_block(tiles(rows), tile_work(rows),
                     detail::NormTileGradients<T, M>{dy, x, y, mean, scale, tile_sum, tile_product});
    b.for_each_block(
        strips(), strip_work<A>(rows),
        detail::NormGradients<A, M>{tile_sum, tile_product, sum, product, pass.gradient(gamma_, channels_).data,
                                    pass.gradient(beta_, channels_).data});
    Tensor<T, 2, B> dx(b, x.extents);
    b.for_each(rows, channels_,
               detail::NormBackward<T, A>{dy.data, x.data, mean.data, scale.data, pass.value(gamma_, channels_).data,
                                          sum.data, product.data, channels_, static_cast<A>(rows), dx.data});
    return dx;
  }

 private:
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
