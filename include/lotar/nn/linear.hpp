#pragma once

#include <cmath>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/parameters.hpp>
#include <lotar/nn/pass.hpp>
#include <lotar/ops/add_column_sums.hpp>

namespace lotar {
namespace detail {

template <class A>
struct BroadcastRow {
  const A* row;
  std::size_t cols;
  A* y;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const { y[r * cols + c] = row[c]; }
};

}  // namespace detail

/// A fully connected layer, y = x W^T + bias, computed in Accum<T>: x [N, in], W [out, in], y [N, out].
class Linear {
 public:
  /// Declares `name`.weight and, where asked for, `name`.bias: uniform within 1 / sqrt(in), PyTorch's default.
  /// @throws ConfigError if a width is 0.
  Linear(ParameterTable& table, const std::string& name, std::size_t in, std::size_t out, bool bias = true)
      : in_(in), out_(out), has_bias_(bias) {
    if (in == 0 || out == 0)
      throw ConfigError("Linear: in and out must be >= 1, got " + std::to_string(in) + " and " + std::to_string(out));
    const Init init{Init::Kind::uniform, 1 / std::sqrt(static_cast<double>(in))};
    weight_ = table.add(name + ".weight", {out, in}, ParameterKind::linear, init);
    if (bias) bias_ = table.add(name + ".bias", {out}, ParameterKind::bias, init);
  }

  std::size_t in() const { return in_; }
  std::size_t out() const { return out_; }

  /// @throws ShapeError unless x is [N, in] and the pass's values reach this layer's.
  /// @cost 2 N in out flops.
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, Tensor<Accum<T>, 2, B> x, Pass<T, B>& pass) const {
    using A = Accum<T>;
    check_shape("Linear", "x", {{x.extent(0), in_}}, x.extents);
    Tensor<A, 2, B> y(b, {{x.extent(0), out_}});
    if (has_bias_) b.for_each(y.extent(0), out_, detail::BroadcastRow<A>{pass.value(bias_, out_).data, out_, y.data});
    b.gemm(Op::none, Op::transpose, 1, x, weight(pass), has_bias_ ? 1 : 0, y);
    pass.keep(std::move(x));
    return y;
  }

  /// @param dy  [N, out]
  /// @return    the gradient of x, [N, in]
  /// @throws ShapeError if dy has another shape or the pass no gradients, ConfigError without a forward pass before.
  /// @cost      4 N in out flops
  template <class T, class B>
  Tensor<Accum<T>, 2, B> backward(B& b, const Tensor<Accum<T>, 2, B>& dy, Pass<T, B>& pass) const {
    using A = Accum<T>;
    using M = typename B::Memory;
    const Tensor<A, 2, B> x = pass.tape.template pop<A, 2>();
    check_shape("Linear::backward", "dy", {{x.extent(0), out_}}, dy.extents);
    if (has_bias_) add_column_sums<B, A>(b, dy, pass.gradient(bias_, out_));
    const View<A, 2, M> gradient = pass.gradient(weight_, out_ * in_).reshape(Extents<2>{out_, in_});
    b.gemm(Op::transpose, Op::none, 1, dy, x, 1, gradient);
    Tensor<A, 2, B> dx(b, x.extents);
    b.gemm(Op::none, Op::none, 1, dy, weight(pass), 0, dx);
    return dx;
  }

 private:
  template <class T, class B>
  View<const Accum<T>, 2, typename B::Memory> weight(const Pass<T, B>& pass) const {
    return pass.value(weight_, out_ * in_).reshape(Extents<2>{out_, in_});
  }

  std::size_t in_, out_, weight_ = 0, bias_ = 0;
  bool has_bias_;
};

}  // namespace lotar
