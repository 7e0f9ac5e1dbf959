#include <lotar/eval/projection_diagnostics.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include "../reference/diagnostics.hpp"
#include "../test.hpp"
#include "projections.hpp"

using lotar::projection_diagnostics;
using lotar::ProjectionDiagnostics;
using Floats = std::vector<float>;

TEST_CASE("equal rows agree in all but their length") {
  const ProjectionDiagnostics d = projection_diagnostics(Floats{3, 4, 3, 4, 6, 8, 0.3f, 0.4f}, 2);
  CHECK(d.norm == doctest::Approx((5 + 5 + 10 + 0.5) / 4).epsilon(1e-7));
  CHECK(d.alignment == doctest::Approx(0).epsilon(1e-13));
  CHECK(d.uniformity == doctest::Approx(0).epsilon(1e-13));
  CHECK(d.effective_rank == doctest::Approx(1).epsilon(1e-6));
}

TEST_CASE("opposite points, whose views agree, and opposite views") {
  const ProjectionDiagnostics points = projection_diagnostics(Floats{0, 2, 0, -3, 0, 2, 0, -3}, 2);
  CHECK(points.norm == 2.5);
  CHECK(points.alignment == 0);
  CHECK(points.uniformity == doctest::Approx(-8).epsilon(1e-15));  // 2 times a squared distance of 4
  CHECK(points.effective_rank == 1);
  const ProjectionDiagnostics views = projection_diagnostics(Floats{0, 2, 0, 2, 0, -5, 0, -5}, 2);
  CHECK(views.alignment == 4);
  CHECK(views.uniformity == 0);
}

TEST_CASE("orthonormal rows") {
  Floats z(2 * 4 * 4);
  for (std::size_t i = 0; i < 8; ++i) z[i * 4 + i % 4] = 1;
  const ProjectionDiagnostics same = projection_diagnostics(z, 4);
  CHECK(same.norm == 1);
  CHECK(same.alignment == 0);
  CHECK(same.uniformity == doctest::Approx(-4).epsilon(1e-15));
  CHECK(same.effective_rank == doctest::Approx(4).epsilon(1e-13));
  for (std::size_t i = 4; i < 8; ++i) z[i * 4 + i % 4] = 0, z[i * 4 + (i + 1) % 4] = -2;
  const ProjectionDiagnostics other = projection_diagnostics(z, 4);
  CHECK(other.norm == 1.5);
  CHECK(other.alignment == 2);
  CHECK(other.uniformity == doctest::Approx(-4).epsilon(1e-15));
}

TEST_CASE("they agree with a reference") {
  const auto check = [](const ProjectionDiagnostics& got, const std::vector<double>& wanted) {
    CHECK(got.norm == doctest::Approx(wanted[0]).epsilon(1e-12));
    CHECK(got.alignment == doctest::Approx(wanted[1]).epsilon(1e-12));
    CHECK(got.uniformity == doctest::Approx(wanted[2]).epsilon(1e-12));
    CHECK(got.effective_rank == doctest::Approx(wanted[3]).epsilon(1e-12));
  };
  check(projection_diagnostics(matrix(24, 5), 5), expected::diagnostics_12x5);
  check(projection_diagnostics(matrix(6, 8), 8), expected::diagnostics_3x8);
}

TEST_CASE("what a batch has not is NaN") {
  const ProjectionDiagnostics zero = projection_diagnostics(Floats(12), 3);
  CHECK(zero.norm == 0);
  CHECK(zero.alignment == 0);
  CHECK(zero.uniformity == 0);
  CHECK(std::isnan(zero.effective_rank));
  const ProjectionDiagnostics one = projection_diagnostics(Floats{1, 0, 0, 1}, 2);
  CHECK(one.alignment == 2);
  CHECK(std::isnan(one.uniformity));
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    const ProjectionDiagnostics d = projection_diagnostics(Floats{1, 2, 3, 4, 5, 6, 7, bad}, 2);
    CHECK(std::isnan(d.norm));
    CHECK(std::isnan(d.alignment));
    CHECK(std::isnan(d.uniformity));
    CHECK(std::isnan(d.effective_rank));
  }
}

TEST_CASE("what is no batch of two views is refused") {
  const auto refuse = [](std::size_t values, std::size_t width, const char* message) {
    CHECK_THROWS_WITH_AS(projection_diagnostics(Floats(values), width), message, lotar::ShapeError);
  };
  refuse(9, 3, "projection_diagnostics: z must be [2n, 3] with n, D >= 1, got 9 values");
  refuse(4, 3, "projection_diagnostics: z must be [2n, 3] with n, D >= 1, got 4 values");
  refuse(0, 3, "projection_diagnostics: z must be [2n, 3] with n, D >= 1, got 0 values");
  refuse(6, 0, "projection_diagnostics: z must be [2n, 0] with n, D >= 1, got 6 values");
}
