#pragma once

#include <charconv>
#include <concepts>
#include <string>

namespace lotar {

/// The shortest text that reads back as the value, the same in every locale: "0.1", "1e-60", "inf".
template <std::floating_point T>
std::string number_text(T value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

}  // namespace lotar
