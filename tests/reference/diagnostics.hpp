#pragma once

// Made by diagnostics.py.
// clang-format off

#include <vector>

namespace expected {

/// of x and y, x and x^3, x and -y
inline const std::vector<double> rank_correlations =
    {0.231814023463264, 1, -0.231814023463264};
/// norm, alignment, uniformity and effective rank of matrix [24, 5]
inline const std::vector<double> diagnostics_12x5 =
    {1.41692418025703, 1.77527153979282, -2.41349745490069, 4.3896891917088};
/// norm, alignment, uniformity and effective rank of matrix [6, 8]
inline const std::vector<double> diagnostics_3x8 =
    {1.81923609077611, 2.22177438689339, -2.67104065668644, 4.9494992706157};
/// of matrix [9, 9] plus its transpose
inline const std::vector<double> eigenvalues =
    {-5.1031516485653, -3.94272279718246, -2.50580226228717, -1.62166351443215, -0.953413878386855, 0.1893998124241,
     0.341230552239374, 1.1769425646752, 3.74730617151525};

}  // namespace expected
