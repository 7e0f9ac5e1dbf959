#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/core/clock.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"

// A small training that the optimizers' tests and tests/reference/optim.py both know.

inline lotar::ParameterTable small_table(const std::vector<std::size_t>& sizes = {70, 9, 3}) {
  const lotar::ParameterKind kinds[] = {lotar::ParameterKind::conv, lotar::ParameterKind::norm,
                                        lotar::ParameterKind::bias};
  lotar::ParameterTable table;
  for (std::size_t p = 0; p < sizes.size(); ++p)
    table.add("p" + std::to_string(p), {sizes[p]}, kinds[p % 3], lotar::Init{});
  return table;
}

template <class A>
std::vector<A> initial_values(const lotar::ParameterTable& table) {
  std::vector<A> values(table.size());
  double p = 0;
  for (const lotar::Parameter& parameter : table.parameters()) {
    for (std::size_t i = 0; i < parameter.size; ++i)
      values[parameter.offset + i] = static_cast<A>(std::cos(.37 * static_cast<double>(i) + p));
    ++p;
  }
  return values;
}

template <class A>
std::vector<A> gradients_of(const lotar::ParameterTable& table, const std::vector<A>& values, std::size_t t) {
  std::vector<A> gradients(table.size());
  double p = 0;
  for (const lotar::Parameter& parameter : table.parameters()) {
    for (std::size_t i = 0; i < parameter.size; ++i)
      gradients[parameter.offset + i] =
          static_cast<A>(std::sin(1 + .7 * static_cast<double>(i) + 1.3 * static_cast<double>(t) + p) +
                         .5 * static_cast<double>(values[parameter.offset + i]));
    ++p;
  }
  return gradients;
}

inline std::vector<float> step_rates(std::size_t steps) {
  std::vector<float> rates(steps);
  for (std::size_t t = 0; t < steps; ++t) rates[t] = .0625f * static_cast<float>(1 + t % 3);
  return rates;
}

/// Steps [first, last) of a training that began with these values.
template <class A, class Optimizer>
std::vector<A> train(TestBackend& b, const lotar::ParameterTable& table, Optimizer& optimizer, std::vector<A> values,
                     std::size_t first = 0, std::size_t last = 20) {
  using namespace lotar;
  const std::vector<float> all = step_rates(last);
  const Tensor<float, 1, TestBackend> rates(b, {last}, all);
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{0, 0, static_cast<std::uint32_t>(first)}});
  const Tensor<A, 1, TestBackend> w(b, {table.size()}, values), g(b, {table.size()});
  for (std::size_t t = first; t < last; ++t) {
    b.upload(gradients_of(table, values, t), g.view());
    optimizer.step(b, w, g, rates, clock);
    b.for_each(1, AdvanceClock{clock.data});
    values = w.to_host(b);
  }
  return values;
}

/// The parameters without the gaps between them, which must be zero.
template <class A>
std::vector<double> packed(const lotar::ParameterTable& table, const std::vector<A>& values) {
  std::vector<double> all;
  std::size_t zeros = 0;
  for (const A v : values) zeros += v == A(0);
  CHECK(zeros >= table.size() - table.count());
  for (const lotar::Parameter& p : table.parameters())
    for (std::size_t i = 0; i < p.size; ++i) all.push_back(static_cast<double>(values[p.offset + i]));
  return all;
}

/// Every value within `tolerance` of the largest wanted one.
inline void check_close(const std::vector<double>& got, const std::vector<double>& wanted, double tolerance) {
  REQUIRE(got.size() == wanted.size());
  double largest = 0, worst = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    largest = std::fmax(largest, std::abs(wanted[i]));
    worst = worst_of(worst, std::abs(got[i] - wanted[i]));
  }
  CHECK(worst <= tolerance * largest);
}
