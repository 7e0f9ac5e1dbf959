#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/checks.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/reduce.hpp>
#include <lotar/optim/update.hpp>

namespace lotar {

struct LarsOptions {
  double momentum = 0.9;               ///< in [0, 1)
  double weight_decay = 5e-4;          ///< >= 0
  double trust = 1e-3;                 ///< eta, > 0
  bool exclude_norm_and_bias = false;  ///< these get lambda = 1 and no decay
};

namespace detail {

/// A parameter for the kernels: its tiles follow each other.
struct LarsParameter {
  std::uint32_t first_tile, tiles;
  bool adapted;
};

/// A part of one parameter.
struct LarsTile {
  std::uint64_t offset;
  std::uint32_t size, parameter;
};

/// Per tile the sums of w^2 and g^2.
template <class A, class Memory>
struct LarsTileNorms {
  View<const LarsTile, 1, Memory> tiles;
  View<const A, 1, Memory> values, gradients;
  View<A, 2, Memory> sums;  // [tiles, 2]

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t t) const {
    const LarsTile tile = tiles(t);
    const A *w = values.data + tile.offset, *g = gradients.data + tile.offset;
    const A weights = block_sum(block, tile.size, [w](std::size_t i) { return w[i] * w[i]; });
    const A grads = block_sum(block, tile.size, [g](std::size_t i) { return g[i] * g[i]; });
    if (!block.leader()) return;
    sums(t, 0) = weights;
    sums(t, 1) = grads;
  }
};

/// Per parameter, lambda.
template <class A, class Memory>
struct LarsTrust {
  View<const LarsParameter, 1, Memory> parameters;
  View<const A, 2, Memory> sums;
  A trust, decay;
  View<A, 1, Memory> lambdas;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t p) const {
    const LarsParameter parameter = parameters(p);
    const A* sum = sums.data + 2 * std::size_t{parameter.first_tile};
    const A w = sqrt(block_sum(block, parameter.tiles, [sum](std::size_t t) { return sum[2 * t]; }));
    const A g = sqrt(block_sum(block, parameter.tiles, [sum](std::size_t t) { return sum[2 * t + 1]; }));
    constexpr A none = A(1e-15);
    if (block.leader()) lambdas(p) = !parameter.adapted || w < none || g < none ? A(1) : trust * w / (g + decay * w);
  }
};

template <class A, class Memory>
struct LarsUpdate {
  View<const LarsTile, 1, Memory> tiles;
  View<const LarsParameter, 1, Memory> parameters;
  View<const A, 1, Memory> lambdas;
  View<A, 1, Memory> values;
  View<const A, 1, Memory> gradients;
  View<A, 1, Memory> velocities;
  StepRate<Memory> rate;
  A momentum, decay;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t t) const {
    const LarsTile tile = tiles(t);
    A *w = values.data + tile.offset, *v = velocities.data + tile.offset;
    const A* g = gradients.data + tile.offset;
    const A scale = static_cast<A>(rate()) * lambdas(tile.parameter), m = momentum;
    const A wd = parameters(tile.parameter).adapted ? decay : A(0);
    block.for_each(tile.size, [=](std::size_t i) {
      const A velocity = m * v[i] + scale * (g[i] + wd * w[i]);
      v[i] = velocity;
      w[i] -= velocity;
    });
  }
};

}  // namespace detail

/// Layer-wise adaptive rates, as the thesis and SDCLR have them: for every tensor w with gradient g
///
///   lambda = trust ||w|| / (||g|| + weight_decay ||w||), or 1 where ||w|| or ||g|| is below 1e-15
///   v = momentum v + lr lambda (g + weight_decay w);  w = w - v
///
/// Every tensor counts, biases and batch norms too, unless exclude_norm_and_bias; google's and Bolts' variants differ.
/// @tparam A  float or double
/// @source You et al. 2017, arXiv:1708.03888, algorithm 1.
template <class A, Backend B>
class Lars {
 public:
  /// @throws ConfigError for an option out of its range.
  Lars(B& b, const ParameterTable& table, const LarsOptions& options = {})
      : options_(options), velocities_(b, {table.size()}) {
    check_fraction<A>("Lars", "momentum", options.momentum);
    check_not_negative<A>("Lars", "weight_decay", options.weight_decay);
    check_positive<A>("Lars", "trust", options.trust);
    b.fill(velocities_.view(), A(0));

    std::vector<detail::LarsParameter> parameters;
    std::vector<detail::LarsTile> tiles;
    for (const Parameter& p : table.parameters()) {
      const bool plain = p.kind == ParameterKind::norm || p.kind == ParameterKind::bias;
      const auto index = static_cast<std::uint32_t>(parameters.size());
      parameters.push_back({static_cast<std::uint32_t>(tiles.size()),
                            static_cast<std::uint32_t>(detail::update_tiles(p.size)),
                            !(plain && options.exclude_norm_and_bias)});
      for (std::size_t i = 0; i < p.size; i += detail::update_tile)
        tiles.push_back({p.offset + i, static_cast<std::uint32_t>(min(detail::update_tile, p.size - i)), index});
    }
    parameters_ = {b, {parameters.size()}, parameters};
    tiles_ = {b, {tiles.size()}, tiles};
    sums_ = {b, {tiles.size(), 2}};
    lambdas_ = {b, {parameters.size()}};
  }

  /// One update of all parameters. Arguments and errors as Sgd::step.
  /// @cost 2 passes over values and gradients, 1 over the momentum
  void step(B& b, Out<A, 1, B> values, In<A, 1, B> gradients, In<float, 1, B> rates, In<Clock, 1, B> clock) {
    using M = typename B::Memory;
    const auto rate = detail::check_update<B, A>("Lars::step", velocities_.size(), values, gradients, rates, clock);
    const A momentum = static_cast<A>(options_.momentum), decay = static_cast<A>(options_.weight_decay);
    const Work tile{detail::update_tile};
    b.for_each_block(tiles_.size(), tile, detail::LarsTileNorms<A, M>{tiles_, values, gradients, sums_});
    b.for_each_block(parameters_.size(), Work{64},
                     detail::LarsTrust<A, M>{parameters_, sums_, static_cast<A>(options_.trust), decay, lambdas_});
    b.for_each_block(
        tiles_.size(), tile,
        detail::LarsUpdate<A, M>{tiles_, parameters_, lambdas_, values, gradients, velocities_, rate, momentum, decay});
  }

  /// "momentum": v, which has the learning rates of its steps in it.
  NamedArrays<A, B> state() { return {{"momentum", velocities_}}; }

 private:
  LarsOptions options_;
  Tensor<detail::LarsParameter, 1, B> parameters_;
  Tensor<detail::LarsTile, 1, B> tiles_;
  Tensor<A, 2, B> sums_;
  Tensor<A, 1, B> lambdas_, velocities_;
};

}  // namespace lotar
