#pragma once

#include <cmath>
#include <limits>
#include <type_traits>

/// The larger of the worst error so far and one more. NaN counts as infinity; std::max and std::fmax may drop it.
template <class T>
T worst_of(T worst, std::type_identity_t<T> error) {
  if (error <= worst) return worst;
  return std::isnan(error) ? std::numeric_limits<T>::infinity() : error;
}
