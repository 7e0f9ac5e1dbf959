#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/plans.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>

namespace lotar::detail {

/// to = from + beta to.
template <class T, class Result>
struct AddConverted {
  const T* from;
  double beta;
  Result* to;
  LOTAR_FN void operator()(std::size_t i) const { add_scaled(static_cast<Accum<Result>>(from[i]), beta, to[i]); }
};

/// Runs a convolution by cuDNN.
/// @param amiss  out: what may have kept cuDNN from having a plan, if anything
/// @return false if it has no plan for it
inline bool run_plan(CudaStream& stream, const ConvolutionProblem& problem, const ConvolutionArrays& arrays,
                     std::string& amiss) {
  const auto allocate = [&](std::size_t bytes) { return stream.allocate<std::byte>(bytes); };
  const ConvolutionPlans::Found& found = stream.plans().find(problem, arrays, allocate);
  if (!found.plan) {
    if (!found.amiss.empty()) amiss = found.amiss;
    return false;
  }
  const auto workspace = allocate(found.plan->workspace_bytes());
  found.plan->run(stream.plans().handle(), arrays, workspace.get());
  return true;
}

/// Runs a convolution by cuDNN into a scratch of S, and adds that to the n results. @return false if it has no plan.
template <class S, class Result>
bool run_through(CudaStream& stream, ConvolutionProblem problem, ConvolutionArrays arrays, Result* result,
                 std::size_t n, std::string& amiss) {
  const auto scratch = stream.allocate<S>(n);
  const double beta = std::exchange(problem.beta, 0);
  problem.result = storage<S>;
  arrays[problem.result_array()] = scratch.get();
  if (!run_plan(stream, problem, arrays, amiss)) return false;
  launch_loop(stream.get(), n, AddConverted<S, Result>{scratch.get(), beta, result});
  return true;
}

/// Runs a convolution whose factors are T: straight into its result; where cuDNN cannot add to that, through a scratch;
/// where it cannot write its type, through one of T; where it cannot do that, by `direct` over [rows, cols].
/// @throws CudaError if it can do none of these, and something is amiss with cuDNN.
template <class T, class Result, class F>
void convolve(CudaStream& stream, ConvolutionProblem problem, ConvolutionArrays arrays, Result* result,
              std::size_t rows, std::size_t cols, const F& direct) {
  std::string amiss;
  if (run_plan(stream, problem, arrays, amiss)) return;
  const std::size_t n = rows * cols;
  if (problem.beta != 0 && run_through<Result>(stream, problem, arrays, result, n, amiss)) return;
  if (!std::is_same_v<T, Result> && run_through<T>(stream, problem, arrays, result, n, amiss)) return;
  if (!amiss.empty()) throw CudaError("conv2d: no plan: " + amiss);
  launch_loop(stream.get(), rows, cols, direct);
}

/// What cuDNN is told of an array: it writes only to results.
template <class T, class Memory>
void* dnn_data(const View<T, 4, Memory>& v) {
  return const_cast<void*>(static_cast<const void*>(v.data));
}

template <class T, class Memory>
void conv2d_forward(CudaStream& stream, const View<const T, 4, Memory>& x, const View<const T, 4, Memory>& filter,
                    Conv2d conv, const View<T, 4, Memory>& y) {
  check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  if (y.size() == 0) return;
  const DirectForward<T, Memory> direct{x, filter, conv, y};
  const std::size_t pixels = y.size() / y.extent(3);
  if (x.size() == 0) return launch_loop(stream.get(), pixels, y.extent(3), direct);
  convolve<T>(stream,
              {ConvolutionKind::forward, storage<T>, storage<T>, {x.extents, filter.extents, y.extents}, conv, 0},
              {dnn_data(x), dnn_data(filter), dnn_data(y)}, y.data, pixels, y.extent(3), direct);
}

template <class T, class Memory>
void conv2d_backward_data(CudaStream& stream, const View<const T, 4, Memory>& dy,
                          const View<const T, 4, Memory>& filter, Conv2d conv, double beta,
                          const View<T, 4, Memory>& dx) {
  check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  if (dx.size() == 0) return;
  convolve<T>(
      stream,
      {ConvolutionKind::backward_data, storage<T>, storage<T>, {dx.extents, filter.extents, dy.extents}, conv, beta},
      {dnn_data(dx), dnn_data(filter), dnn_data(dy)}, dx.data, dx.size() / dx.extent(3), dx.extent(3),
      DirectBackwardData<T, Memory>{dy, filter, conv, beta, dx});
}

template <class T, class Memory>
void conv2d_backward_filter(CudaStream& stream, const View<const T, 4, Memory>& x, const View<const T, 4, Memory>& dy,
                            Conv2d conv, double beta, const View<Accum<T>, 4, Memory>& dfilter) {
  check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
  const DirectBackwardFilter<T, Memory> direct{x, dy, conv, beta, dfilter};
  const std::size_t positions = dfilter.size() / dfilter.extent(3);
  if (x.size() == 0) return launch_loop(stream.get(), positions, dfilter.extent(3), direct);
  convolve<T>(stream,
              {ConvolutionKind::backward_filter,
               storage<T>,
               storage<Accum<T>>,
               {x.extents, dfilter.extents, dy.extents},
               conv,
               beta},
              {dnn_data(x), dnn_data(dfilter), dnn_data(dy)}, dfilter.data, positions, dfilter.extent(3), direct);
}

}  // namespace lotar::detail
