#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/plans.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/pack.hpp>

/// Convolutions by cuDNN's plans.
namespace lotar::detail {

/// cuDNN's plan of a convolution over arrays that begin where these do.
/// @param amiss  out: what may have kept cuDNN from having a plan, if anything
/// @return null if it has none
inline const ConvolutionPlan* find_plan(CudaStream& stream, const ConvolutionProblem& problem,
                                        const ConvolutionArrays& arrays, std::string& amiss) {
  const auto allocate = [&](std::size_t bytes) { return stream.allocate<std::byte>(bytes); };
  const ConvolutionPlans::Found& found = stream.plans().find(problem, arrays, allocate);
  if (found.plan) return &*found.plan;
  if (!found.amiss.empty()) amiss = found.amiss;
  return nullptr;
}

inline void run_plan(CudaStream& stream, const ConvolutionPlan& plan, const ConvolutionArrays& arrays) {
  const auto workspace = stream.allocate<std::byte>(plan.workspace_bytes());
  plan.run(stream.plans().handle(), arrays, workspace.get());
}

/// Runs a convolution by cuDNN, straight into its result. @return false if it has no plan.
inline bool run_straight(CudaStream& stream, const ConvolutionProblem& problem, const ConvolutionArrays& arrays,
                         std::string& amiss) {
  const ConvolutionPlan* const plan = find_plan(stream, problem, arrays, amiss);
  if (plan != nullptr) run_plan(stream, *plan, arrays);
  return plan != nullptr;
}

/// to = from + beta to, of matrices [rows, cols].
template <class T, class Result>
struct AddConverted {
  const T* from;
  double beta;
  Result* to;
  std::size_t cols;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    add_scaled(static_cast<Accum<Result>>(from[r * cols + c]), beta, to[r * cols + c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(from, to); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c](std::size_t r) {
      const auto values = load_pack<width>(f.from + r * f.cols + c);
      Pack<Result, width> sums{};
      if (f.beta != 0) sums = load_pack<width>(f.to + r * f.cols + c);
      for (std::size_t k = 0; k < width; ++k) add_scaled(static_cast<Accum<Result>>(values[k]), f.beta, sums[k]);
      store_pack(sums, f.to + r * f.cols + c);
    };
  }
};

/// Runs a convolution by cuDNN into a scratch of S, and adds that to the result, [rows, cols].
/// @return false if it has no plan.
template <class S, class Result>
bool run_through(CudaStream& stream, ConvolutionProblem problem, ConvolutionArrays arrays, Result* result,
                 std::size_t rows, std::size_t cols, std::string& amiss) {
  const auto scratch = stream.allocate<S>(rows * cols);
  const double beta = std::exchange(problem.beta, 0);
  problem.result = storage<S>;
  arrays[problem.result_array()] = scratch.get();
  if (!run_straight(stream, problem, arrays, amiss)) return false;
  launch_loop(stream.get(), rows, cols, AddConverted<S, Result>{scratch.get(), beta, result, cols});
  return true;
}

}  // namespace lotar::detail
