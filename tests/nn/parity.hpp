#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "../reference/resnet.hpp"
#include "layers.hpp"

/// The place in PyTorch's order, [K, C, R, S], of element i of a filter stored [K, R, S, C]; of other entries, i.
inline std::size_t pytorch_place(const lotar::Parameter& p, std::size_t i) {
  if (p.shape.size() != 4) return i;
  const std::size_t channels = p.shape[3], area = p.shape[1] * p.shape[2];
  return (i / channels / area * channels + i % channels) * area + i / channels % area;
}

/// The values of tests/reference/resnet.py.
template <class A>
std::vector<A> pytorch_values(const lotar::ParameterTable& table) {
  std::vector<A> values(table.size(), A(0));
  std::size_t stream = 0;
  for (const lotar::Parameter& p : table.parameters()) {
    double scale = .25, shift = p.name.ends_with("weight") ? 1 : 0;
    if (p.shape.size() > 1) shift = 0;
    if (p.shape.size() == 4) scale = std::sqrt(6 / static_cast<double>(p.shape[0] * p.shape[1] * p.shape[2]));
    if (p.shape.size() == 2) scale = std::sqrt(3 / static_cast<double>(p.shape[1]));
    for (std::size_t i = 0; i < p.size; ++i)
      values[p.offset + i] = static_cast<A>(shift + scale * noise(stream, pytorch_place(p, i)));
    ++stream;
  }
  return values;
}

/// Checks an array's projection on noise and its norm; errors count relative to the norm, but no finer than to 1: the
/// gradient of a bias before a norm is 0 but for rounding.
inline void check_summary(const std::vector<double>& values, std::size_t stream, const expected::Summary& wanted,
                          double tolerance) {
  double squares = 0;
  tolerance *= std::max(wanted.norm, 1.);
  for (const double v : values) squares += v * v;
  CHECK(std::abs(noise_sum(values, stream) - wanted.projection) <= tolerance);
  CHECK(std::abs(std::sqrt(squares) - wanted.norm) <= tolerance);
}

/// Checks the names of all entries and what their parts of a flat array come to.
template <class A>
void check_arrays(const std::vector<lotar::Parameter>& entries, const std::vector<A>& flat,
                  const std::vector<expected::Array>& wanted, double tolerance) {
  REQUIRE(entries.size() == wanted.size());
  for (std::size_t e = 0; e < entries.size(); ++e) {
    const lotar::Parameter& p = entries[e];
    CAPTURE(p.name);
    CHECK(p.name == wanted[e].name);
    std::vector<double> values(p.size);
    for (std::size_t i = 0; i < p.size; ++i) values[pytorch_place(p, i)] = static_cast<double>(flat[p.offset + i]);
    check_summary(values, 2000 + e, wanted[e].summary, tolerance);
  }
}

/// Tolerances relative to an array's norm: of outputs and running statistics, and of gradients.
struct Tolerance {
  double values, gradients;
};

/// Runs a network as tests/reference/resnet.py does and compares all that it computes.
///
/// @param forward   (b, pass) gives the output, [N, F]
/// @param backward  (b, dy, pass)
template <class T, class Forward, class Backward>
void check_parity(const lotar::ParameterTable& table, const expected::Network& wanted, const Tolerance& tolerance,
                  const Forward& forward, const Backward& backward) {
  using A = lotar::Accum<T>;
  CHECK(table.count() == wanted.parameters);
  TestBackend b;
  lotar::NetworkState<T, TestBackend> state(b, table, 1);
  b.upload(pytorch_values<A>(table), state.values.flat());
  const auto check_output = [&](const std::vector<A>& y, const expected::Summary& summary) {
    check_summary(std::vector<double>(y.begin(), y.end()), 2000, summary, tolerance.values);
  };
  auto pass = state.pass(b, true);
  const auto y = forward(b, pass);
  check_output(y.to_host(b), wanted.training);
  backward(b, Array<2, A>(b, y.extents, noise_values<A>(y.size(), 1001)), pass);
  CHECK(pass.tape.empty());
  check_arrays(table.parameters(), state.gradients.to_host(b), wanted.gradients, tolerance.gradients);
  check_arrays(table.statistics(), state.statistics.to_host(b), wanted.statistics, tolerance.values);
  auto evaluation = state.pass(b, false);
  check_output(forward(b, evaluation).to_host(b), wanted.evaluation);
  CHECK(evaluation.tape.empty());
}
