#pragma once

#include "cuda_runtime.h"  // first: the library's headers name what it defines

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lotar/core/bf16.hpp>

// Arrays of a type that is known when the program runs, for the stand-ins of cuBLAS and cuDNN.

enum cudaDataType_t { CUDA_R_32F = 0, CUDA_R_64F = 1, CUDA_R_16BF = 14 };

namespace lotar::emulated {

/// Rounded once, not to float first.
inline bf16 to_bf16(double x) {
  float f = static_cast<float>(x);
  if (std::abs(f) > std::abs(x)) f = std::nextafter(f, 0.f);
  if (f != x) f = std::bit_cast<float>(std::bit_cast<std::uint32_t>(f) | 1);  // odd is no tie
  return bf16(f);
}

inline double load(cudaDataType_t type, const void* array, std::size_t i) {
  const auto as = [&](auto value) {
    std::memcpy(&value, static_cast<const std::byte*>(array) + i * sizeof(value), sizeof(value));
    return value;
  };
  return type == CUDA_R_64F ? as(0.) : type == CUDA_R_32F ? as(0.f) : static_cast<float>(as(bf16{}));
}

/// Element i = value + beta element i, where beta = 0 does not read it.
inline void store_scaled(double value, double beta, cudaDataType_t type, void* array, std::size_t i) {
  if (beta != 0) value += beta * load(type, array, i);
  const auto store = [&](auto rounded) {
    std::memcpy(static_cast<std::byte*>(array) + i * sizeof(rounded), &rounded, sizeof(rounded));
  };
  type == CUDA_R_64F ? store(value) : type == CUDA_R_32F ? store(static_cast<float>(value)) : store(to_bf16(value));
}

}  // namespace lotar::emulated
