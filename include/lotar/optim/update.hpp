#pragma once

#include <cstddef>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/clock.hpp>
#include <lotar/core/math.hpp>

/// What the optimizers share.
namespace lotar {

namespace detail {

/// Values that one block updates.
inline constexpr std::size_t update_tile = 4096;

inline constexpr std::size_t update_tiles(std::size_t values) { return (values + update_tile - 1) / update_tile; }

/// The learning rate of the step that the clock shows. The last rate holds for all later steps.
template <class Memory>
struct StepRate {
  View<const float, 1, Memory> rates;
  View<const Clock, 1, Memory> clock;

  LOTAR_FN std::size_t step() const { return clock(0).step; }
  LOTAR_FN float operator()() const { return rates(min(step(), rates.extent(0) - 1)); }
};

/// @throws ShapeError unless values and gradients are [size], rates [steps >= 1] and clock [1].
template <class B, class A>
StepRate<typename B::Memory> check_update(const char* where, std::size_t size, Out<A, 1, B> values,
                                          In<A, 1, B> gradients, In<float, 1, B> rates, In<Clock, 1, B> clock) {
  check_shape(where, "values", Extents<1>{size}, values.extents);
  check_shape(where, "gradients", Extents<1>{size}, gradients.extents);
  check_shape(where, "clock", Extents<1>{1}, clock.extents);
  if (rates.extent(0) == 0) throw ShapeError(std::string(where) + ": rates must have at least one entry, got [0]");
  return {rates, clock};
}

}  // namespace detail
}  // namespace lotar
