#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <lotar/nn/batch_norm.hpp>
#include <lotar/nn/linear.hpp>
#include <lotar/nn/relu.hpp>

namespace lotar {

struct ProjectorOptions {
  std::size_t out = 128;        ///< D, the width of the projections
  std::size_t bottleneck = 10;  ///< of `thesis`: its first layer's width
};

/// The network between features [N, F] and projections z [N, D].
class Projector {
 public:
  /// @param kind  "thesis": F -> bottleneck -> D -> ReLU -> D, its first two layers without anything between them;
  ///              "mlp": F -> F -> ReLU -> D; "mlp_bn": F -> F -> norm -> ReLU -> D (no bias) -> norm;
  ///              "linear": F -> D, as a classifier has it
  /// @throws ConfigError for any other kind, or a width of 0
  Projector(ParameterTable& table, const std::string& kind, std::size_t features, const ProjectorOptions& options = {})
      : first_(table.size()) {
    if (options.out == 0 || options.bottleneck == 0)
      throw ConfigError("projector: widths must be >= 1, got out " + std::to_string(options.out) + ", bottleneck " +
                        std::to_string(options.bottleneck));
    const auto linear = [&](std::size_t in, std::size_t out, bool bias = true) {
      layers_.emplace_back(Linear(table, "projector." + std::to_string(layers_.size()), in, out, bias));
    };
    const auto norm = [&](std::size_t channels) {
      layers_.emplace_back(BatchNorm(table, "projector." + std::to_string(layers_.size()), channels, false));
    };
    if (kind == "thesis") {
      linear(features, options.bottleneck);
      linear(options.bottleneck, options.out);
      layers_.emplace_back(Relu());
      linear(options.out, options.out);
    } else if (kind == "linear") {
      linear(features, options.out);
    } else if (kind == "mlp") {
      linear(features, features);
      layers_.emplace_back(Relu());
      linear(features, options.out);
    } else if (kind == "mlp_bn") {
      linear(features, features);
      norm(features);
      layers_.emplace_back(Relu());
      linear(features, options.out, false);
      norm(options.out);
    } else {
      throw ConfigError("projector: the kind must be thesis, mlp, mlp_bn or linear, got \"" + kind + "\"");
    }
  }

  /// Where its parameters begin in the table's flat array.
  std::size_t first() const { return first_; }

  /// @param x  [N, F]
  /// @return   z [N, D]
  /// @throws ShapeError if x has another shape, or for a pass of another network.
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, Tensor<Accum<T>, 2, B> x, Pass<T, B>& pass) const {
    for (const Layer& layer : layers_)
      x = std::visit([&](const auto& l) { return l.forward(b, std::move(x), pass); }, layer);
    return x;
  }

  /// @param dy  [N, D]
  /// @return    the gradient of the features, [N, F]
  /// @throws ShapeError if dy has another shape or the pass no gradients, ConfigError without a forward pass before.
  template <class T, class B>
  Tensor<Accum<T>, 2, B> backward(B& b, Tensor<Accum<T>, 2, B> dy, Pass<T, B>& pass) const {
    for (std::size_t i = layers_.size(); i-- > 0;)
      dy = std::visit([&](const auto& l) { return l.backward(b, std::move(dy), pass); }, layers_[i]);
    return dy;
  }

 private:
  using Layer = std::variant<Linear, BatchNorm, Relu>;
  std::size_t first_;
  std::vector<Layer> layers_;
};

}  // namespace lotar
