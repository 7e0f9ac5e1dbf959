#pragma once

#include <cstdint>

#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

namespace lotar {

/// The upper half of a float: 8 bits of exponent, 8 of precision. A storage type: arithmetic happens in float.
struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN.
  LOTAR_FN explicit bf16(float x) {
    const auto u = detail::bits_as<std::uint32_t>(x);
    bits = x != x ? static_cast<std::uint16_t>(u >> 16 | 0x40)
                  : static_cast<std::uint16_t>((u + 0x7FFF + (u >> 16 & 1)) >> 16);
  }
  LOTAR_FN operator float() const { return detail::bits_as<float>(static_cast<std::uint32_t>(bits) << 16); }
};

namespace detail {
template <class T>
struct AccumOf {
  using type = float;
};
template <>
struct AccumOf<double> {
  using type = double;
};
}  // namespace detail

/// The type in which values stored as T are summed, and in which all state kept between steps is stored: double for
/// double, else float.
template <class T>
using Accum = typename detail::AccumOf<T>::type;

}  // namespace lotar
