#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include <lotar/core/parameters.hpp>
#include <lotar/nn/activation.hpp>
#include <lotar/nn/batch_norm.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {

/// Convolution without bias, batch normalisation, an optional residual, an optional ReLU: the unit of the networks, and
/// the place where their fusion belongs.
class ConvUnit {
 public:
  struct Options {
    std::size_t in, out, kernel;  ///< channels, channels, edge of the filter
    Conv2d conv;
    bool relu = true;
  };

  /// Declares `conv_name`.weight, Kaiming normal by fan_out (He et al. 2015, arXiv:1502.01852), and the norm's entries.
  /// @throws ConfigError if a number of channels, the kernel or the stride is 0.
  ConvUnit(ParameterTable& table, const std::string& conv_name, const std::string& norm_name, const Options& options)
      : conv_(options.conv),
        filter_extents_{{options.out, options.kernel, options.kernel, options.in}},
        filter_(table.add(
            conv_name + ".weight", {options.out, options.kernel, options.kernel, options.in}, ParameterKind::conv,
            {Init::Kind::normal, std::sqrt(2.0 / static_cast<double>(options.out * options.kernel * options.kernel))})),
        norm_(table, norm_name, options.out, options.relu) {
    if (options.in == 0 || options.out == 0 || options.kernel == 0 || options.conv.stride == 0)
      throw ConfigError("ConvUnit: channels, kernel and stride must be >= 1, got " + std::to_string(options.in) + ", " +
                        std::to_string(options.out) + ", " + std::to_string(options.kernel) + " and " +
                        std::to_string(options.conv.stride));
  }

