#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/dclw.hpp>
#include <lotar/loss/focal.hpp>
#include <lotar/loss/nt_xent.hpp>
#include <lotar/loss/reweight.hpp>
#include <lotar/train/method.hpp>

namespace lotar {

/// Forms of the contrastive loss that go with any method's weights.
struct ObjectiveOptions {
  double focal = 0;  ///< gamma of the focal loss; 0: not focal
  double dclw = 0;   ///< sigma of DCLW; 0: plain NT-Xent. Its losses are no logs of probabilities: not with focal
};

namespace detail {

template <class A, class M>
struct Multiply {
  View<const A, 1, M> x, y;
  View<A, 1, M> out;
  LOTAR_FN void operator()(std::size_t i) const { out(i) = x(i) * y(i); }
};

}  // namespace detail

/// @throws ConfigError for options out of range, or that exclude each other.
inline void check_objective(const ObjectiveOptions& o) {
  check_not_negative("objective", "focal", o.focal);
  check_not_negative("objective", "dclw", o.dclw);
  if (o.focal > 0 && o.dclw > 0) throw ConfigError("objective: focal and dclw exclude each other");
}

/// The loss of a contrastive method, (1 / 2n) sum_a w_i(a) f(l_a), and its gradient by the projections.
///
/// @param method       gives the weights w, see method.hpp
/// @param temperature  [1]
/// @param batch        its losses, distances and weights are written; the losses without their weights
/// @param dz           [2n, D] out
/// @throws ShapeError if the shapes differ from these.
/// @throws ConfigError as check_objective.
/// @cost   that of nt_xent_forward, nt_xent_backward and the method's hooks, and a few passes over the 2n losses.
template <Backend B, class A, class Method>
void contrastive_objective(B& b, const Method& method, In<A, 1, B> temperature, const ObjectiveOptions& options,
                           const Anchors<A, B>& batch, Out<A, 2, B> dz) {
  using M = typename B::Memory;
  check_objective(options);
  const Denominator denominator = options.dclw > 0 ? Denominator::negatives : Denominator::all;
  const auto phase = nt_xent_forward<B, A>(b, batch.z, temperature, denominator, batch.losses);
  const Tensor<A, 1, B> coefficients(b, batch.losses.extents), factors(b, batch.losses.extents);
  if (options.focal > 0) focal_losses<B, A>(b, options.focal, batch.losses, factors);
  if (options.dclw > 0) dclw_losses<B, A>(b, phase, options.dclw, batch.losses, factors);
  method.weigh(b, batch);
  pair_coefficients<B, A>(b, batch.weights, coefficients);
  const bool factored = options.focal > 0 || options.dclw > 0;  // by the whole loss, or by its positives
  if (factored) b.for_each(factors.size(), detail::Multiply<A, M>{coefficients, factors, factors});
  const In<A, 1, B> plain = coefficients, changed = factors;
  nt_xent_backward<B, A>(b, phase, options.focal > 0 ? changed : plain, factored ? changed : plain, dz);
  method.add_gradient(b, batch, dz);
}

}  // namespace lotar
