#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/backend/cuda/tensor_core_convolution.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

/// What convolutions read that is still to be normalized: see ConvInput.
namespace lotar::detail {

/// f(pixel, channel)
template <class T>
struct NormalizeInput {
  const T* x;
  const Accum<T>* norm;  // [3, channels]
  std::size_t channels;
  T* to;
  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    using A = Accum<T>;
    const std::size_t i = pixel * channels + c;
    to[i] = static_cast<T>(max(norm_value(x[i], norm[c], norm[channels + c], norm[2 * channels + c]), A(0)));
  }
};

/// An input as a convolution reads it: as it is, with the norm that the convolution applies, if any; or a normalized
/// copy.
template <class T, class Memory>
struct NormalizedInput {
  std::shared_ptr<T[]> copy;
  View<const T, 4, Memory> x;
  const float* norm = nullptr;

  /// @param arrays  of the convolution; that of x becomes the one that is to be read
  /// @throws ShapeError if the norm does not fit.
  NormalizedInput(const char* call, CudaStream& stream, const ConvInput<T, Memory>& input,
                  const ConvolutionProblem& problem, ConvolutionArrays& arrays)
      : x(input.x) {
    if (input.norm.data == nullptr) return;
    const std::size_t channels = x.extent(3);
    check_shape(call, "norm", Extents<2>{{3, channels}}, input.norm.extents);
    if constexpr (std::is_same_v<T, bf16>)
      if (normalized_by_tensor_cores(stream, problem, arrays)) {
        norm = input.norm.data;
        return;
      }
    copy = stream.allocate<T>(x.size());
    if (x.size() > 0)
      launch_loop(stream.get(), x.size() / channels, channels,
                  NormalizeInput<T>{x.data, input.norm.data, channels, copy.get()});
    x.data = copy.get();
    arrays[0] = copy.get();
  }
};

}  // namespace lotar::detail
