#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>

#include <lotar/backend/cuda/block.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>

/// Loops as kernels. The threads of a block, and so the bits of a result, depend on the problem alone.
namespace lotar::detail {

inline constexpr unsigned loop_threads = 256;
inline constexpr std::size_t most_blocks = 65535;  // of a grid, in either direction; threads loop over what is left

template <class F>
__global__ void __launch_bounds__(loop_threads) loop_kernel(std::size_t n, const __grid_constant__ F f) {
  const std::size_t step = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += step) f(i);
}

template <class F>
__global__ void __launch_bounds__(loop_threads)
    loop2_kernel(std::size_t rows, std::size_t cols, const __grid_constant__ F f) {
  const std::size_t row_step = std::size_t{gridDim.x} * blockDim.y, col_step = std::size_t{gridDim.y} * blockDim.x;
  for (std::size_t r = std::size_t{blockIdx.x} * blockDim.y + threadIdx.y; r < rows; r += row_step)
    for (std::size_t c = std::size_t{blockIdx.y} * blockDim.x + threadIdx.x; c < cols; c += col_step) f(r, c);
}

/// Rows a thread takes, so that what f reads of the columns alone is read once for several; fewer where there would be
/// too few blocks for a device.
inline unsigned wide_rows(std::size_t packs) {
  constexpr std::size_t enough_blocks = 512, most = 8;
  return static_cast<unsigned>(max<std::size_t>(1, min(packs / (loop_threads * enough_blocks), most)));
}

template <WideKernel F>
__global__ void __launch_bounds__(loop_threads,
                                  4)  // so at most 64 registers: fewer blocks would not hide the memory's latency
    wide_kernel(std::size_t rows, std::size_t groups, const __grid_constant__ F f) {
  const std::size_t row_step = std::size_t{gridDim.x} * blockDim.y, group_step = std::size_t{gridDim.y} * blockDim.x;
  const std::size_t first = std::size_t{blockIdx.x} * blockDim.y + threadIdx.y;
  for (std::size_t g = std::size_t{blockIdx.y} * blockDim.x + threadIdx.x; g < groups; g += group_step) {
    const auto columns = f.columns(g * F::width);
    for (std::size_t r = first; r < rows; r += row_step) columns(r);
  }
}

/// Work items one after the other, a grid apart.
/// @param poison  bytes of scratch to fill with NaN before each: none but in tests
template <class F>
__device__ __forceinline__ void work_on_items(std::size_t n, std::size_t poison, std::byte* partials,
                                              std::byte* scratch, const F& f) {
  for (std::size_t i = blockIdx.x; i < n; i += gridDim.x) {
    if (poison > 0) {
      for (std::size_t at = threadIdx.x; at < poison; at += blockDim.x) scratch[at] = std::byte{0xFF};
      __syncthreads();
    }
    CudaBlock block(partials, scratch);
    f(block, i);
    __syncthreads();  // before the next item takes the scratch
  }
}

/// With scratch in shared memory, behind CudaBlock::partial_bytes a thread.
template <class F>
__global__ void __launch_bounds__(CudaBlock::most_threads)
    block_kernel(std::size_t n, std::size_t poison, const __grid_constant__ F f) {
  extern __shared__ __align__(64) std::byte shared_scratch[];
  work_on_items(n, poison, shared_scratch, shared_scratch + blockDim.x * CudaBlock::partial_bytes, f);
}

/// With scratch_bytes of the device's memory for each thread block.
template <class F>
__global__ void __launch_bounds__(CudaBlock::most_threads)
    large_block_kernel(std::size_t n, std::size_t poison, std::byte* scratch, std::size_t scratch_bytes,
                       const __grid_constant__ F f) {
  extern __shared__ __align__(64) std::byte shared_scratch[];
  work_on_items(n, poison, shared_scratch, scratch + blockIdx.x * scratch_bytes, f);
}

inline unsigned blocks(std::size_t items, std::size_t threads) {
  return static_cast<unsigned>(min((items + threads - 1) / threads, most_blocks));
}

