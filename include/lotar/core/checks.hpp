#pragma once

#include <string>

#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>

/// The ranges of options: each throws ConfigError "where: name must be ..., got value" for a value outside.
namespace lotar {

/// Finite and > 0; also once it is rounded to T, as which it is used.
template <class T = double>
void check_positive(const char* where, const char* name, double value) {
  const T used = static_cast<T>(value);
  if (!(used > T(0)) || !is_finite(used))
    throw ConfigError(std::string(where) + ": " + name + " must be finite and > 0, got " + std::to_string(value));
}

/// Finite and >= 0.
inline void check_not_negative(const char* where, const char* name, double value) {
  if (!(value >= 0) || !is_finite(value))
    throw ConfigError(std::string(where) + ": " + name + " must be finite and >= 0, got " + std::to_string(value));
}

/// In [0, 1).
inline void check_fraction(const char* where, const char* name, double value) {
  if (!(value >= 0 && value < 1))
    throw ConfigError(std::string(where) + ": " + name + " must be in [0, 1), got " + std::to_string(value));
}

}  // namespace lotar
