#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "../test.hpp"

/// Projections [rows, cols] by a formula: sin(1 + 0.7 i + 1.3 j + 0.11 i j) (1 + 0.1 i), as in tests/reference/loss.py.
template <class T>
std::vector<T> wave(std::size_t rows, std::size_t cols) {
  std::vector<T> z;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t c = 0; c < cols; ++c) {
      const double i = static_cast<double>(r), j = static_cast<double>(c);
      z.push_back(static_cast<T>(std::sin(1 + .7 * i + 1.3 * j + .11 * i * j) * (1 + .1 * i)));
    }
  return z;
}

template <class T>
void check_near(const std::vector<T>& got, const std::vector<double>& wanted, double tolerance) {
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(static_cast<double>(got[i]) - wanted[i]) <= tolerance * (1 + std::abs(wanted[i])));
}
