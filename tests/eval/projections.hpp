#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

/// The matrix of tests/reference/diagnostics.py; exact in float.
inline std::vector<float> matrix(std::size_t rows, std::size_t columns) {
  std::vector<float> values;
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < columns; ++j) {
      const int whole = static_cast<int>((37 * i + 61 * j + 13 * i * j) % 101) - 50;
      values.push_back(std::ldexp(static_cast<float>(whole), -5 - static_cast<int>(j % 3)));
    }
  return values;
}
