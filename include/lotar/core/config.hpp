#pragma once

/// Marks a function that kernels call: compiled for the host, and for the device where a CUDA compiler reads it.
#if defined(__CUDACC__)
#define LOTAR_FN __host__ __device__
#else
#define LOTAR_FN
#endif

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "lotar: -ffast-math or -ffinite-math-only breaks its reproducible random draws and its checks for non-finite losses; compile without it"
#endif

#if defined(_MSVC_LANG) ? _MSVC_LANG < 202002L : __cplusplus < 202002L
#error "lotar: C++20 is needed: link lotar::lotar, or pass -std=c++20 (to nvcc as well)"
#endif

namespace lotar {

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;
inline constexpr const char* version = "0.1.0";

}  // namespace lotar
