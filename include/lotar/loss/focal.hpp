#pragma once

#include <cmath>
#include <cstddef>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>

namespace lotar {
namespace detail {

/// l becomes f(l), and slope its derivative.
template <class T, class Memory>
struct FocalLoss {
  T gamma;
  View<T, 1, Memory> losses, slopes;

  LOTAR_FN void operator()(std::size_t a) const {
    const T l = losses(a), p = exp(-l), missed = T(1) - p;
    // (1 - p)^gamma; where p rounds to 1 the loss itself stands for 1 - p
    const T rest = missed > T(0) ? missed : max(l, T(0));
    const T factor = rest > T(0) ? exp(gamma * log(rest)) : T(0);
    losses(a) = factor * l;
    slopes(a) = factor * (T(1) + (rest > T(0) ? gamma * p * l / rest : gamma));
  }
};

}  // namespace detail

/// Focal loss: each loss l = -log p becomes (1 - p)^gamma l, so that anchors whose positive is found already count less.
///
/// @param losses  [n] in and out, >= 0, in nats
/// @param gamma   > 0; 2 in the paper
/// @param slopes  [n] out: the derivative of the new loss by the old one, by which coefficients are multiplied
/// @throws ShapeError if the shapes differ, ConfigError unless gamma is finite and > 0.
/// @source Lin et al., Focal loss for dense object detection, ICCV 2017, eq. 4; on NT-Xent as in Zhou et al., Combating
///         representation learning disparity with geometric harmonization, NeurIPS 2023.
template <Backend B, class T>
void focal_losses(B& b, double gamma, Out<T, 1, B> losses, Out<T, 1, B> slopes) {
  check_shape("focal_losses", "slopes", losses.extents, slopes.extents);
  if (!(gamma > 0) || !std::isfinite(gamma))
    throw ConfigError("focal_losses: gamma must be finite and > 0, got " + std::to_string(gamma));
  b.for_each(losses.size(), detail::FocalLoss<T, typename B::Memory>{static_cast<T>(gamma), losses, slopes});
}

}  // namespace lotar
