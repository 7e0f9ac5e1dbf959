#pragma once

#include <charconv>
#include <string>

namespace lotar {

/// The shortest text that reads back as the value, the same in every locale: "0.1", "1e-60", "inf".
inline std::string number_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

}  // namespace lotar
