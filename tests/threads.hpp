#pragma once

#include "test.hpp"

/// A backend that runs on so many threads, where it can be told: results must be the same bits for all numbers.
template <class B>
B with_threads(int threads) {
  if constexpr (requires(B & b) { b.threads(); })
    return B({threads});
  else
    return B();
}
