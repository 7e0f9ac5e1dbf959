// A reweighting of one's own: a kernel, and the function object that runs it between the two phases of NT-Xent.

#include <cstddef>
#include <cstdio>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/nt_xent.hpp>
#include <lotar/loss/reweight.hpp>
#include <lotar/ops/log_sum_exp.hpp>
#include <lotar/ops/reduce.hpp>

#include "backend.hpp"

/// w_i = 2 - N softmax(cos_i / sigma)_i with cos_i the cosine between the views of image i, so that views which already
/// agree weigh less; the weights' mean is 1.
/// Source: Yeh et al., Decoupled contrastive learning, ECCV 2022, eq. 6.
template <class T, class Memory>
struct AgreementKernel {
  lotar::View<const T, 1, Memory> positives;  // cos_i / temperature, of both views
  lotar::View<const T, 1, Memory> inverse_temperature;
  T sigma;
  lotar::View<T, 1, Memory> w;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const T scale = T(1) / (inverse_temperature(0) * sigma);
    const auto x = [&](std::size_t i) { return scale * positives(i); };  // cos_i / sigma
    const auto all = log_sum_exp(block, w.size(), x);
    const T n = static_cast<T>(w.size());
    block.for_each(w.size(), [&](std::size_t i) { w(i) = T(2) - n * lotar::exp(-all.minus(x(i))); });
  }
};

struct AgreementWeights {
  double sigma = .5;

  template <lotar::Backend B, class T>
  void operator()(B& b, const lotar::NtXent<T, B>& state, lotar::Out<T, 1, B> w) const {
    b.for_each_block(
        1, lotar::Work{w.size()},
        AgreementKernel<T, typename B::Memory>{state.positives, state.inverse_temperature, static_cast<T>(sigma), w});
  }
};

int main() {
  using lotar::Tensor;
  using B = ExampleBackend;
  B b;
  // Projections of three images: the first views, then the second ones in the same order.
  const std::vector<float> projections{1, 2, .5f, -1, -1, .3f, .9f, 1.7f, .2f, -1.1f, -.7f, .8f};
  const std::size_t n = 3, d = 2;
  const Tensor<float, 2, B> z(b, {2 * n, d}, projections), dz(b, {2 * n, d});
  const Tensor<float, 1, B> losses(b, {2 * n}), w(b, {n}), coefficients(b, {2 * n}), loss(b, {1});

  const auto state = nt_xent_forward(b, z, {.temperature = .2}, losses);
  AgreementWeights{.sigma = .1}(b, state, w.view());
  pair_coefficients(b, w, coefficients);
  nt_xent_backward(b, state, coefficients, dz);
  dot(b, coefficients, losses, loss);

  const auto weights = w.to_host(b), gradient = dz.to_host(b);
  std::printf("weights %.4f %.4f %.4f, loss %.6f\n", weights[0], weights[1], weights[2], loss.to_host(b)[0]);
  std::printf("gradient of the first view of image 2: %.6f %.6f\n", gradient[4], gradient[5]);
}
