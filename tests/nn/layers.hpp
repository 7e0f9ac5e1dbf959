#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/distributed.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/nn/state.hpp>

#include "../test.hpp"

// What the tests of nn/ share.

template <std::size_t N, class T = double>
using Array = lotar::Tensor<T, N, TestBackend>;

/// The noise of tests/reference/resnet.py: multiples of 2^-23 in [-1, 1), by splitmix64 of a stream and a place.
inline double noise(std::size_t stream, std::size_t place) {
  std::uint64_t u = ((static_cast<std::uint64_t>(stream) << 32) + place + 1) * 0x9E3779B97F4A7C15u;
  u = (u ^ u >> 30) * 0xBF58476D1CE4E5B9u;
  u = (u ^ u >> 27) * 0x94D049BB133111EBu;
  return (static_cast<double>((u ^ u >> 31) >> 40) - 0x1p23) * 0x1p-23;
}

template <class T = double>
std::vector<T> noise_values(std::size_t n, std::size_t stream) {
  std::vector<T> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = static_cast<T>(noise(stream, i));
  return values;
}

/// sum of noise * values, the loss of every test.
template <class T>
double noise_sum(const std::vector<T>& values, std::size_t stream) {
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) sum += noise(stream, i) * static_cast<double>(values[i]);
  return sum;
}

/// The named entry of a table's parameters or statistics.
inline const lotar::Parameter& entry(const std::vector<lotar::Parameter>& list, const std::string& name) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const lotar::Parameter& p) { return p.name == name; });
  REQUIRE(found != list.end());
  return *found;
}

/// The part of a flat array that an entry names.
template <class T>
std::vector<T> part(const std::vector<T>& flat, const lotar::Parameter& p) {
  const auto first = flat.begin() + static_cast<std::ptrdiff_t>(p.offset);
  return {first, first + static_cast<std::ptrdiff_t>(p.size)};
}

/// Compares the gradients of sum(noise * y), for a layer's inputs and for its parameters, with central differences.
///
/// @param inputs    how many numbers `forward` takes
/// @param forward   (b, numbers, pass) gives y, a tensor of any extents
/// @param backward  (b, dy, pass) gives the gradients of the numbers, on the host
template <class Forward, class Backward>
void check_gradients(const lotar::ParameterTable& table, std::size_t inputs, const Forward& forward,
                     const Backward& backward) {
  TestBackend b;
  lotar::NetworkState<double, TestBackend> state(b, table, 1);
  std::vector<double> x = noise_values(inputs, 1), values = state.values.to_host(b);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] += .2 * noise(2, i);

  const auto loss = [&] {
    b.upload(values, state.values.flat());
    auto pass = state.pass(b, true);
    return noise_sum(forward(b, x, pass).to_host(b), 3);
  };
  b.upload(values, state.values.flat());
  auto pass = state.pass(b, true);
  auto y = forward(b, x, pass);
  std::decay_t<decltype(y)> dy(b, y.extents, noise_values(y.size(), 3));
  const std::vector<double> dx = backward(b, std::move(dy), pass), gradients = state.gradients.to_host(b);
  CHECK(pass.tape.empty());
  REQUIRE(dx.size() == x.size());

  const auto check = [&](double& at, double gradient) {
    constexpr double step = 1e-6;  // short, so that no ReLU turns; the loss has some 15 digits
    const double here = at;
    at = here + step;
    const double up = loss();
    at = here - step;
    const double down = loss();
    at = here;
    CHECK(gradient == doctest::Approx((up - down) / (2 * step)).epsilon(1e-6));
  };
  for (std::size_t i = 0; i < x.size(); ++i) check(x[i], dx[i]);
  for (const lotar::Parameter& p : table.parameters())
    for (std::size_t i = p.offset; i < p.offset + p.size; ++i) check(values[i], gradients[i]);
}

/// A distributed backend of one process.
struct OneRank : TestBackend {
  OneRank() = default;
  explicit OneRank(TestBackend base) : TestBackend(std::move(base)) {}
  OneRank fork() const { return OneRank(TestBackend::fork()); }
  std::size_t rank() const { return 0; }
  std::size_t ranks() const { return 1; }
  template <class T>
  void all_reduce(const lotar::View<T, 1, Memory>&) {}
  template <class T, std::size_t N>
  void all_gather(const std::type_identity_t<lotar::View<const T, N, Memory>>& part,
                  const lotar::View<T, N, Memory>& whole) {
    copy(part, whole);
  }
};
static_assert(lotar::Distributed<OneRank>);
