#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/math.hpp>
#include <lotar/loss/nt_xent.hpp>
#include <lotar/ops/log_sum_exp.hpp>

namespace lotar {
namespace detail {

template <class T, class Memory>
struct DclwWeights {
  View<const T, 1, Memory> positives, inverse_temperature;
  T inverse_sigma;
  View<T, 1, Memory> v, losses;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t m = losses.size(), n = m / 2;
    const T* s = positives.data;
    const T scale = inverse_sigma / inverse_temperature(0);  // s_ap scale = cos / sigma
    const auto x = [=](std::size_t i) { return product(scale, s[i]); };
    const LogSumExp<T> all = log_sum_exp(block, n, x);
    block.for_each(m, [&](std::size_t a) {
      const T weight = T(2) - static_cast<T>(n) * exp(-all.minus(x(a < n ? a : a - n)));
      v(a) = weight;
      losses(a) += (T(1) - weight) * s[a];
    });
  }
};

}  // namespace detail

/// DCLW: the positives of decoupled contrastive learning weighted by a von Mises-Fisher density, which favours images
/// whose views lie far apart: v_i = 2 - softmax_i(u_i . u_{i+N} / sigma) N, with mean 1.
///
/// The loss of an anchor of image i is then l_a = log sum_{b != a, p} exp(s_ab) - v_i s_ap. The weights are constants
/// in its gradient: coefficients c_a of the losses go with c_a v_a of the positives (see nt_xent_backward).
///
/// @param state   of nt_xent_forward with Denominator::negatives
/// @param sigma   > 0; 0.5 in the paper
/// @param losses  [2N] in and out: nt_xent_forward's, which get their weighted positives
/// @param v       [2N] out
/// @throws ShapeError if the shapes differ; ConfigError unless sigma is finite and > 0 and the denominator is of the
///         negatives.
/// @cost   three passes over the anchors, by one block.
/// @source Yeh et al., Decoupled contrastive learning, ECCV 2022.
template <Backend B, class T>
void dclw_losses(B& b, const NtXent<T, B>& state, double sigma, Out<T, 1, B> losses, Out<T, 1, B> v) {
  check_shape("dclw_losses", "losses", state.positives.extents, losses.extents);
  check_shape("dclw_losses", "v", state.positives.extents, v.extents);
  check_positive<T>("dclw_losses", "sigma", sigma);
  if (state.denominator != Denominator::negatives)
    throw ConfigError("dclw_losses: wanted losses with the denominator of the negatives");
  b.for_each_block(1, Work{losses.size()},
                   detail::DclwWeights<T, typename B::Memory>{state.positives, state.inverse_temperature,
                                                              static_cast<T>(1 / sigma), v, losses});
}

}  // namespace lotar
