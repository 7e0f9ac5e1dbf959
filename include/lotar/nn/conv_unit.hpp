#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>

#include <lotar/core/parameters.hpp>
#include <lotar/nn/batch_norm.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {

/// An activation x [N, H, W, C]; with channels, one that the convolution which reads it still has to normalize: see
/// ConvInput. Only a ConvInputBackend is given channels.
template <class T, class B>
struct Activation {
  Tensor<T, 4, B> x;
  Tensor<Accum<T>, 2, B> channels = {};  ///< empty, or [3, C]

  /// What the backend's convolutions read.
  auto input() const {
    if constexpr (ConvInputBackend<B>)
      return ConvInput<T, typename B::Memory>(x, channels);
    else
      return View<const T, 4, typename B::Memory>(x);
  }
};

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
  ///                  when training, or if the pass's arrays do not reach this unit's entries.
  /// @cost            2 N P Q K R S C flops and 3 passes over the result, 2 where the backend takes its moments when it
  ///                  convolves
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Activation<T, B> x, Pass<T, B>& pass, Tensor<T, 4, B> residual = {}) const {
    const Extents<4> out = conv2d_output(x.x.extents, filter_extents_, conv_);
    const Extents<2> rows{{out[0] * out[1] * out[2], out[3]}};
    Tensor<T, 4, B> y(b, out);
    const auto moments = convolve(b, x, pass, y);
    keep(pass, std::move(x));
    Tensor<T, 2, B> added;
    if (residual.data) {
      check_shape("ConvUnit", "residual", out, residual.extents);
      added = std::move(residual).reshaped(rows);
    }
    return norm_.forward(b, std::move(y).reshaped(rows), pass, added, moments.view()).reshaped(out);
  }
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass, Tensor<T, 4, B> residual = {}) const {
    return forward(b, Activation<T, B>{std::move(x)}, pass, std::move(residual));
  }

  /// The forward pass of a unit with a ReLU whose result only another unit reads, and normalizes as it reads it if the
  /// backend can do so. @throws as forward; ConfigError without a ReLU.
  template <class T, class B>
  Activation<T, B> forward_on_load(B& b, Activation<T, B> x, Pass<T, B>& pass) const {
    if constexpr (ConvInputBackend<B>) {
      Tensor<T, 4, B> y(b, conv2d_output(x.x.extents, filter_extents_, conv_));
      const Extents<2> rows{{y.extent(0) * y.extent(1) * y.extent(2), y.extent(3)}};
      const auto moments = convolve(b, x, pass, y);
      keep(pass, std::move(x));
      auto channels = norm_.forward_on_load(b, y.share().reshaped(rows), pass, moments.view());
      return {std::move(y), std::move(channels)};
    } else {
      return {forward(b, std::move(x), pass)};
    }
  }

  /// @param dy      the gradient of the result; becomes that of the residual
  /// @param add_to  empty, or a gradient of x to which this one is added
  /// @return        the gradient of x, [N, H, W, C]
  /// @throws ShapeError if dy is not shaped like the result, or the pass has no gradients; ConfigError without a
  ///                forward pass before.
  /// @cost          4 N P Q K R S C flops and 3 passes over dy
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass, Tensor<T, 4, B> add_to = {}) const {
    Extents<4> in;
    const Tensor<T, 4, B> d = backward_filter(b, dy, pass, in);
    const double beta = add_to.data ? 1 : 0;
    Tensor<T, 4, B> dx = add_to.data ? std::move(add_to) : Tensor<T, 4, B>(b, in);
    b.conv2d_backward_data(d, filter(pass), conv_, beta, dx);
    return dx;
  }

  /// The backward pass of a network's first unit, whose input needs no gradient: half the flops of backward.
  template <class T, class B>
  void backward_first(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass) const {
    Extents<4> in;
    backward_filter(b, dy, pass, in);
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

  /// y = the convolution of x, and for training its moments, if the backend takes them with it.
  template <class T, class B>
  Moments<Accum<T>, B> convolve(B& b, const Activation<T, B>& x, const Pass<T, B>& pass,
                                const Tensor<T, 4, B>& y) const {
    if constexpr (ConvMomentsBackend<B>) {
      const std::size_t parts = pass.training ? b.conv2d_moment_parts(x.x, filter(pass), conv_, y.view()) : 0;
      if (parts > 0) {
        Moments<Accum<T>, B> moments(b, parts, y.extent(3));
        b.conv2d_forward(x.input(), filter(pass), conv_, y.view(), moments.view());
        return moments;
      }
    }
    b.conv2d_forward(x.input(), filter(pass), conv_, y.view());
    return {};
  }

  template <class T, class B>
  static void keep(Pass<T, B>& pass, Activation<T, B> x) {
    pass.keep(std::move(x.x));
    pass.keep(std::move(x.channels));
  }

  /// Back through the norm and into the filter; gives the gradient of the convolution's output, and its input's extents.
  template <class T, class B>
  Tensor<T, 4, B> backward_filter(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass, Extents<4>& in) const {
    const Extents<2> rows{{dy.extent(0) * dy.extent(1) * dy.extent(2), dy.extent(3)}};
    Tensor<T, 4, B> d = norm_.backward(b, dy.share().reshaped(rows), pass).reshaped(dy.extents);
    Activation<T, B> x;
    x.channels = pass.tape.template pop<Accum<T>, 2>();
    x.x = pass.tape.template pop<T, 4>();
    in = x.x.extents;
    const auto gradient = pass.gradient(filter_, filter_extents_.size()).reshape(filter_extents_);
    b.conv2d_backward_filter(x.input(), d, conv_, 1, gradient);
    return d;
  }

  Conv2d conv_;
  Extents<4> filter_extents_;
  std::size_t filter_;
  BatchNorm norm_;
};

}  // namespace lotar
