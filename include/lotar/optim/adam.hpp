#pragma once

#include <cmath>
#include <cstddef>

#include <lotar/core/checks.hpp>
#include <lotar/core/named_arrays.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/optim/update.hpp>

namespace lotar {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;  ///< in [0, 1)
  double epsilon = 1e-8;              ///< > 0
  double weight_decay = 0;            ///< >= 0
};

namespace detail {

template <class A, class Memory>
struct AdamTile {
  View<A, 1, Memory> values;
  View<const A, 1, Memory> gradients;
  View<A, 1, Memory> means, squares;
  StepRate<Memory> rate;
  double beta1, beta2, log_beta1, log_beta2;
  A epsilon, decay;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t tile) const {
    const std::size_t first = tile * update_tile, n = min(update_tile, values.extent(0) - first);
    A *w = values.data + first, *mean = means.data + first, *square = squares.data + first;
    const A* g = gradients.data + first;
    const A b1 = static_cast<A>(beta1), b2 = static_cast<A>(beta2), wd = decay, eps = epsilon;
    const A rest1 = static_cast<A>(1 - beta1), rest2 = static_cast<A>(1 - beta2);
    // What t averages that began at 0 lack: 1 - beta^t of their weight is on gradients.
    const auto t = static_cast<double>(rate.step() + 1);
    const double full1 = 1 - exp(t * log_beta1), full2 = 1 - exp(t * log_beta2);
    const A lr = static_cast<A>(static_cast<double>(rate()) / full1), scale = static_cast<A>(1 / sqrt(full2));
    block.for_each(n, [=](std::size_t i) {
      const A gradient = g[i] + wd * w[i];
      const A m = b1 * mean[i] + rest1 * gradient, s = b2 * square[i] + rest2 * gradient * gradient;
      mean[i] = m;
      square[i] = s;
      w[i] -= lr * m / (sqrt(s) * scale + eps);
    });
  }
};

}  // namespace detail

/// Adam with bias correction, as PyTorch's; weight decay is added to the gradient.
///
/// @tparam A  float or double
/// @source Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
template <class A, Backend B>
class Adam {
 public:
  /// @throws ConfigError for an option out of its range.
  Adam(B& b, const ParameterTable& table, const AdamOptions& options = {})
      : options_(options), means_(b, {table.size()}), squares_(b, {table.size()}) {
    check_fraction<A>("Adam", "beta1", options.beta1);
    check_fraction<A>("Adam", "beta2", options.beta2);
    check_positive<A>("Adam", "epsilon", options.epsilon);
    check_not_negative<A>("Adam", "weight_decay", options.weight_decay);
    b.fill(means_.view(), A(0));
    b.fill(squares_.view(), A(0));
  }

  /// One update of all parameters; the bias correction counts steps by the clock. Arguments and errors as Sgd::step.
  /// @cost 1 pass over values, gradients and both means
  void step(B& b, Out<A, 1, B> values, In<A, 1, B> gradients, In<float, 1, B> rates, In<Clock, 1, B> clock) {
    const std::size_t n = means_.size();
    const auto rate = detail::check_update<B, A>("Adam::step", n, values, gradients, rates, clock);
    const AdamOptions& o = options_;
    b.for_each_block(detail::update_tiles(n), Work{detail::update_tile},
                     detail::AdamTile<A, typename B::Memory>{
                         values, gradients, means_, squares_, rate, o.beta1, o.beta2, std::log(o.beta1),
                         std::log(o.beta2), static_cast<A>(o.epsilon), static_cast<A>(o.weight_decay)});
  }

  /// "exp_avg" and "exp_avg_sq": the running means of g and of g^2.
  NamedArrays<A, B> state() { return {{"exp_avg", means_}, {"exp_avg_sq", squares_}}; }

 private:
  AdamOptions options_;
  Tensor<A, 1, B> means_, squares_;
};

}  // namespace lotar
