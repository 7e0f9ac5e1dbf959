#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace lotar {

/// The generator behind numpy.random.seed and numpy.random.shuffle, to make again the subsets that published code drew.
///
/// @source NumPy's RandomState: MT19937, bounded integers by masked rejection, Fisher-Yates from the back.
class NumpyRandom {
 public:
  explicit NumpyRandom(std::uint32_t seed) : bits_(seed) {}

  /// Uniform over the integers in [0, last].
  std::uint32_t interval(std::uint32_t last) {
    if (last == 0) return 0;  // draws nothing
    std::uint32_t mask = last;
    for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
    for (;;) {
      const auto value = static_cast<std::uint32_t>(bits_()) & mask;
      if (value <= last) return value;
    }
  }

  /// @param values  at most 2^32.
  template <class T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i-- > 1;) std::swap(values[i], values[interval(static_cast<std::uint32_t>(i))]);
  }

 private:
  std::mt19937 bits_;
};

}  // namespace lotar
