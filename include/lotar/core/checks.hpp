#pragma once

#include <string>

#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/number_text.hpp>

/// The ranges of options: each throws ConfigError "where: name must be ..., got value" for a value that is outside, or
/// is so once it is rounded to T, as which it is used.
namespace lotar {
namespace detail {

template <class T, class Holds>
void check_range(const char* where, const char* name, const char* range, double value, const Holds& holds) {
  const double used = static_cast<double>(static_cast<T>(value));
  if (holds(value) && holds(used)) return;
  const std::string fault = std::string(where) + ": " + name + " must be " + range + ", got " + number_text(value);
  throw ConfigError(holds(value) ? fault + ", which is used as " + number_text(used) : fault);
}

}  // namespace detail

template <class T = double>
void check_positive(const char* where, const char* name, double value) {
  detail::check_range<T>(where, name, "finite and > 0", value, [](double v) { return v > 0 && is_finite(v); });
}

template <class T = double>
void check_not_negative(const char* where, const char* name, double value) {
  detail::check_range<T>(where, name, "finite and >= 0", value, [](double v) { return v >= 0 && is_finite(v); });
}

template <class T = double>
void check_fraction(const char* where, const char* name, double value) {
  detail::check_range<T>(where, name, "in [0, 1)", value, [](double v) { return v >= 0 && v < 1; });
}

template <class T = double>
void check_within(const char* where, const char* name, double low, double high, double value) {
  const std::string range = "in [" + number_text(low) + ", " + number_text(high) + "]";
  detail::check_range<T>(where, name, range.c_str(), value, [=](double v) { return v >= low && v <= high; });
}

}  // namespace lotar
