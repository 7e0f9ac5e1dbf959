#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/math.hpp>

namespace lotar {
namespace detail {

/// l becomes f(l), and slope its derivative.
template <class T, class Memory>
struct FocalLoss {
  T gamma;
  View<T, 1, Memory> losses, slopes;

  LOTAR_FN void operator()(std::size_t a) const {
    const T l = losses(a), p = exp(-l);
    // 1 - p, by its series where the difference would lose digits; its last term is below 1e-10 of it
    const T series = l * (1 - l / 2 * (1 - l / 3 * (1 - l / 4 * (1 - l / 5 * (1 - l / 6)))));
    const T missed = l < T(0.05) ? max(series, T(0)) : T(1) - p;
    const T factor = missed > T(0) ? exp(gamma * log(missed)) : T(0);
    losses(a) = factor * l;
    slopes(a) = missed > T(0) ? factor * (T(1) + gamma * p * l / missed) : T(0);
  }
};

}  // namespace detail

/// Focal loss: each loss l = -log p becomes (1 - p)^gamma l, so that anchors whose
/// positive is found already count less.
///
/// @param losses  [n] in and out, >= 0, in nats
/// @param gamma   > 0; 2 in the paper
/// @param slopes  [n] out: the derivative of the new loss by the old one, by which coefficients are multiplied
/// @throws ShapeError if the shapes differ, ConfigError unless gamma is finite and > 0.
/// @cost   three exponentials or logarithms and some 20 flops a loss.
/// @source Lin et al., Focal loss for dense object detection, ICCV 2017, eq. 4; on NT-Xent as in Zhou et al., Combating
///         representation learning disparity with geometric harmonization, NeurIPS 2023.
template <Backend B, class T>
void focal_losses(B& b, double gamma, Out<T, 1, B> losses, Out<T, 1, B> slopes) {
  check_shape("focal_losses", "slopes", losses.extents, slopes.extents);
  check_positive<T>("focal_losses", "gamma", gamma);
  b.for_each(losses.size(), detail::FocalLoss<T, typename B::Memory>{static_cast<T>(gamma), losses, slopes});
}

}  // namespace lotar
