#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/nt_xent_backward.hpp>
#include <lotar/backend/cuda/nt_xent_forward.hpp>
#include <lotar/backend/cuda/nt_xent_tile.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/view.hpp>

/// NT-Xent by tensor cores, with no similarity in memory: a thread block keeps rows and passes over columns, as
/// FlashAttention does.
///
/// Factors are sums of two halves; of their four products the least is left out: a product is off by 2^-20 of its
/// factors at most. Tensor cores cut off bits of their sums, so no more than 24 steps follow each other, and the
/// gradient is summed further in floats. All in all a cosine is off by some 1e-6, and by 2e-5 at most; so is a
/// gradient, of the sum of its terms' magnitudes.
///
/// @source Dao et al., FlashAttention, NeurIPS 2022; Ootomo and Yokota, Recovering single precision
/// accuracy from tensor cores while surpassing the FP32 theoretical peak performance, IJHPCA 2022 (two
/// halves; sums outside of the cores).
namespace lotar::detail {

/// A thread block of f, which gets its shared memory.
template <class F>
__global__ void __launch_bounds__(nt_xent_threads, 2) nt_xent_kernel(const __grid_constant__ F f) {
  extern __shared__ __align__(128) std::byte shared_tiles[];
  f(shared_tiles);
}

template <class F>
void launch_nt_xent(const char* call, CudaStream& stream, const NtXentCut& cut, const F& f) {
  check(cudaFuncSetAttribute(nt_xent_kernel<F>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(F::shared_bytes)),
        "cudaFuncSetAttribute");
  check(cudaFuncSetAttribute(nt_xent_kernel<F>, cudaFuncAttributePreferredSharedMemoryCarveout,
                             cudaSharedmemCarveoutMaxShared),  // for two blocks at once
        "cudaFuncSetAttribute");
  launch(call, stream.get(), nt_xent_kernel<F>, dim3(cut.row_blocks, cut.parts), dim3(nt_xent_threads), F::shared_bytes,
         f);
}

inline unsigned halves_width(std::size_t cols) { return cols <= 32 ? 32 : cols <= 64 ? 64 : 128; }

/// f with the width of rows of halves, as a constant.
template <class F>
void with_halves_width(std::size_t cols, const F& f) {
  const unsigned width = halves_width(cols);
  if (width == 32)
    f(std::integral_constant<unsigned, 32>());
  else if (width == 64)
    f(std::integral_constant<unsigned, 64>());
  else
    f(std::integral_constant<unsigned, 128>());
}

inline std::size_t padded_rows(std::size_t rows) { return (rows + nt_xent_rows - 1) / nt_xent_rows * nt_xent_rows; }

/// How many words nt_xent_forward keeps of unit rows for nt_xent_backward; 0 if these are not for rows of this shape.
inline std::size_t nt_xent_halves(std::size_t rows, std::size_t cols) {
  constexpr std::size_t most_rows = std::size_t{1} << 30;  // their numbers are unsigned
  if (rows == 0 || rows > most_rows || cols == 0 || cols > 128 || cols % 16 != 0) return 0;
  return padded_rows(rows) * halves_width(cols);
}

/// @see Cuda::nt_xent_forward
template <class Memory>
void nt_xent_forward(CudaStream& stream, const View<const float, 2, Memory>& u, const float* inverse_temperature,
                     bool only_negatives, std::uint32_t* halves, float* positives, float* log_sum_exp, float* losses) {
  const std::size_t m = u.extent(0), cols = u.extent(1);
  const NtXentCut cut(m);
  const auto results = stream.allocate<NtXentPart>(cut.parts * m);
  with_halves_width(cols, [&](auto width) {
    launch_loop(stream.get(), padded_rows(m), width / 2, SplitRows{u.data, m, cols, width, halves});
    launch_nt_xent("nt_xent_forward", stream, cut,
                   NtXentForward<width>{halves,
                                        inverse_temperature,
                                        {static_cast<unsigned>(m)},
                                        cut.span,
                                        only_negatives,
                                        positives,
                                        results.get()});
  });
  launch_loop(stream.get(), m,
              NtXentMerge{results.get(), cut.parts, m, inverse_temperature, positives, log_sum_exp, losses});
}

/// @see Cuda::nt_xent_backward
template <class Memory>
void nt_xent_backward(CudaStream& stream, const std::uint32_t* halves, const float* inverse_temperature,
                      bool only_negatives, const float* log_sum_exp, const float* coefficients,
                      const float* of_positives, const View<float, 2, Memory>& du) {
  const std::size_t m = du.extent(0), cols = du.extent(1);
  const NtXentCut cut(m);
  const bool whole = cut.parts == 1;
  const auto results = stream.allocate<float>(whole ? 0 : cut.parts * du.size());
  with_halves_width(cols, [&](auto width) {
    launch_nt_xent("nt_xent_backward", stream, cut,
                   NtXentBackward<width>{halves,
                                         inverse_temperature,
                                         {static_cast<unsigned>(m)},
                                         cut.span,
                                         static_cast<unsigned>(cols),
                                         only_negatives,
                                         log_sum_exp,
                                         coefficients,
                                         of_positives,
                                         whole ? du.data : results.get()});
  });
  if (!whole) launch_loop(stream.get(), du.size(), NtXentMergeBackward{results.get(), cut.parts, du.size(), du.data});
}

}  // namespace lotar::detail
