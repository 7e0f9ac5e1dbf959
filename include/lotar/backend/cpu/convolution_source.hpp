#pragma once

#include <cstddef>

#include <lotar/backend/cpu/independent.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

/// The images that a convolution reads, and by what they are normalized on the way: see ConvInput.
template <class T>
struct ConvolutionSource {
  const T* data;
  const Accum<T>* norm = nullptr;  ///< null: none; [3][c]

  /// `pixels` neighbours of c channels from the pixel-th on; if they are normalized, in `buffer`.
  const T* line(std::size_t pixel, std::size_t pixels, std::size_t c, T* buffer) const {
    const T* const from = data + pixel * c;
    if (norm == nullptr) return from;
    using A = Accum<T>;
    const A *const mean = norm, *const factor = mean + c, *const beta = factor + c;
    for (std::size_t i = 0; i < pixels * c; i += c)
      independent(0, c, [=](std::size_t k) {
        buffer[i + k] = static_cast<T>(max(norm_value(from[i + k], mean[k], factor[k], beta[k]), A(0)));
      });
    return buffer;
  }
};

}  // namespace lotar::detail
