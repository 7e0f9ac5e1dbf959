#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/loss/nt_xent.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>
#include <lotar/optim/prune.hpp>

#include "../nn/layers.hpp"
#include "../worst.hpp"

// SDCLR's gradient: of one loss over both branches, from two forwards and one joint backward.

using namespace lotar;

namespace {

using Array4 = Tensor<double, 4, TestBackend>;
using Array2 = Tensor<double, 2, TestBackend>;

constexpr std::size_t n = 3;

struct Sdclr {
  TestBackend b;
  Network network{
      {.arch = "resnet10", .width = 2, .projector = "mlp_bn", .projection = {.out = 4}, .pruned_branch = true}};
  NetworkState<double, TestBackend> state{b, network.table(), 5};
  Branch<double, TestBackend> branch{b, *network.branch()};

  Sdclr() {
    MagnitudePruning<double, TestBackend>(b, network.table(), network.branch()->size, .5)
        .mask(b, state.values, branch.mask);
  }

  Array4 view(std::size_t which) {
    std::vector<double> x(n * 8 * 8 * 3);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>((i * 7 + which * 13) % 101) * .9);
    return Array4(b, {{n, 8, 8, 3}}, x);
  }

  /// Both branches' projections, [2n, 4], and the mean loss.
  double loss_of(const Array2& z1, const Array2& z2, Array2& z, Array2& dz) {
    b.copy(z1, z.rows(0, n));
    b.copy(z2, z.rows(n, n));
    const Tensor<double, 1, TestBackend> losses(b, {{2 * n}}), c(b, {{2 * n}});
    b.fill(c.view(), 1. / (2 * n));
    nt_xent_backward(b, nt_xent_forward(b, z, {}, losses), c, dz);
    double sum = 0;
    for (const double l : losses.to_host(b)) sum += l / (2 * n);
    return sum;
  }

  Array2 half_rows(const Array2& dz, std::size_t first) {
    Array2 part(b, {{n, 4}});
    b.copy(dz.rows(first, n), part.view());
    return part;
  }

  /// The joint form: the loss and the gradient of all parameters.
  double joint(std::vector<double>& gradients) {
    auto dense = state.pass(b, true);
    auto pruned = branch.pass(b, state, true);
    const Array2 z1 = network.forward(b, view(1), dense), z2 = network.forward(b, view(2), pruned);
    Array2 z(b, {{2 * n, 4}}), dz(b, {{2 * n, 4}});
    const double loss = loss_of(z1, z2, z, dz);
    network.backward(b, half_rows(dz, 0), dense);
    network.backward(b, half_rows(dz, n), pruned);
    branch.add_gradients(b, state);
    gradients = state.gradients.to_host(b);
    return loss;
  }
};

}  // namespace

TEST_CASE("one joint backward gives what SDCLR's three forwards and two losses give") {
  Sdclr s;
  std::vector<double> joint;
  s.joint(joint);

  // a pruned forward without gradient; the dense branch against it; the pruned branch against the dense one
  Array2 z(s.b, {{2 * n, 4}}), dz(s.b, {{2 * n, 4}});
  auto unused = s.branch.pass(s.b, s.state, true);
  const Array2 constant = s.network.forward(s.b, s.view(2), unused);
  auto dense = s.state.pass(s.b, true);
  const Array2 z1 = s.network.forward(s.b, s.view(1), dense);
  s.loss_of(z1, constant, z, dz);
  s.network.backward(s.b, s.half_rows(dz, 0), dense);
  auto pruned = s.branch.pass(s.b, s.state, true);
  const Array2 z2 = s.network.forward(s.b, s.view(2), pruned);
  s.loss_of(z1, z2, z, dz);
  s.network.backward(s.b, s.half_rows(dz, n), pruned);
  s.branch.add_gradients(s.b, s.state);

  const std::vector<double> three = s.state.gradients.to_host(s.b);
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < joint.size(); ++i) {
    worst = worst_of(worst, std::abs(joint[i] - three[i]));
    largest = std::max(largest, std::abs(joint[i]));
  }
  CHECK(largest > 1e-3);
  CHECK(worst < 1e-13 * largest);
}

TEST_CASE("it is the derivative of the joint loss by every kind of parameter, masked weights included") {
  Sdclr s;
  std::vector<double> gradients, unused;
  s.joint(gradients);
  const std::vector<double> values = s.state.values.to_host(s.b);
  const std::vector<double> mask = s.branch.mask.to_host(s.b);
  std::size_t masked = 0;
  for (const Parameter& p : s.network.table().parameters())
    for (const std::size_t i : {p.offset, p.offset + p.size / 2}) {
      CAPTURE(p.name);
      constexpr double h = 1e-6;
      const auto at = [&](double x) {
        std::vector<double> moved = values;
        moved[i] = x;
        s.b.upload(moved, s.state.values);
        return s.joint(unused);
      };
      const double numeric = (at(values[i] + h) - at(values[i] - h)) / (2 * h);
      CHECK(gradients[i] == doctest::Approx(numeric).epsilon(2e-5).scale(0.01));
      masked += i < mask.size() && mask[i] == 0;
    }
  CHECK(masked >= 3);
}
