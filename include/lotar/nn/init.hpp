#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/core/parameters.hpp>
#include <lotar/core/random.hpp>

namespace lotar {

/// The values that a network's parameters start from, in the flat order of the table; gaps are zeros.
///
/// Drawn on the host from (seed, parameter): the same on every backend.
/// @tparam A  float or double
template <class A>
std::vector<A> initial_parameters(const ParameterTable& table, std::uint64_t seed) {
  std::vector<A> values(table.size(), A(0));
  std::uint32_t index = 0;
  for (const Parameter& p : table.parameters()) {
    Random random(seed, 0, index++, 0, operation::initial_parameters);
    const auto scale = static_cast<float>(p.init.scale);
    for (std::size_t i = 0; i < p.size; ++i) {
      float value = scale;
      if (p.init.kind == Init::Kind::normal) value = scale * random.normal();
      if (p.init.kind == Init::Kind::uniform) value = random.uniform(-scale, scale);
      values[p.offset + i] = static_cast<A>(value);
    }
  }
  return values;
}

/// The running statistics a network starts from.
template <class A>
std::vector<A> initial_statistics(const ParameterTable& table) {
  std::vector<A> values(table.statistics_size(), A(0));
  for (const Parameter& p : table.statistics())
    for (std::size_t i = 0; i < p.size; ++i) values[p.offset + i] = static_cast<A>(p.init.scale);
  return values;
}

}  // namespace lotar