  /// @param x         [N, H, W, C]
  /// @param residual  empty, or shaped like the result
  /// @return          [N, P, Q, K]
  /// @throws ShapeError if x does not fit the filter or the residual the result, if there are fewer than 2 pixels N P Q
  ///                  when training (or none, where other processes have some), or if the pass's arrays do not reach
  ///                  this unit's entries.
  /// @cost            2 N P Q K R S C flops and 3 passes over the result, 2 where the backend takes its moments when it
  ///                  convolves
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Activation<T, B> x, Pass<T, B>& pass, Tensor<T, 4, B> residual = {}) const {
    auto [y, moments] = convolve(b, std::move(x), pass);
    const Extents<4> out = y.extents;
    Tensor<T, 2, B> added;
    if (residual.data) {
      check_shape("ConvUnit", "residual", out, residual.extents);
      added = std::move(residual).reshaped(pixels(out));
    }
    return norm_.forward(b, std::move(y).reshaped(pixels(out)), pass, added, moments.view()).reshaped(out);
  }
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass, Tensor<T, 4, B> residual = {}) const {
    return forward(b, Activation<T, B>{std::move(x)}, pass, std::move(residual));
  }

  /// The forward pass of a unit with a ReLU whose result only another unit reads.
  /// @param reader  the other, of the same pass
  /// @return what the reader normalizes as it reads it, if the backend does so there; else as forward
  /// @throws as forward, ShapeError if the reader does not fit, and ConfigError without a ReLU.
  /// @cost   as forward, less two passes over the result where it is not normalized here
  template <class T, class B>
  Activation<T, B> forward_on_load(B& b, Activation<T, B> x, Pass<T, B>& pass, const ConvUnit& reader) const {
    if (!norm_.relu()) throw ConfigError("ConvUnit::forward_on_load: wanted a unit with a ReLU, got one without");
    const Extents<4> out = conv2d_output(x.x.extents, filter_extents_, conv_);
    conv2d_output(out, reader.filter_extents_, reader.conv_);  // refuses a reader that does not fit
    if constexpr (ConvInputBackend<B>)
      if (b.conv2d_normalizes(out, reader.filter(pass), reader.conv_)) {
        auto [y, moments] = convolve(b, std::move(x), pass);
        auto norm = norm_.forward_on_load(b, y.share().reshaped(pixels(y.extents)), pass, moments.view());
        return {std::move(y), std::move(norm)};
      }
    return {forward(b, std::move(x), pass)};
  }

  /// @param dy      the gradient of the result; becomes that of the residual
  /// @param add_to  empty, or a gradient of x to which this one is added
  /// @return        the gradient of x, [N, H, W, C]
  /// @throws ShapeError if dy is not shaped like the result, or the pass has no gradients; ConfigError without a
  ///                forward pass before, and as BatchNorm::backward for dy's sums.
  /// @cost          4 N P Q K R S C flops and 3 passes over dy, 2 if that has sums
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, const ActivationGradient<T, B>& dy, Pass<T, B>& pass,
                           Tensor<T, 4, B> add_to = {}) const {
    auto [d, x] = backward_filter(b, dy, pass);
    const Extents<4> in = x.x.extents;
    x = {};
    const double beta = add_to.data ? 1 : 0;
    Tensor<T, 4, B> dx = add_to.data ? std::move(add_to) : Tensor<T, 4, B>(b, in);
    b.conv2d_backward_data(d, filter(pass), conv_, beta, dx);
    return dx;
  }
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass, Tensor<T, 4, B> add_to = {}) const {
    return backward(b, ActivationGradient<T, B>{dy.share()}, pass, std::move(add_to));
  }

  /// The backward pass of a unit that read another's forward_on_load.
  /// @param dy  as backward's
  /// @return    the gradient of x; with its NormSums, for the other's backward pass, where x is normalized when it is
  ///            read and the backend takes them
  /// @throws    as backward
  /// @cost      as backward
  template <class T, class B>
  ActivationGradient<T, B> backward_on_load(B& b, const ActivationGradient<T, B>& dy, Pass<T, B>& pass) const {
    auto [d, x] = backward_filter(b, dy, pass);
    const Extents<4> in = x.x.extents;
    if (!x.norm.data) x = {};
    ActivationGradient<T, B> dx{Tensor<T, 4, B>(b, in)};
    if constexpr (ConvNormSumsBackend<B>) {
      const std::size_t parts =
          x.norm.data ? b.conv2d_norm_sum_parts(d, filter(pass), x.input(), conv_, dx.d.view()) : 0;
      if (parts > 0) {
        dx.sum = Tensor<Accum<T>, 2, B>(b, {{parts, in[3]}});
        dx.product = Tensor<Accum<T>, 2, B>(b, {{parts, in[3]}});
        b.conv2d_backward_data(d, filter(pass), x.input(), conv_, dx.d.view(), dx.sums());
        return dx;
      }
    }
    b.conv2d_backward_data(d, filter(pass), conv_, 0, dx.d);
    return dx;
  }

  /// The backward pass of a network's first unit, whose input needs no gradient: half the flops of backward.
  template <class T, class B>
  void backward_first(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass) const {
    backward_filter(b, ActivationGradient<T, B>{dy.share()}, pass);
  }

 private:
  /// Those of a convolution's result, where a backend takes them.
  template <class A, class B>
  struct Moments {
    Tensor<A, 2, B> mean, squares;
    Tensor<A, 1, B> counts;
    Moments() = default;
    Moments(B& b, std::size_t parts, std::size_t cols)
        : mean(b, {{parts, cols}}), squares(b, {{parts, cols}}), counts(b, {{parts}}) {}
    ColumnMoments<A, typename B::Memory> view() const { return {mean.view(), squares.view(), counts.view()}; }
  };

  template <class T, class B>
  View<const T, 4, typename B::Memory> filter(const Pass<T, B>& pass) const {
    return pass.filter(filter_, filter_extents_.size()).reshape(filter_extents_);
  }
  static Extents<2> pixels(const Extents<4>& e) { return {{e[0] * e[1] * e[2], e[3]}}; }

  /// The convolution of x, which is kept; and for training its moments, if the backend takes them with it.
  template <class T, class B>
  std::pair<Tensor<T, 4, B>, Moments<Accum<T>, B>> convolve(B& b, Activation<T, B> x, Pass<T, B>& pass) const {
    Tensor<T, 4, B> y(b, conv2d_output(x.x.extents, filter_extents_, conv_));
    Moments<Accum<T>, B> moments;
    if constexpr (ConvMomentsBackend<B>) {
      const std::size_t parts = pass.training ? b.conv2d_moment_parts(x.x, filter(pass), conv_, y.view()) : 0;
      if (parts > 0) {
        moments = {b, parts, y.extent(3)};
        b.conv2d_forward(x.input(), filter(pass), conv_, y.view(), moments.view());
      }
    }
    if (moments.counts.size() == 0) b.conv2d_forward(x.input(), filter(pass), conv_, y.view());
    pass.keep(std::move(x.x));
    pass.keep(std::move(x.norm));
    return {std::move(y), std::move(moments)};
  }

  /// Back through the norm and into the filter.
  /// @return the gradient of the convolution's output, and its input
  template <class T, class B>
  std::pair<Tensor<T, 4, B>, Activation<T, B>> backward_filter(B& b, const ActivationGradient<T, B>& dy,
                                                               Pass<T, B>& pass) const {
    const Extents<4>& out = dy.d.extents;
    Tensor<T, 4, B> d = norm_.backward(b, dy.d.share().reshaped(pixels(out)), pass, dy.sums()).reshaped(out);
    Activation<T, B> x;
    x.norm = pass.tape.template pop<Accum<T>, 2>();
    x.x = pass.tape.template pop<T, 4>();
    const auto gradient = pass.gradient(filter_, filter_extents_.size()).reshape(filter_extents_);
    b.conv2d_backward_filter(x.input(), d, conv_, 1, gradient);
    return {std::move(d), std::move(x)};
  }

  Conv2d conv_;
  Extents<4> filter_extents_;
  std::size_t filter_;
  BatchNorm norm_;
};

}  // namespace lotar
