#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/view.hpp>

namespace lotar {

/// What a parameter is: pruning takes conv, some optimizers leave out norm and bias.
enum class ParameterKind { conv, linear, norm, bias };

/// How a parameter starts: all `scale`, normal with standard deviation `scale`, or uniform in [-scale, scale].
struct Init {
  enum class Kind { constant, normal, uniform } kind = Kind::constant;
  double scale = 0;
};

/// One named array inside the flat ones.
struct Parameter {
  std::string name;                ///< as in PyTorch's state_dict
  std::vector<std::size_t> shape;  ///< ours: filters [K, R, S, C], linear weights [out, in]
  ParameterKind kind;
  Init init;
  std::size_t offset;  ///< of its first element in the flat array; a multiple of 64
  std::size_t size;    ///< elements
};

/// The parameters and running statistics of a network: where each named array lies in two flat ones.
///
/// Layers declare what they own when they are made; then one loop over the flat array serves optimizers, pruning,
/// checkpoints and gradients' averages. The gaps between entries hold zeros.
class ParameterTable {
 public:
  /// Declares a trained parameter. @return its offset in the flat parameters.
  /// @throws ConfigError if the name is taken, or std::size_t does not hold the number of elements.
  std::size_t add(std::string name, std::vector<std::size_t> shape, ParameterKind kind, Init init) {
    return add_to(parameters_, size_, std::move(name), std::move(shape), kind, init);
  }

  /// Declares a running statistic, kept beside the parameters and not trained. @return its offset in the flat
  /// statistics.
  /// @throws ConfigError if the name is taken, or std::size_t does not hold the number of elements.
  std::size_t add_statistic(std::string name, std::vector<std::size_t> shape, double initial) {
    return add_to(statistics_, statistics_size_, std::move(name), std::move(shape), ParameterKind::norm,
                  Init{Init::Kind::constant, initial});
  }

  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<Parameter>& statistics() const { return statistics_; }
  /// The lengths of the flat arrays, gaps included.
  std::size_t size() const { return size_; }
  std::size_t statistics_size() const { return statistics_size_; }
  /// The number of trained values, gaps left out.
  std::size_t count() const {
    std::size_t n = 0;
    for (const Parameter& p : parameters_) n += p.size;
    return n;
  }

 private:
  static constexpr std::size_t alignment = 64;

  std::size_t add_to(std::vector<Parameter>& list, std::size_t& end, std::string name, std::vector<std::size_t> shape,
                     ParameterKind kind, Init init) {
    for (const auto* other : {&parameters_, &statistics_})
      for (const Parameter& p : *other)
        if (p.name == name) throw ConfigError("ParameterTable: the name \"" + name + "\" is taken");
    const std::size_t offset = end, room = ~(alignment - 1) - end;  // up to the last aligned place
    std::size_t n = 1;
    if (!detail::multiply(n, shape) || n > room)
      throw ConfigError("ParameterTable: \"" + name + "\" has too many elements");
    list.push_back({std::move(name), std::move(shape), kind, init, offset, n});
    end += (n + alignment - 1) / alignment * alignment;
    return offset;
  }

  std::vector<Parameter> parameters_, statistics_;
  std::size_t size_ = 0, statistics_size_ = 0;
};

}  // namespace lotar
