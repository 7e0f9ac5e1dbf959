#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/pack.hpp>

namespace lotar {

/// The block of CUDA: a thread block of 2^k warps.
class CudaBlock {
 public:
  static constexpr unsigned least_threads = 64, most_threads = 512;
  static constexpr unsigned partial_bytes = 16;  ///< a thread

  /// @param partials  shared memory for reductions: partial_bytes a thread
  /// @param scratch   the block's own, aligned to 64 bytes, in shared memory or the device's
  __device__ CudaBlock(std::byte* partials, std::byte* scratch) : partials_(partials), scratch_(scratch) {}

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

  template <class T, class G>
  __device__ void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* out) {
    T* const outputs[] = {out};
    sum_all(rows, cols, g, outputs);
  }
  template <class T, class G>
  __device__ void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* first, T* second) {
    T* const outputs[] = {first, second};
    sum_all(rows, cols, g, outputs);
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
    unsigned width = 1, height, row, col;
    __device__ explicit Grid(std::size_t cols) {
      unsigned bits = 0;
      for (; width < blockDim.x && width < cols; width *= 2) ++bits;
      height = blockDim.x >> bits;
      row = threadIdx.x >> bits;
      col = threadIdx.x & (width - 1);
    }
  };

  template <class G, class T, std::size_t outputs>
  __device__ void sum_all(std::size_t rows, std::size_t cols, const G& g, T* const (&out)[outputs]) {
    by_column_groups(cols, g, [&](auto width, std::size_t groups, const auto& columns) {
      sum_groups<decltype(width)::value>(rows, groups, columns, out);
    });
  }

  /// Sums over the rows of columns(group)(r): `width` neighbours, of one value each or of a pair. Narrow matrices are
  /// cut in rows for several threads, whose sums are added by a tree over a warp's lanes, and over the warps in order.
  template <std::size_t width, class Columns, class T, std::size_t outputs>
  __device__ void sum_groups(std::size_t rows, std::size_t groups, const Columns& columns, T* const (&out)[outputs]) {
    using Values = ColumnValues<T, width, outputs>;
    static_assert(std::is_same_v<decltype(columns(groups)(rows)), Values>);
    constexpr std::size_t n = outputs * width, at_once = n * sizeof(T) < partial_bytes ? n : partial_bytes / sizeof(T);
    static_assert(n % at_once == 0);
    const Grid grid(groups);
    const bool in_warp = grid.width < warp;  // then lanes of a warp have the same columns
    const unsigned height = in_warp ? blockDim.x / warp : grid.height, row = in_warp ? threadIdx.x / warp : grid.row;
    const bool holds = !in_warp || threadIdx.x % warp < grid.width;  // the sum of the lanes
    T* const partial = reinterpret_cast<T*>(partials_);
    for (std::size_t begin = 0; begin < groups; begin += grid.width) {
      const std::size_t group = begin + grid.col;
      T sums[n] = {};
      if (group < groups) {
        const auto values_of = columns(group);
#pragma unroll 4
        for (std::size_t r = grid.row; r < rows; r += grid.height) {
          const Values values = values_of(r);
          T each[n];
          memcpy(each, &values, sizeof(values));
          for (std::size_t i = 0; i < n; ++i) sums[i] += each[i];
        }
      }
      for (unsigned half = warp / 2; half >= grid.width; half /= 2)
        for (T& sum : sums)
          sum += exchange(sum, [half](std::uint32_t word) { return __shfl_down_sync(all_lanes, word, half); });
      if (height > 1)
        for (std::size_t i = 0; i < n; i += at_once) {
          if (holds)
            for (std::size_t k = 0; k < at_once; ++k)
              partial[(row * grid.width + grid.col) * at_once + k] = sums[i + k];
          __syncthreads();
          if (holds && row == 0)
            for (unsigned r = 1; r < height; ++r)
              for (std::size_t k = 0; k < at_once; ++k)
                sums[i + k] += partial[(r * grid.width + grid.col) * at_once + k];
          __syncthreads();
        }
      if (holds && row == 0 && group < groups)
        for (std::size_t i = 0; i < n; ++i) out[i / width][group * width + i % width] = sums[i];
      __syncthreads();
    }
  }

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
