#pragma once

#include <string>
#include <variant>

#include <lotar/core/named_arrays.hpp>
#include <lotar/optim/adam.hpp>
#include <lotar/optim/lars.hpp>
#include <lotar/optim/sgd.hpp>

namespace lotar {

/// Which optimizer, and what may be said of it by those who choose it by name. Its own options have the rest.
struct OptimizerOptions {
  std::string name = "lars";  ///< lars, sgd or adam
  double momentum = 0.9;      ///< of lars and sgd
  double weight_decay = 5e-4;
  bool exclude_norm_and_bias = false;  ///< of lars alone
};

/// An optimizer that is chosen while the program runs.
///
/// @tparam A  float or double
template <class A, Backend B>
class Optimizer {
 public:
  /// @throws ConfigError for an unknown name, an option out of its range, or one of lars alone with another.
  Optimizer(B& b, const ParameterTable& table, const OptimizerOptions& options = {})
      : chosen_(make(b, table, options)) {}

  /// One update of all parameters. Arguments and errors as Sgd::step, cost as the chosen one's.
  void step(B& b, Out<A, 1, B> values, In<A, 1, B> gradients, In<float, 1, B> rates, In<Clock, 1, B> clock) {
    std::visit([&](auto& optimizer) { optimizer.step(b, values, gradients, rates, clock); }, chosen_);
  }

  /// What a checkpoint has to keep.
  NamedArrays<A, B> state() {
    return std::visit([](auto& optimizer) { return optimizer.state(); }, chosen_);
  }

 private:
  using Any = std::variant<Lars<A, B>, Sgd<A, B>, Adam<A, B>>;

  static Any make(B& b, const ParameterTable& table, const OptimizerOptions& o) {
    if (o.name == "lars")
      return Lars<A, B>(
          b, table,
          {.momentum = o.momentum, .weight_decay = o.weight_decay, .exclude_norm_and_bias = o.exclude_norm_and_bias});
    if (o.name != "sgd" && o.name != "adam")
      throw ConfigError("optimizer \"" + o.name + "\": wanted lars, sgd or adam");
    if (o.exclude_norm_and_bias)
      throw ConfigError("optimizer \"" + o.name + "\": exclude_norm_and_bias is of lars, wanted false, got true");
    if (o.name == "sgd") return Sgd<A, B>(b, table, {.momentum = o.momentum, .weight_decay = o.weight_decay});
    return Adam<A, B>(b, table, {.weight_decay = o.weight_decay});
  }

  Any chosen_;
};

}  // namespace lotar
