#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>

namespace lotar {

namespace detail {

/// A symmetric matrix with entries beside its diagonal only.
struct Tridiagonal {
  std::vector<double> diagonal;  ///< [n]
  std::vector<double> squares;   ///< [n] of the entry right of each diagonal one; the last is 0
};

/// The tridiagonal matrix with the eigenvalues of a, by Householder's reflections.
/// @param a  [n, n] symmetric
inline Tridiagonal tridiagonal(std::vector<double> a, std::size_t n) {
  Tridiagonal t{std::vector<double>(n), std::vector<double>(n)};
  std::vector<double> v(n), w(n);
  for (std::size_t k = 0; k < n; ++k) {
    const double* row = a.data() + k * n;
    t.diagonal[k] = row[k];
    for (std::size_t j = k + 1; j < n; ++j) t.squares[k] += row[j] * row[j];
    if (k + 2 >= n || t.squares[k] == 0) continue;
    // H = 1 - beta v v^T takes this row to its first entry; the rest of a becomes H a H = a - v w^T - w v^T with
    // w = p - (beta/2) (p^T v) v and p = beta a v.
    std::copy(row + k + 1, row + n, v.data() + k + 1);
    const double first = v[k + 1], norm = std::copysign(std::sqrt(t.squares[k]), first);
    const double beta = 1 / (t.squares[k] + norm * first);
    v[k + 1] += norm;
    std::fill(w.begin(), w.end(), 0.0);
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = k + 1; j < n; ++j) w[j] += beta * v[i] * a[i * n + j];
    double along = 0;
    for (std::size_t j = k + 1; j < n; ++j) along += w[j] * v[j];
    for (std::size_t j = k + 1; j < n; ++j) w[j] -= beta / 2 * along * v[j];
    for (std::size_t i = k + 1; i < n; ++i)
      for (std::size_t j = k + 1; j < n; ++j) a[i * n + j] -= v[i] * w[j] + w[i] * v[j];
  }
  return t;
}

/// The eigenvalues of a symmetric matrix, rising, to about 1e-15 of the largest magnitude.
///
/// Bisection of the tridiagonal form needs no case for failure: as many eigenvalues lie below x as pivots of t - x are
/// negative. (Jacobi's rotations took 25 times as long at n = 512.)
/// @param a  [n, n] symmetric and finite
inline std::vector<double> symmetric_eigenvalues(std::vector<double> a, std::size_t n) {
  const Tridiagonal t = tridiagonal(std::move(a), n);
  const auto below = [&](double x) {
    constexpr double least = 1e-290;  // no pivot is 0
    std::size_t negative = 0;
    double pivot = 1;
    for (std::size_t i = 0; i < n; ++i) {
      pivot = t.diagonal[i] - x - (i > 0 ? t.squares[i - 1] / pivot : 0);
      if (std::abs(pivot) < least) pivot = -least;
      negative += pivot < 0 ? 1 : 0;
    }
    return negative;
  };
  double bound = 0;  // Gershgorin's
  for (std::size_t i = 0; i < n; ++i)
    bound =
        std::max(bound, std::abs(t.diagonal[i]) + std::sqrt(t.squares[i]) + std::sqrt(i > 0 ? t.squares[i - 1] : 0));
  std::vector<double> values(n);
  for (std::size_t k = 0; k < n; ++k) {
    double low = -bound, high = bound;
    for (int halvings = 0; halvings < 56; ++halvings) {
      const double middle = (low + high) / 2;
      (below(middle) <= k ? low : high) = middle;
    }
    values[k] = (low + high) / 2;
  }
  return values;
}

}  // namespace detail

/// The number of dimensions that the rows of a matrix use: exp of the entropy of its normalised singular values.
///
/// Features that collapse onto a few directions have a low one, which a loss that is blind to it does not tell.
/// @param x      [R, D] in rows, R >= 1
/// @param width  D >= 1
/// @return from 1, all rows on one line, to min(R, D), all singular values equal; NaN if x is zero or not finite.
///         Singular values below 1e-7 of the largest, the rounding of float, count as zero.
/// @throws ShapeError if x has no rows, or a part of one.
/// @cost   R D min(R, D) flops and 4/3 min(R, D)^3 for the eigenvalues of the Gram matrix; some 0.03 s for 1024
///         rows of 128.
/// @source Roy and Vetterli 2007, The effective rank; Garrido et al. 2023, RankMe, arXiv:2210.02885.
inline double effective_rank(std::span<const float> x, std::size_t width) {
  if (width == 0 || x.empty() || x.size() % width != 0)
    throw ShapeError("effective_rank: x must be [R, " + std::to_string(width) + "] with R, D >= 1, got " +
                     std::to_string(x.size()) + " values");
  const std::size_t rows = x.size() / width, n = std::min(rows, width);
  // The n vectors whose products are wanted, one a column: [length, n].
  const std::size_t length = std::max(rows, width);
  std::vector<double> columns(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i])) return std::numeric_limits<double>::quiet_NaN();
    columns[rows < width ? i % width * rows + i / width : i] = static_cast<double>(x[i]);
  }
  std::vector<double> gram(n * n);
  for (std::size_t k = 0; k < length; ++k)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) gram[i * n + j] += columns[k * n + i] * columns[k * n + j];

  std::vector<double> singular;
  const std::vector<double> squares = detail::symmetric_eigenvalues(std::move(gram), n);
  double sum = 0;
  for (const double s : squares) {
    if (s < 1e-14 * squares.back()) continue;
    singular.push_back(std::sqrt(s));
    sum += singular.back();
  }
  double entropy = 0;
  for (const double s : singular) entropy -= s / sum * std::log(s / sum);
  return std::exp(entropy);  // of 0 / 0 where x is zero
}

}  // namespace lotar
