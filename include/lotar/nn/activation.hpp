#pragma once

#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/tensor.hpp>

namespace lotar {

/// An activation x [N, H, W, C]; with a norm, one that the convolution which reads it still has to normalize: see
/// ConvInput.
template <class T, class B>
struct Activation {
  Tensor<T, 4, B> x;
  Tensor<Accum<T>, 2, B> norm = {};  ///< empty, or [3, C]

  /// What the backend's convolutions read.
  /// @throws ConfigError if there is a norm and the backend is no ConvInputBackend.
  auto input() const {
    if constexpr (ConvInputBackend<B>) {
      return ConvInput<T, typename B::Memory>(x, norm);
    } else {
      if (norm.data) throw ConfigError(std::string("Activation: ") + B::name + " does not normalize what it reads");
      return View<const T, 4, typename B::Memory>(x);
    }
  }
};

/// The gradient of an Activation, once that is normalized; and, where they were taken with it, its NormSums, which hold
/// as long as it does not change.
template <class T, class B>
struct ActivationGradient {
  Tensor<T, 4, B> d;                              ///< [N, H, W, C]
  Tensor<Accum<T>, 2, B> sum = {}, product = {};  ///< empty, or [parts, C]

  NormSums<Accum<T>, typename B::Memory> sums() const { return {sum.view(), product.view()}; }
};

}  // namespace lotar
