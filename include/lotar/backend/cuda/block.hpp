#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/pack.hpp>

namespace lotar {

/// The block of CUDA: a thread block of 2^k warps. Its shared memory begins with partial_bytes a thread for reductions;
/// scratch follows.
class CudaBlock {
 public:
  static constexpr unsigned least_threads = 64, most_threads = 512;
  static constexpr unsigned partial_bytes = 16;  ///< a thread

  __device__ explicit CudaBlock(std::byte* shared) : partials_(shared), scratch_(shared + blockDim.x * partial_bytes) {}

  template <class G>
  __device__ void for_each(std::size_t m, const G& g) {
    for (std::size_t i = threadIdx.x; i < m; i += blockDim.x) g(i);
    __syncthreads();
  }

  template <class G>
  __device__ void for_each(std::size_t rows, std::size_t cols, const G& g) {
    if constexpr (WideKernel<G>)
      if (is_wide(cols, g)) return for_each(rows, cols / G::width, Wide<G>{g});
    const Grid grid(cols);
    for (std::size_t r = grid.row; r < rows; r += grid.height)
      for (std::size_t c = grid.col; c < cols; c += grid.width) g(r, c);
    __syncthreads();
  }

  /// A thread takes every blockDim-th value; then a tree over the threads of a warp, and one over the warps.
  template <class T, class G, class F>
  __device__ T reduce(std::size_t m, T neutral, const G& g, const F& op) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= partial_bytes);
    T value = neutral;
    for (std::size_t i = threadIdx.x; i < m; i += blockDim.x) value = op(value, g(i));
    value = reduce_warp(value, op);
    T* const partial = reinterpret_cast<T*>(partials_);
    const unsigned lane = threadIdx.x % warp, warps = blockDim.x / warp;
    if (lane == 0) partial[threadIdx.x / warp] = value;
    __syncthreads();
    value = reduce_warp(lane < warps ? partial[lane] : neutral, op);  // each warp for itself
    __syncthreads();
    return exchange(value, [](std::uint32_t word) { return __shfl_sync(all_lanes, word, 0); });
  }

  /// Narrow matrices are cut in rows for several groups of threads, whose sums are added in order.
  template <class T, class G>
  __device__ void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* out) {
    static_assert(sizeof(T) <= partial_bytes);
    const Grid grid(cols);
    T* const partial = reinterpret_cast<T*>(partials_);
    for (std::size_t first = 0; first < cols; first += grid.width) {
      const std::size_t c = first + grid.col;
      T sum = T(0);
      if (c < cols) {
#pragma unroll 8
        for (std::size_t r = grid.row; r < rows; r += grid.height) sum += g(r, c);
      }
      if (grid.height > 1) {
        partial[threadIdx.x] = sum;
        __syncthreads();
        if (grid.row == 0)
          for (unsigned r = 1; r < grid.height; ++r) sum += partial[r * grid.width + grid.col];
      }
      if (grid.row == 0 && c < cols) out[c] = sum;
      __syncthreads();
    }
  }

  template <class T>
  __device__ T* scratch(std::size_t m) {
    std::byte* at = scratch_;
    scratch_ += scratch_size<T>(m);
    return reinterpret_cast<T*>(at);
  }

  template <class T>
  __device__ void add(T* counter, T k) {
    static_assert(std::is_integral_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                  "floating-point sums would depend on the order");
    using Word = std::conditional_t<sizeof(T) == 4, unsigned, unsigned long long>;
    atomicAdd(reinterpret_cast<Word*>(counter), static_cast<Word>(k));
  }

  __device__ bool leader() const { return threadIdx.x == 0; }

 private:
  static constexpr unsigned warp = 32, all_lanes = 0xFFFFFFFFu;

  /// The threads as a matrix, no wider than cols need: neighbours have neighbouring columns, and no index is divided.
  struct Grid {
    unsigned width = warp, height, row, col;
    __device__ explicit Grid(std::size_t cols) {
      unsigned bits = 5;
      for (; width < blockDim.x && width < cols; width *= 2) ++bits;
      height = blockDim.x >> bits;
      row = threadIdx.x >> bits;
      col = threadIdx.x & (width - 1);
    }
  };

  /// move(word) for each 32-bit word of a value.
  template <class T, class Move>
  __device__ static T exchange(T value, const Move& move) {
    std::uint32_t words[(sizeof(T) + 3) / 4] = {};
    memcpy(words, &value, sizeof(T));
    for (std::uint32_t& word : words) word = move(word);
    memcpy(&value, words, sizeof(T));
    return value;
  }

  /// In lane 0: op over the values of the warp's lanes.
  template <class T, class F>
  __device__ static T reduce_warp(T value, const F& op) {
    for (unsigned half = warp / 2; half > 0; half /= 2)
      value =
          op(value, exchange(value, [half](std::uint32_t word) { return __shfl_down_sync(all_lanes, word, half); }));
    return value;
  }

  std::byte* partials_;
  std::byte* scratch_;
};

}  // namespace lotar
