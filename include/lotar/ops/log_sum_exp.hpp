#pragma once

#include <cstddef>

#include <lotar/core/math.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {

/// log sum_i exp(x_i), in two parts that keep the digits of a difference from it where the x_i are large.
template <class T>
struct LogSumExp {
  T top;   ///< the largest x_i
  T rest;  ///< log sum_i exp(x_i - top), in [0, log n]

  /// log sum_i exp(x_i) - x: minus the log of the softmax at x.
  LOTAR_FN T minus(T x) const { return (top - x) + rest; }
};

/// log sum_i exp(g(i)) over i < n, by all threads of a block, each of which gets it.
///
/// Nothing overflows; g(i) = -infinity leaves i out, and at least one value is finite.
template <class Block, class G>
LOTAR_FN auto log_sum_exp(Block& block, std::size_t n, const G& g) {
  const auto top = block_max(block, n, g);
  const auto rest = log(block_sum(block, n, [&g, top](std::size_t i) { return exp(g(i) - top); }));
  return LogSumExp<decltype(g(n))>{top, rest};
}

}  // namespace lotar
