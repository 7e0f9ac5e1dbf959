// A reweighting of one's own: a kernel, and the function object that runs it between the two phases of NT-Xent.

#include <cstddef>
#include <cstdio>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/nt_xent.hpp>
#include <lotar/loss/reweight.hpp>
#include <lotar/ops/dot.hpp>
#include <lotar/ops/log_sum_exp.hpp>

#include "backend.hpp"
#include "program.hpp"

/// w_i = N softmax(l_i / scale)_i with l_i the mean loss of image i's two views, so that images which are hard to tell
/// from the others weigh more; the weights' mean is 1.
template <class T, class Memory>
struct HardnessKernel {
  lotar::View<const T, 1, Memory> losses;  // of both views
  T scale;
  lotar::View<T, 1, Memory> w;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t n = w.size();
    const auto x = [&](std::size_t i) { return (losses(i) + losses(i + n)) / (2 * scale); };
    const auto all = log_sum_exp(block, n, x);
    block.for_each(n, [&](std::size_t i) { w(i) = static_cast<T>(n) * lotar::exp(-all.minus(x(i))); });
  }
};

struct HardnessWeights {
  double scale = .5;  ///< in nats: the smaller, the more the hardest images count

  template <lotar::Backend B, class T>
  void operator()(B& b, lotar::In<T, 1, B> losses, lotar::Out<T, 1, B> w) const {
    b.for_each_block(1, lotar::Work{w.size()}, HardnessKernel<T, typename B::Memory>{losses, static_cast<T>(scale), w});
  }
};

namespace {

void print_weights() {
  using lotar::Tensor;
  using B = ExampleBackend;
  B b;
  // Projections of three images: the first views, then the second ones in the same order.
  const std::vector<float> projections{1, 2, .5f, -1, -1, .3f, .9f, 1.7f, .2f, -1.1f, -.7f, .8f};
  const std::size_t n = 3, d = 2;
  const Tensor<float, 2, B> z(b, {2 * n, d}, projections), dz(b, {2 * n, d});
  const Tensor<float, 1, B> losses(b, {2 * n}), w(b, {n}), coefficients(b, {2 * n}), loss(b, {1});

  const auto state = nt_xent_forward(b, z, {.temperature = .2}, losses);
  HardnessWeights{.scale = .05}(b, losses, w.view());
  pair_coefficients(b, w, coefficients);
  nt_xent_backward(b, state, coefficients, dz);
  dot(b, coefficients, losses, loss);

  const auto weights = w.to_host(b), gradient = dz.to_host(b);
  std::printf("weights %.4f %.4f %.4f, loss %.6f\n", weights[0], weights[1], weights[2], loss.to_host(b)[0]);
  std::printf("gradient of the first view of image 2: %.6f %.6f\n", gradient[4], gradient[5]);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Weigh three images by a reweighting of one's own.", "custom_reweighting");
  return run_program(app, argc, argv, print_weights);
}
