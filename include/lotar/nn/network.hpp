#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include <lotar/nn/branch.hpp>
#include <lotar/nn/projector.hpp>
#include <lotar/nn/resnet.hpp>

namespace lotar {

struct NetworkOptions {
  std::string arch = "resnet18";  ///< see resnet_options
  std::size_t width = 64;
  Stem stem = Stem::cifar;
  std::string projector = "thesis";  ///< see Projector
  ProjectorOptions projection = {};
  bool pruned_branch = false;  ///< declares SDCLR's second set of norms, under "pruned."; Pretraining sets it
};

/// An encoder and a projector over one table of parameters: images [N, H, W, 3] to features [N, F] to projections [N,
/// D].
class Network {
 public:
  /// @throws ConfigError for names and widths that ResNet and Projector do not know.
  explicit Network(const NetworkOptions& options)
      : encoder_(table_, resnet_options(options.arch, options.width, options.stem)),
        projector_(table_, options.projector, encoder_.features(), options.projection),
        projections_(options.projection.out) {
    if (options.pruned_branch) branch_.emplace(table_, "pruned.");
  }

  const ParameterTable& table() const { return table_; }
  const ResNet& encoder() const { return encoder_; }
  const Projector& projector() const { return projector_; }
  std::size_t features() const { return encoder_.features(); }
  std::size_t projections() const { return projections_; }
  /// The second branch, if the options asked for one.
  const std::optional<BranchTable>& branch() const { return branch_; }

  /// @param x  [N, H, W, 3]
  /// @return   projections z [N, D], not normalised
  /// @throws ShapeError for images too small for the encoder or of other than 3 channels, or arrays of another network.
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass) const {
    return projector_.forward(b, encoder_.forward(b, std::move(x), pass), pass);
  }

  /// Adds the gradients of all parameters to the pass's.
  /// @param dz  [N, D]
  /// @throws ShapeError if dz has another shape or the pass no gradients, ConfigError without a forward pass before.
  /// @cost      about twice forward's
  template <class T, class B>
  void backward(B& b, Tensor<Accum<T>, 2, B> dz, Pass<T, B>& pass) const {
    const Tensor<Accum<T>, 2, B> dy = projector_.backward(b, std::move(dz), pass);
    pass.finish_gradients(projector_.first());
    encoder_.backward(b, dy, pass);
  }

 private:
  ParameterTable table_;
  ResNet encoder_;
  Projector projector_;
  std::size_t projections_;
  std::optional<BranchTable> branch_;
};

}  // namespace lotar
