#pragma once

#include <cstddef>

#include <lotar/core/checks.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/optim/update.hpp>

namespace lotar {

struct SgdOptions {
  double momentum = 0.9;       ///< in [0, 1)
  double weight_decay = 5e-4;  ///< >= 0
};

namespace detail {

template <class A, class Memory>
struct SgdTile {
  View<A, 1, Memory> values;
  View<const A, 1, Memory> gradients;
  View<A, 1, Memory> velocities;
  StepRate<Memory> rate;
  A momentum, decay;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t tile) const {
    const std::size_t first = tile * update_tile, n = min(update_tile, values.extent(0) - first);
    A *w = values.data + first, *v = velocities.data + first;
    const A* g = gradients.data + first;
    const A lr = static_cast<A>(rate()), m = momentum, wd = decay;
    block.for_each(n, [=](std::size_t i) {
      const A velocity = m * v[i] + (g[i] + wd * w[i]);
      v[i] = velocity;
      w[i] -= lr * velocity;
    });
  }
};

}  // namespace detail

/// Stochastic gradient descent with momentum, as PyTorch's: v = momentum v + (g + weight_decay w); w = w - lr v.
///
/// @tparam A  float or double
/// @source Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013; with the
///         learning rate outside v, as PyTorch has it.
template <class A, Backend B>
class Sgd {
 public:
  /// @throws ConfigError for an option out of its range.
  Sgd(B& b, const ParameterTable& table, const SgdOptions& options = {})
      : options_(options), velocities_(b, {table.size()}) {
    check_fraction<A>("Sgd", "momentum", options.momentum);
    check_not_negative<A>("Sgd", "weight_decay", options.weight_decay);
    b.fill(velocities_.view(), A(0));
  }

  /// One update of all parameters.
  ///
  /// @param values     [table.size()] in and out
  /// @param gradients  [table.size()]
  /// @param rates      [steps] the learning rate of each step; the last holds for all later ones
  /// @param clock      [1] its step says which rate; not advanced here
  /// @throws ShapeError if the shapes differ from these.
  /// @cost             1 pass over values, gradients and momentum
  void step(B& b, Out<A, 1, B> values, In<A, 1, B> gradients, In<float, 1, B> rates, In<Clock, 1, B> clock) {
    const std::size_t n = velocities_.size();
    const auto rate = detail::check_update<B, A>("Sgd::step", n, values, gradients, rates, clock);
    b.for_each_block(
        detail::update_tiles(n), Work{detail::update_tile},
        detail::SgdTile<A, typename B::Memory>{values, gradients, velocities_, rate, static_cast<A>(options_.momentum),
                                               static_cast<A>(options_.weight_decay)});
  }

  /// "momentum": v.
  NamedArrays<A, B> state() { return {{"momentum", velocities_}}; }

 private:
  SgdOptions options_;
  Tensor<A, 1, B> velocities_;
};

}  // namespace lotar
