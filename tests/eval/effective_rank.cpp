#include <lotar/eval/effective_rank.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

#include "../reference/diagnostics.hpp"
#include "../test.hpp"
#include "projections.hpp"

using lotar::effective_rank;
using lotar::detail::symmetric_eigenvalues;
using Floats = std::vector<float>;

namespace {

void check_near(const std::vector<double>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  double largest = 0;
  for (const double w : wanted) largest = std::max(largest, std::abs(w));
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(std::abs(got[i] - wanted[i]) <= 1e-13 * largest);
}

}  // namespace

TEST_CASE("eigenvalues known by hand") {
  CHECK(symmetric_eigenvalues({}, 0).empty());
  check_near(symmetric_eigenvalues({-7}, 1), {-7});
  check_near(symmetric_eigenvalues({0, 0, 0, 0}, 2), {0, 0});
  check_near(symmetric_eigenvalues({0, 0, 0, -2}, 2), {-2, 0});  // bisection begins at an eigenvalue
  check_near(symmetric_eigenvalues({2, 1, 1, 2}, 2), {1, 3});
  check_near(symmetric_eigenvalues({3, 0, 0, 0, -5, 0, 0, 0, 1}, 3), {-5, 1, 3});
  for (const std::size_t n : {std::size_t{3}, std::size_t{5}, std::size_t{16}, std::size_t{61}}) {
    std::vector<double> ones(n * n, 1), equal(n), second(n * n), cosines;
    equal.back() = static_cast<double>(n);
    check_near(symmetric_eigenvalues(ones, n), equal);
    for (std::size_t i = 0; i < n; ++i) {  // second differences
      second[i * n + i] = 2;
      if (i > 0) second[i * n + i - 1] = second[(i - 1) * n + i] = -1;
      cosines.push_back(2 - 2 * std::cos(std::numbers::pi * static_cast<double>(i + 1) / static_cast<double>(n + 1)));
    }
    check_near(symmetric_eigenvalues(second, n), cosines);
  }
}

TEST_CASE("eigenvalues agree with a reference") {
  const Floats half = matrix(9, 9);
  std::vector<double> a(81);
  for (std::size_t i = 0; i < 9; ++i)
    for (std::size_t j = 0; j < 9; ++j)
      a[i * 9 + j] = static_cast<double>(half[i * 9 + j]) + static_cast<double>(half[j * 9 + i]);
  check_near(symmetric_eigenvalues(a, 9), expected::eigenvalues);
}

TEST_CASE("rows on one line have rank 1, at any scale") {
  CHECK(effective_rank(Floats{1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, 3) == 1);
  CHECK(effective_rank(Floats{1, 2, 3, 4, -2, -4, -6, -8}, 4) == 1);
  CHECK(effective_rank(Floats{1e30f, 2e30f, 1e30f, 2e30f}, 2) == 1);
  CHECK(effective_rank(Floats{1e-30f, 2e-30f, 1e-30f, 2e-30f}, 2) == 1);
  CHECK(effective_rank(Floats{-5}, 1) == 1);
}

TEST_CASE("equal singular values are counted, in tall matrices and wide ones") {
  CHECK(effective_rank(Floats{1, 0, 0, 0, 1, 0, 0, 0, 1}, 3) == doctest::Approx(3).epsilon(1e-13));
  CHECK(effective_rank(Floats{3, 0, 0, 0, 0, 0, -3, 0}, 4) == doctest::Approx(2).epsilon(1e-13));
  CHECK(effective_rank(Floats{2, 0, 0, 2, 2, 0, 0, -2, 0, 0}, 2) == doctest::Approx(2).epsilon(1e-13));
  Floats hadamard(64 * 64);  // orthogonal columns
  for (std::uint32_t i = 0; i < 64; ++i)
    for (std::uint32_t j = 0; j < 64; ++j) hadamard[i * 64 + j] = std::popcount(i & j) % 2 ? -0.01f : 0.01f;
  CHECK(effective_rank(hadamard, 64) == doctest::Approx(64).epsilon(1e-13));
}

TEST_CASE("unequal singular values, by hand") {
  // shares 3/4 and 1/4
  CHECK(effective_rank(Floats{3, 0, 0, 1}, 2) == doctest::Approx(4 / std::pow(3, 0.75)).epsilon(1e-13));
}

TEST_CASE("the rank agrees with a reference's singular values") {
  CHECK(effective_rank(matrix(24, 5), 5) == doctest::Approx(expected::diagnostics_12x5[3]).epsilon(1e-12));
  CHECK(effective_rank(matrix(6, 8), 8) == doctest::Approx(expected::diagnostics_3x8[3]).epsilon(1e-12));
}

TEST_CASE("what has no rank, and what is no matrix") {
  CHECK(std::isnan(effective_rank(Floats(6), 3)));
  CHECK(std::isnan(effective_rank(Floats{1, 2, std::nanf("")}, 3)));
  CHECK(std::isnan(effective_rank(Floats{1, std::numeric_limits<float>::infinity(), 3, 4}, 2)));
  CHECK_THROWS_WITH_AS(effective_rank(Floats(7), 3), "effective_rank: x must be [R, 3] with R, D >= 1, got 7 values",
                       lotar::ShapeError);
  CHECK_THROWS_WITH_AS(effective_rank(Floats(7), 0), "effective_rank: x must be [R, 0] with R, D >= 1, got 7 values",
                       lotar::ShapeError);
  CHECK_THROWS_WITH_AS(effective_rank({}, 3), "effective_rank: x must be [R, 3] with R, D >= 1, got 0 values",
                       lotar::ShapeError);
}
