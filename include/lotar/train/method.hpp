#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/loss/reweight.hpp>

namespace lotar {

/// A batch between the two phases of its loss: what a method sees of it.
template <class A, class B>
struct Anchors {
  In<A, 2, B> z;           ///< [2n, D] projections; rows i and i + n are the views of sample i
  In<A, 1, B> losses;      ///< [2n] of each anchor
  Out<A, 1, B> distances;  ///< [n] out: between a sample's views, for the record
  Out<A, 1, B> weights;    ///< [n] out: of each sample's loss
};

/// SimCLR: every sample weighs the same. Also the neutral defaults of all hooks: a method of one's own derives from it
/// and hides what it does otherwise.
///
/// @source Chen et al. 2020, arXiv:2002.05709.
struct SimClr {
  /// Writes the samples' distances and weights.
  template <class A, class B>
  void weigh(B& b, const Anchors<A, B>& batch) const {
    view_distances(b, batch.z, LotarOptions{}, batch.distances);
    b.fill(batch.weights, A(1));
  }

  /// Adds to dz what flows through the weights; by default they are constants.
  template <class A, class B>
  void add_gradient(B&, const Anchors<A, B>&, const Out<A, 2, B>&) const {}
};

/// LoTaR: a sample weighs by how far apart its views are, among those of its batch.
struct Lotar : SimClr {
  LotarOptions options = {};

  explicit Lotar(const LotarOptions& options_ = {}) : options(options_) {}

  template <class A, class B>
  void weigh(B& b, const Anchors<A, B>& batch) const {
    view_distances(b, batch.z, options, batch.distances);
    lotar_weights(b, batch.distances, options, batch.weights);
  }

  template <class A, class B>
  void add_gradient(B& b, const Anchors<A, B>& batch, const Out<A, 2, B>& dz) const {
    lotar_weights_backward(b, batch.z, batch.distances, batch.losses, options, dz);
  }
};

}  // namespace lotar