/// Launches a kernel over f.
/// @throws CudaError that names the call and the type of f.
template <class F, class... Parameters, class... Arguments>
void launch(const char* call, cudaStream_t stream, void (*kernel)(Parameters...), dim3 grid, dim3 threads,
            std::size_t shared_bytes, const F& f, Arguments... arguments) {
  static_assert(std::is_trivially_copyable_v<F>, "a kernel's function object is copied to the device byte by byte");
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, arguments..., f);
  if (status != cudaSuccess) throw CudaError(describe(call + (" of " + type_name<F>()), status));
}

template <class F>
void launch_loop(cudaStream_t stream, std::size_t n, const F& f) {
  if (n == 0) return;
  launch("for_each", stream, loop_kernel<F>, dim3(blocks(n, loop_threads)), dim3(loop_threads), 0, f, n);
}

/// Threads over the columns, the next power of two of them, and the rest of the threads over the rows.
inline dim3 loop_shape(std::size_t cols) {
  unsigned width = 1;
  while (width < cols && width < loop_threads) width *= 2;
  return dim3(width, loop_threads / width);
}

template <class F>
void launch_loop(cudaStream_t stream, std::size_t rows, std::size_t cols, const F& f) {
  if (rows == 0 || cols == 0) return;
  if constexpr (WideKernel<F>)
    if (is_wide(cols, f)) {
      const std::size_t groups = cols / F::width;
      const dim3 threads = loop_shape(groups);
      return launch("for_each", stream, wide_kernel<F>,
                    dim3(blocks(rows, threads.y * wide_rows(rows * groups)), blocks(groups, threads.x)), threads, 0, f,
                    rows, groups);
    }
  const dim3 threads = loop_shape(cols);
  launch("for_each", stream, loop2_kernel<F>, dim3(blocks(rows, threads.y), blocks(cols, threads.x)), threads, 0, f,
         rows, cols);
}

/// The threads of a block for a work item.
template <class F>
unsigned block_threads(Work work) {
  unsigned threads = CudaBlock::least_threads, most = CudaBlock::most_threads;
  if constexpr (requires { F::most_threads; }) {
    static_assert(std::has_single_bit(F::most_threads) && F::most_threads >= CudaBlock::least_threads &&
                  F::most_threads <= CudaBlock::most_threads);
    most = F::most_threads;
  }
  while (threads < most && threads * 2 < work.items) threads *= 2;
  return threads;
}

/// Bytes of the device's memory that blocks have as scratch together; one block may have more.
inline constexpr std::size_t large_scratch_bytes = std::size_t{1} << 30;

template <class F>
void launch_blocks(CudaStream& stream, std::size_t n, Work work, const F& f) {
  if (n == 0) return;
  const unsigned threads = block_threads<F>(work);
  const std::size_t reserved = std::size_t{threads} * CudaBlock::partial_bytes;
  const CudaDevice& device = stream.device();
  const std::size_t most_shared = device.most_shared();
  const std::size_t poison = device.options().poison_allocations ? work.scratch_bytes : 0;
  if (work.scratch_bytes > most_shared - reserved) {
    if constexpr (requires { requires F::large_scratch; }) {
      if (work.scratch_bytes > SIZE_MAX / 2) throw std::bad_alloc();
      const std::size_t bytes = scratch_size<std::byte>(work.scratch_bytes);
      const std::size_t most =
          max<std::size_t>(1, min(large_scratch_bytes / bytes, 2 * std::size_t{device.multiprocessors()}));
      const unsigned grid = blocks(min(n, most), 1);
      const auto scratch = stream.allocate<std::byte>(grid * bytes);
      launch("for_each_block", stream.get(), large_block_kernel<F>, dim3(grid), dim3(threads), reserved, f, n, poison,
             scratch.get(), bytes);
      return;
    } else {
      throw CudaError("for_each_block of " + type_name<F>() + ": wants " + std::to_string(work.scratch_bytes) +
                      " bytes of scratch a work item, the device has " + std::to_string(most_shared - reserved));
    }
  }
  const std::size_t shared_bytes = reserved + work.scratch_bytes;
  constexpr std::size_t always_allowed = 48 * 1024;
  if (shared_bytes > always_allowed)
    check(cudaFuncSetAttribute(block_kernel<F>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(most_shared)),  // the same by every thread that launches this kernel
          "cudaFuncSetAttribute");
  launch("for_each_block", stream.get(), block_kernel<F>, dim3(blocks(n, 1)), dim3(threads), shared_bytes, f, n,
         poison);
}

}  // namespace lotar::detail
