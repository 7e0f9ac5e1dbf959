#pragma once

#include <cstddef>
#include <utility>

#include <lotar/core/math.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {
namespace detail {

template <class A>
struct ReluForward {
  A* x;
  LOTAR_FN void operator()(std::size_t i) const { x[i] = max(x[i], A(0)); }
};

template <class A>
struct ReluBackward {
  const A* y;
  A* dy;
  LOTAR_FN void operator()(std::size_t i) const { dy[i] = y[i] > A(0) ? dy[i] : A(0); }
};

}  // namespace detail

/// max(x, 0) of rows [N, D], in place; NaN stays.
class Relu {
 public:
  /// @return x, now max(x, 0)
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, Tensor<Accum<T>, 2, B> x, Pass<T, B>& pass) const {
    b.for_each(x.size(), detail::ReluForward<Accum<T>>{x.data});
    pass.keep(x.share());
    return x;
  }

  /// @return dy, now 0 where x was not above 0
  /// @throws ShapeError unless dy is shaped like x.
  template <class T, class B>
  Tensor<Accum<T>, 2, B> backward(B& b, Tensor<Accum<T>, 2, B> dy, Pass<T, B>& pass) const {
    const auto y = pass.tape.template pop<Accum<T>, 2>();
    check_shape("Relu::backward", "dy", y.extents, dy.extents);
    b.for_each(dy.size(), detail::ReluBackward<Accum<T>>{y.data, dy.data});
    return dy;
  }
};

}  // namespace lotar
