#pragma once

#include <math.h>  // fabsf, fmaxf

#include <atomic>
#include <bit>
#include <cstdint>

#include "cuda_runtime_api.h"

// What kernels name of CUDA's language, for the host's compiler.

#define __device__
#define __host__
#define __global__
#define __grid_constant__
#define __forceinline__ inline
#define __launch_bounds__(...)  // not kept: a launch of more threads is not refused
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
// The names by which kernels declare their block's shared memory.
#define shared_pixels shared_memory
#define shared_scratch shared_memory
#define shared_tiles shared_memory

struct uint2 {
  unsigned x, y;
};
struct uint4 {
  unsigned x, y, z, w;
};
struct float2 {
  float x, y;
};

inline void __syncthreads() {
  lotar::emulated::this_thread().block->all.arrive_and_wait();
  lotar::emulated::this_thread().fenced = false;
}

template <class T>
T __shfl_sync(unsigned, T value, int lane) {
  return lotar::emulated::Shown(value)[static_cast<unsigned>(lane)];
}
template <class T>
T __shfl_xor_sync(unsigned, T value, unsigned bits) {
  return lotar::emulated::Shown(value)[lotar::emulated::this_thread().lane() ^ bits];
}
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned by) {
  const lotar::emulated::Shown shown(value);
  const unsigned lane = lotar::emulated::this_thread().lane() + by;
  return lane < lotar::emulated::Warp::lanes ? shown[lane] : value;
}

template <class T>
void atomicAdd(T* to, T value) {
  std::atomic_ref<T>(*to).fetch_add(value, std::memory_order_relaxed);
}

inline float __uint_as_float(std::uint32_t bits) { return std::bit_cast<float>(bits); }
