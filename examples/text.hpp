#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace examples {

/// A number with so many decimals, in any locale with a point; "0", never "-0".
inline std::string fixed(double value, int decimals) {
  char text[400];
  const auto end = std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, decimals).ptr;
  const std::string_view written(text, static_cast<std::size_t>(end - text));
  const bool minus_zero = written.starts_with('-') && written.find_first_not_of("-0.") == std::string_view::npos;
  return std::string(minus_zero ? written.substr(1) : written);
}

/// "1:02:03", "2:03" or "0:03"
inline std::string clock_text(double seconds) {
  const auto s = static_cast<std::uint64_t>(std::clamp(seconds, 0.0, 3.6e9));
  const auto two = [](std::uint64_t n) { return std::to_string(100 + n).substr(1); };
  const std::uint64_t hours = s / 3600, minutes = s / 60 % 60;
  const std::string start = hours > 0 ? std::to_string(hours) + ":" + two(minutes) : std::to_string(minutes);
  return start + ":" + two(s % 60);
}

}  // namespace examples
