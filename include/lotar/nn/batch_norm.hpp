#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <lotar/core/backend.hpp>
#include <lotar/core/distributed.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/nn/batch_norm/apply.hpp>
#include <lotar/nn/batch_norm/moments.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {

/// Batch normalisation over the rows of [M, C], with an optional residual added and an optional ReLU in the same pass.
///
/// Statistics are of values less the first of their tile of rows, and merged tile by tile, so that of a large mean only
/// the rounding of a tile's mean is lost (see take_moments). Variances are biased in the normalisation and unbiased in
/// the running statistics, as PyTorch has them. Where the pass is synchronized they are those of all processes' rows.
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

  bool relu() const { return relu_; }

  /// @tparam U        how the pass stores activations; x may be Accum<U>, as a projector's rows are
  /// @param x         [M, C]; when training, M >= 2, or 1 where other processes have rows as well
  /// @param residual  empty, or [M, C]
  /// @param moments   empty, or those of x, which are then not taken again; read when training
  /// @return          [M, C]
  /// @throws ShapeError if the shapes differ from these, or the pass's arrays do not reach this layer's entries.
  /// @cost            2 passes over x when training without moments, else 1; writes the result; scratch: as backward
  template <class T, class U, class B>
  Tensor<T, 2, B> forward(B& b, Tensor<T, 2, B> x, Pass<U, B>& pass, const Tensor<T, 2, B>& residual = {},
                          const ColumnMoments<Accum<T>, typename B::Memory>& moments = {}) const {
    check_input(b, x, pass);
    if (residual.data) check_shape("BatchNorm", "residual", x.extents, residual.extents);
    Batch<Accum<T>, B> batch = statistics(b, x, pass, moments);
    Tensor<T, 2, B> y(b, x.extents);
    detail::NormApply<T, Accum<T>> apply{x.data, residual.data, known(pass, batch.mean, batch.scale), channels_, relu_,
                                         y.data, nullptr};
    MaskBytes<B> relu_mask;
    if constexpr (RunsPacks<B>)
      if (relu_ && residual.data && pass.training && is_wide(channels_, apply)) {
        relu_mask = MaskBytes<B>(b, {{y.size() / detail::ReluMask<T>::width}});
        apply.relu_mask = relu_mask.data;
      }
    b.for_each(x.extent(0), channels_, apply);
    const bool read = residual.data && !relu_mask.data;
    keep(pass, std::move(x), std::move(batch), read ? y.share() : Tensor<T, 2, B>(), std::move(relu_mask));
    return y;
  }

  /// The forward pass of a norm with a ReLU, but for the result, which whoever reads it computes from x.
  /// @return  [3, C], the norm of that ConvInput
  /// @throws  ShapeError as forward; ConfigError without a ReLU.
  /// @cost    as forward, less the pass that writes the result
  template <class T, class U, class B>
  Tensor<Accum<T>, 2, B> forward_on_load(B& b, Tensor<T, 2, B> x, Pass<U, B>& pass,
                                         const ColumnMoments<Accum<T>, typename B::Memory>& moments = {}) const {
    if (!relu_) throw ConfigError("BatchNorm::forward_on_load: wanted a norm with a ReLU, got one without");
    check_input(b, x, pass);
    Batch<Accum<T>, B> batch = statistics(b, x, pass, moments);
    Tensor<Accum<T>, 2, B> norm(b, {{3, channels_}});
    b.for_each(channels_,
               detail::NormCoefficients<Accum<T>>{known(pass, batch.mean, batch.scale), channels_, norm.data});
    keep(pass, std::move(x), std::move(batch), Tensor<T, 2, B>(), MaskBytes<B>());
    return norm;
  }

  /// @param dy  [M, C]; with a residual, becomes the gradient of the sum before the ReLU, which is the residual's
  /// @param pass  with the values of the forward pass: by them the ReLU is computed again
  /// @param sums  empty; or, for a norm with a ReLU and no residual, the NormSums of dy, which are then not taken
  /// @return    the gradient of x, [M, C]
  /// @throws ShapeError as forward, and if the pass has no gradients; ConfigError without a forward pass before, and
  ///            for sums of another norm.
  /// @cost      2 passes over dy and 2 over x, with sums 1 and 1; with a residual before a ReLU, one more over dy and
  ///            the result or a bit of each of its values; writes dx; scratch: without sums 2 values of Accum<T> for
  ///            each channel of a tile of 16 to 512 rows
  template <class T, class U, class B>
  Tensor<T, 2, B> backward(B& b, const Tensor<T, 2, B>& dy, Pass<U, B>& pass,
                           const NormSums<Accum<T>, typename B::Memory>& sums = {}) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    MaskBytes<B> relu_mask;
    Tensor<T, 2, B> y;
    if (relu_) {
      relu_mask = pass.tape.template pop<std::uint8_t, 1>();
      y = pass.tape.template pop<T, 2>();
    }
    Tensor<A, 1, B> count;
    if (synchronized(pass)) count = pass.tape.template pop<A, 1>();
    const Tensor<A, 1, B> scale = pass.tape.template pop<A, 1>(), mean = pass.tape.template pop<A, 1>();
    const Tensor<T, 2, B> x = pass.tape.template pop<T, 2>();
    check_shape("BatchNorm::backward", "dy", x.extents, dy.extents);
    const std::size_t rows = x.extent(0);
    const detail::NormMask mask = relu_mask.data ? detail::NormMask::bits
                                  : y.data       ? detail::NormMask::read
                                  : relu_        ? detail::NormMask::computed
                                                 : detail::NormMask::none;
    const detail::NormChannels<A> channels = known(pass, mean, scale);
    Tensor<A, 2, B> tile_sum, tile_product;
    NormSums<A, M> parts = sums;
    if (sums.sum.size() > 0 || sums.product.size() > 0) {
      if (mask != detail::NormMask::computed)
        throw ConfigError(
            std::string("BatchNorm::backward: wanted sums of a norm with a ReLU and no residual, got one ") +
            (relu_ ? "with a residual" : "without a ReLU"));
      const Extents<2> wanted{{sums.sum.extent(0), channels_}};
      check_shape("BatchNorm::backward", "sums.sum", wanted, sums.sum.extents);
      check_shape("BatchNorm::backward", "sums.product", wanted, sums.product.extents);
    } else {
      const detail::NormTiles tiles(rows, channels_);
      tile_sum = Tensor<A, 2, B>(b, {{tiles.count, channels_}});
      tile_product = Tensor<A, 2, B>(b, {{tiles.count, channels_}});
      parts = {tile_sum.view(), tile_product.view()};
      const auto sum_tiles = [&]<detail::NormMask how>() {
        if (how == mask)
          b.for_each_block(
              tiles.count, tiles.work(),
              detail::NormTileGradients<T, A, how>{tiles,
                                                   {dy.data, x.data, y.data, relu_mask.data, channels, channels_},
                                                   tile_sum.data,
                                                   tile_product.data});
      };
      sum_tiles.template operator()<detail::NormMask::none>();
      sum_tiles.template operator()<detail::NormMask::computed>();
      sum_tiles.template operator()<detail::NormMask::read>();
      if constexpr (RunsPacks<B>) sum_tiles.template operator()<detail::NormMask::bits>();
    }
    const Tensor<A, 1, B> common(b, {{2 * channels_}});
    const auto mean_d = common.rows(0, channels_), slope = common.rows(channels_, channels_);
    b.for_each_block(
        strips(), detail::norm_strip_work<A>(parts.sum.extent(0)),
        detail::NormGradients<A, M>{parts, mean_d, slope, scale.data, A(1) / static_cast<A>(rows), count.data,
                                    pass.gradient(gamma_, channels_).data, pass.gradient(beta_, channels_).data});
    if constexpr (Distributed<B>)
      if (pass.synchronized) b.all_reduce(common.view());
    Tensor<T, 2, B> dx(b, x.extents);
    const auto finish = [&]<bool masked>() {
      b.for_each(
          rows, channels_,
          detail::NormBackward<T, A, masked>{dy.data, x.data, channels, mean_d.data, slope.data, channels_, dx.data});
    };
    if (mask == detail::NormMask::computed)
      finish.template operator()<true>();
    else
      finish.template operator()<false>();
    return dx;
  }

 private:
  /// A detail::ReluMask, or empty.
  template <class B>
  using MaskBytes = Tensor<std::uint8_t, 1, B>;
  /// What a batch is normalized by, [C] each; count [1] only where the pass is synchronized.
  template <class A, class B>
  struct Batch {
    Tensor<A, 1, B> mean, scale, count;
  };

  template <class T, class U, class B>
  void check_input(B& b, const Tensor<T, 2, B>& x, const Pass<U, B>& pass) const {
    const std::size_t least = !pass.training ? 0 : synchronized(pass) && rank_count(b) > 1 ? 1 : 2;
    if (x.extent(1) != channels_ || x.extent(0) < least)
      throw ShapeError("BatchNorm: x must be [M, " + std::to_string(channels_) + "]" +
                       (least > 0 ? " with M >= " + std::to_string(least) : "") + ", got " + to_string(x.extents));
  }

  /// Those of x, which the running ones then follow; in evaluation the running ones.
  template <class T, class U, class B>
  Batch<Accum<T>, B> statistics(B& b, const Tensor<T, 2, B>& x, const Pass<U, B>& pass,
                                const ColumnMoments<Accum<T>, typename B::Memory>& moments) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    const std::size_t rows = x.extent(0);
    const bool given = moments.counts.size() > 0;
    if (given) {
      const Extents<2> parts{{moments.counts.size(), channels_}};
      check_shape("BatchNorm", "moments.mean", parts, moments.mean.extents);
      check_shape("BatchNorm", "moments.squares", parts, moments.squares.extents);
    }
    Batch<A, B> batch{{b, {{channels_}}}, {b, {{channels_}}}, {}};
    A* const running_mean = pass.statistic(running_mean_, channels_).data;
    A* const running_var = pass.statistic(running_var_, channels_).data;
    if (pass.training) {
      detail::NormStatistics<A, B> tiles;
      if (!given) tiles = detail::NormStatistics<A, B>(b, View<const T, 2, M>(x));
      detail::NormParts<A> parts = given ? detail::NormParts<A>::of(moments, rows) : tiles.parts;
      Tensor<A, 2, B> all;
      if constexpr (Distributed<B>) {
        if (pass.synchronized) {
          const Tensor<A, 2, B> own(b, {{1, 2 * channels_ + 1}});
          all = Tensor<A, 2, B>(b, {{b.ranks(), 2 * channels_ + 1}});
          batch.count = Tensor<A, 1, B>(b, {{1}});
          b.for_each_block(strips(), detail::norm_strip_work<A>(parts.parts),
                           detail::NormOwnMoments<A, M>{parts, channels_, own});
          b.all_gather(own, all.view());
          const A* const first = all.data;
          parts = {first, first + channels_, first + 2 * channels_, b.ranks(), all.extent(1), all.extent(1), 0, 0};
        }
      }
      b.for_each_block(strips(), detail::norm_strip_work<A>(parts.parts),
                       detail::NormMoments<A, M>{parts, A(epsilon), A(momentum), batch.mean, batch.scale, running_mean,
                                                 running_var, batch.count.data});
    } else {
      b.for_each(channels_,
                 detail::NormRunning<A>{running_mean, running_var, A(epsilon), batch.mean.data, batch.scale.data});
    }
    return batch;
  }

  /// For backward, which pops in the opposite order; of y and its mask at most one is not empty.
  template <class T, class U, class A, class B>
  void keep(Pass<U, B>& pass, Tensor<T, 2, B> x, Batch<A, B> batch, Tensor<T, 2, B> y, MaskBytes<B> relu_mask) const {
    pass.keep(std::move(x));
    pass.keep(std::move(batch.mean));
    pass.keep(std::move(batch.scale));
    if (synchronized(pass)) pass.keep(std::move(batch.count));
    if (!relu_) return;
    pass.keep(std::move(y));
    pass.keep(std::move(relu_mask));
  }

  template <class U, class B>
  static bool synchronized(const Pass<U, B>& pass) {
    return Distributed<B> && pass.training && pass.synchronized;
  }
  template <class U, class A, class B>
  detail::NormChannels<A> known(const Pass<U, B>& pass, const Tensor<A, 1, B>& mean,
                                const Tensor<A, 1, B>& scale) const {
    return {mean.data, scale.data, pass.value(gamma_, channels_).data, pass.value(beta_, channels_).data};
  }
  std::size_t strips() const { return detail::norm_strips(channels_); }

  std::size_t channels_, gamma_, beta_, running_mean_, running_var_;
  bool relu_;
};

}  // namespace lotar
