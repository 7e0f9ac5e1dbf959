#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/padded_convolution.hpp>
#include <lotar/backend/cuda/planned_convolution.hpp>
#include <lotar/backend/cuda/pointwise_convolution.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/backend/cuda/tensor_core_convolution.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/pack.hpp>

namespace lotar::detail {

/// Runs a convolution whose factors are T by our own kernels if it is one of theirs, or else by the first of
/// these that cuDNN has a plan for: few channels of bf16 as more; where the result is wider than T, through a
/// scratch of T; straight into the result; where cuDNN cannot add to that, through a scratch of its type; else
/// by `direct` over [rows, cols].
///
/// The wider result is a filter's gradient of bf16. cuDNN's engines for it do not split the sums over pixels, and take
/// up to thirty times as long, so it is rounded to bf16 once, after sums of floats, as under PyTorch's autocast: an
/// element changes by up to 2^-8 of it.
/// @param extras  none but for our own kernels
/// @throws CudaError if it can do none of these, and something is amiss with cuDNN.
template <class T, class Result, class F>
void convolve(CudaStream& stream, const ConvolutionProblem& problem, const ConvolutionArrays& arrays,
              const TensorCoreExtras& extras, Result* result, std::size_t rows, std::size_t cols, const F& direct) {
  if (by_tensor_cores(stream, problem, arrays)) return run_tensor_cores(stream, problem, arrays, extras);
  std::string amiss;
  if constexpr (std::is_same_v<T, bf16> && std::is_same_v<T, Result>)
    if (run_padded(stream, problem, arrays, amiss)) return;
  if constexpr (!std::is_same_v<T, Result>)
    if (run_through<T>(stream, problem, arrays, result, rows, cols, amiss)) return;
  if (run_straight(stream, problem, arrays, amiss)) return;
  if (problem.beta != 0 && run_through<Result>(stream, problem, arrays, result, rows, cols, amiss)) return;
  if (!amiss.empty()) throw CudaError("conv2d: no plan: " + amiss);
  launch_loop(stream.get(), rows, cols, direct);
}

/// What cuDNN is told of an array: it writes only to results.
template <class T, class Memory>
void* dnn_data(const View<T, 4, Memory>& v) {
  return const_cast<void*>(static_cast<const void*>(v.data));
}

template <class T, class Memory>
ConvolutionProblem forward_problem(const View<const T, 4, Memory>& x, const View<const T, 4, Memory>& filter,
                                   Conv2d conv, const View<T, 4, Memory>& y) {
  return {ConvolutionKind::forward, storage<T>, storage<T>, {x.extents, filter.extents, y.extents}, conv, 0};
}

/// The norm that a convolution applies to what it reads.
/// @throws ShapeError if it does not fit, ConfigError if the convolution applies none.
template <class T, class Memory>
const float* norm_of(const char* call, CudaStream& stream, const ConvInput<T, Memory>& input,
                     const ConvolutionProblem& problem, const ConvolutionArrays& arrays) {
  if (input.norm.data == nullptr) return nullptr;
  check_shape(call, "norm", Extents<2>{{3, input.x.extent(3)}}, input.norm.extents);
  if constexpr (std::is_same_v<T, bf16>)
    if (normalized_by_tensor_cores(stream, problem, arrays)) return input.norm.data;
  throw ConfigError(
      std::string(call) +
      ": wanted a convolution that normalizes what it reads (see conv2d_normalizes), x aligned to 16 bytes, got " +
      to_string(problem, alignments(arrays), stream.device().capability()));
}

/// @param moments  of a convolution by our own kernels, or none
template <class T, class Memory>
void conv2d_forward(CudaStream& stream, const ConvInput<T, Memory>& input, const View<const T, 4, Memory>& filter,
                    Conv2d conv, const View<T, 4, Memory>& y, const ResultMoments64& moments = {}) {
  const View<const T, 4, Memory>& x = input.x;
  check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  if (y.size() == 0) return;
  const DirectForward<T, Memory> direct{x, filter, conv, y};
  const std::size_t pixels = y.size() / y.extent(3);
  if (x.size() == 0) return launch_loop(stream.get(), pixels, y.extent(3), direct);
  const ConvolutionProblem problem = forward_problem(x, filter, conv, y);
  const ConvolutionArrays arrays{dnn_data(x), dnn_data(filter), dnn_data(y)};
  const float* const norm = norm_of("conv2d_forward", stream, input, problem, arrays);
  convolve<T>(stream, problem, arrays, {norm, moments}, y.data, pixels, y.extent(3), direct);
}

/// How many parts' moments the forward convolution takes.
template <class T, class Memory>
std::size_t conv2d_moment_parts(CudaStream& stream, const View<const T, 4, Memory>& x,
                                const View<const T, 4, Memory>& filter, Conv2d conv, const View<T, 4, Memory>& y) {
  check_shape("conv2d_moment_parts", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  const ConvolutionArrays arrays{dnn_data(x), dnn_data(filter), dnn_data(y)};
  if (x.size() == 0 || !by_tensor_cores(stream, forward_problem(x, filter, conv, y), arrays)) return 0;
  return tensor_core_parts(stream, x.extents);
}

template <class T, class Memory>
void conv2d_forward(CudaStream& stream, const ConvInput<T, Memory>& x, const View<const T, 4, Memory>& filter,
                    Conv2d conv, const View<T, 4, Memory>& y, const ColumnMoments<Accum<T>, Memory>& moments) {
  const Extents<2> parts{{conv2d_moment_parts(stream, x.x, filter, conv, y), y.extent(3)}};
  check_shape("conv2d_forward", "moments.mean", parts, moments.mean.extents);
  check_shape("conv2d_forward", "moments.squares", parts, moments.squares.extents);
  check_shape("conv2d_forward", "moments.counts", Extents<1>{{parts[0]}}, moments.counts.extents);
  ResultMoments64 taken{};
  if constexpr (std::is_same_v<T, bf16>)
    if (parts[0] > 0) taken = {moments.mean.data, moments.squares.data, moments.counts.data};
  conv2d_forward<T, Memory>(stream, x, filter, conv, y, taken);
}

/// Whether convolutions forward and to the filter normalize an x that begins at a multiple of 16 bytes.
template <class T, class Memory>
bool conv2d_normalizes(CudaStream& stream, const Extents<4>& x, const View<const T, 4, Memory>& filter, Conv2d conv) {
  const Extents<4> y = conv2d_output(x, filter.extents, conv);
  const auto normalized = [&](ConvolutionKind kind, Storage result) {
    return normalized_by_tensor_cores(stream, {kind, storage<T>, result, {x, filter.extents, y}, conv, 0},
                                      {nullptr, dnn_data(filter), nullptr});
  };
  return x.size() > 0 && normalized(ConvolutionKind::forward, storage<T>) &&
         normalized(ConvolutionKind::backward_filter, storage<Accum<T>>);
}

template <class T, class Memory>
ConvolutionProblem backward_data_problem(const View<const T, 4, Memory>& dy, const View<const T, 4, Memory>& filter,
                                         Conv2d conv, double beta, const View<T, 4, Memory>& dx) {
  return {ConvolutionKind::backward_data, storage<T>, storage<T>, {dx.extents, filter.extents, dy.extents}, conv, beta};
}

template <class T, class Memory>
void conv2d_backward_data(CudaStream& stream, const View<const T, 4, Memory>& dy,
                          const View<const T, 4, Memory>& filter, Conv2d conv, double beta,
                          const View<T, 4, Memory>& dx) {
  check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  if (dx.size() == 0 || add_pointwise_gradient(stream, dy, filter, conv, beta, dx)) return;
  convolve<T>(stream, backward_data_problem(dy, filter, conv, beta, dx), {dnn_data(dx), dnn_data(filter), dnn_data(dy)},
              {}, dx.data, dx.size() / dx.extent(3), dx.extent(3),
              DirectBackwardData<T, Memory>{dy, filter, conv, beta, dx});
}

/// Of how many parts the gradient's sums are taken.
template <class T, class Memory>
std::size_t conv2d_norm_sum_parts(CudaStream& stream, const View<const T, 4, Memory>& dy,
                                  const View<const T, 4, Memory>& filter, const ConvInput<T, Memory>& x, Conv2d conv,
                                  const View<T, 4, Memory>& dx) {
  check_shape("conv2d_norm_sum_parts", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  check_shape("conv2d_norm_sum_parts", "x", dx.extents, x.x.extents);
  const ConvolutionArrays arrays{dnn_data(dx), dnn_data(filter), dnn_data(dy)};
  if (dx.size() == 0 || !are_aligned(x.x.data) ||
      !by_tensor_cores(stream, backward_data_problem(dy, filter, conv, 0, dx), arrays))
    return 0;
  return tensor_core_parts(stream, dx.extents);
}

template <class T, class Memory>
void conv2d_backward_data(CudaStream& stream, const View<const T, 4, Memory>& dy,
                          const View<const T, 4, Memory>& filter, const ConvInput<T, Memory>& x, Conv2d conv,
                          const View<T, 4, Memory>& dx, const NormSums<Accum<T>, Memory>& sums) {
  const Extents<2> parts{{conv2d_norm_sum_parts(stream, dy, filter, x, conv, dx), dx.extent(3)}};
  check_shape("conv2d_backward_data", "x.norm", Extents<2>{{3, dx.extent(3)}}, x.norm.extents);
  check_shape("conv2d_backward_data", "sums.sum", parts, sums.sum.extents);
  check_shape("conv2d_backward_data", "sums.product", parts, sums.product.extents);
  if constexpr (std::is_same_v<T, bf16>)
    if (parts[0] > 0)
      return run_tensor_cores(stream, backward_data_problem(dy, filter, conv, 0, dx),
                              {dnn_data(dx), dnn_data(filter), dnn_data(dy)},
                              {.sums = {x.x.data, x.norm.data, sums.sum.data, sums.product.data}});
  conv2d_backward_data<T, Memory>(stream, dy, filter, conv, 0, dx);
}

template <class T, class Memory>
void conv2d_backward_filter(CudaStream& stream, const ConvInput<T, Memory>& input, const View<const T, 4, Memory>& dy,
                            Conv2d conv, double beta, const View<Accum<T>, 4, Memory>& dfilter) {
  const View<const T, 4, Memory>& x = input.x;
  check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
  const DirectBackwardFilter<T, Memory> direct{x, dy, conv, beta, dfilter};
  const std::size_t positions = dfilter.size() / dfilter.extent(3);
  if (x.size() == 0) return launch_loop(stream.get(), positions, dfilter.extent(3), direct);
  const ConvolutionProblem problem{ConvolutionKind::backward_filter,         storage<T>, storage<Accum<T>>,
                                   {x.extents, dfilter.extents, dy.extents}, conv,       beta};
  const ConvolutionArrays arrays{dnn_data(x), dnn_data(dfilter), dnn_data(dy)};
  const float* const norm = norm_of("conv2d_backward_filter", stream, input, problem, arrays);
  convolve<T>(stream, problem, arrays, {norm}, dfilter.data, positions, dfilter.extent(3), direct);
}

}  // namespace lotar::detail
