#pragma once

#include <cstdint>

#include <lotar/backend/cuda/factors.hpp>

/// The instructions of tensor cores, as PTX has them from compute capability 8.0 on, and what goes with them.
namespace lotar::detail {

/// Whether every device that this is compiled for has them.
inline constexpr bool compiled_for_mma = [] {
  for (const int architecture : {__CUDA_ARCH_LIST__})
    if (architecture < 800) return false;
  return true;
}();

/// sum += a b, for b the first or the second of two.
__device__ inline void multiply_add(SumFragment& sum, const LeftFragment& a, const RightFragments& b, unsigned second) {
  float(&c)[4] = sum.values;
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a.words[0]), "r"(a.words[1]), "r"(a.words[2]), "r"(a.words[3]), "r"(b.words[2 * second]),
        "r"(b.words[2 * second + 1]));
}

/// An address in shared memory, as these instructions take it.
__device__ inline std::uint32_t shared_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

/// Four matrices [8, 8], the rows of the i-th at the addresses (of 16 bytes) of lanes 8 i to 8 i + 7; of each, a lane
/// gets the pair at row l / 4.
__device__ inline void load_matrices(std::uint32_t (&words)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}
/// The same of the transposed matrices.
__device__ inline void load_transposed(std::uint32_t (&words)[4], std::uint32_t address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

/// 16 bytes of shared memory, aligned to that.
__device__ inline uint4 load_shared(std::uint32_t from) {
  uint4 words;
  asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
               : "r"(from)
               : "memory");
  return words;
}
__device__ inline void store_shared(std::uint32_t to, const uint4& words) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(words.x), "r"(words.y), "r"(words.z),
               "r"(words.w)
               : "memory");
}
__device__ inline void store_shared(std::uint32_t to, std::uint32_t word) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(word) : "memory");
}

/// Copies 16 bytes to shared memory, both aligned to that, until it is waited for; or writes zeros and does not read.
__device__ inline void copy_16_bytes(std::uint32_t to, const void* from, bool read = true) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)),
               "r"(read ? 16 : 0)
               : "memory");
}
/// Copies a float, or writes 0 and does not read.
__device__ inline void copy_float(std::uint32_t to, const float* from, bool read) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)),
               "r"(read ? 4 : 0)
               : "memory");
}
/// An address in global memory, as these instructions take it.
__device__ inline std::uint64_t global_address(const void* global) { return __cvta_generic_to_global(global); }
/// 8 bytes, aligned to that; read where this stands and not where they are used.
__device__ inline void load_global(std::uint64_t from, uint2& to) {
  asm volatile("ld.global.v2.b32 {%0, %1}, [%2];" : "=r"(to.x), "=r"(to.y) : "l"(from));
}
__device__ inline void store_global(std::uint64_t to, std::uint32_t a, std::uint32_t b) {
  asm volatile("st.global.v2.b32 [%0], {%1, %2};" ::"l"(to), "r"(a), "r"(b) : "memory");
}
/// Computes what is in a register where this stands and not where it is used.
__device__ inline void compute_now(unsigned& word) { asm volatile("" : "+r"(word)); }

/// The copies of this thread since the last of these are a group.
__device__ inline void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits for the copies of this thread but for those of the last `behind` groups.
template <int behind>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(behind) : "memory");
}
/// Waits for all copies of this thread.
__device__ inline void copies_done() { asm volatile("cp.async.wait_all;" ::: "memory"); }

/// x and y as halves, x in the lower; beyond 65504 infinity.
__device__ inline std::uint32_t pair_of_halves(float x, float y) {
  std::uint32_t pair;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(y), "f"(x));
  return pair;
}
/// x = first + second in halves, but for 2^-22 |x|, or 2^-25 where that is more; so does y. |x|, |y| < 65504.
__device__ inline void split_pair(float x, float y, std::uint32_t& first, std::uint32_t& second) {
  first = pair_of_halves(x, y);
  float near_x, near_y;
  asm("{ .reg .b16 low, high; mov.b32 {low, high}, %2; cvt.f32.f16 %0, low; cvt.f32.f16 %1, high; }"
      : "=f"(near_x), "=f"(near_y)
      : "r"(first));
  second = pair_of_halves(x - near_x, y - near_y);
}

/// 2^x with a relative error of at most 2^-22, and results below 2^-126 as 0.
__device__ inline float exp2_near(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

/// A matrix [8, 8] in fragments, a lane with the pair of row l / 4 from column l % 4 * 2 on, transposed.
__device__ inline std::uint32_t transposed(std::uint32_t word) {
  std::uint32_t other;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(other) : "r"(word));
  return other;
}

/// x and y as bf16, x in the lower half.
__device__ inline std::uint32_t pair_of_bf16(float x, float y) {
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(y), "f"(x));
  return pair;
}
/// The same of max(x, 0) and max(y, 0); NaN stays.
__device__ inline std::uint32_t pair_of_relu_bf16(float x, float y) {
  std::uint32_t pair;
  asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(y), "f"(x));
  return pair;
}
__device__ inline float first_of_bf16(std::uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ inline float second_of_bf16(std::uint32_t pair) { return __uint_as_float(pair & 0xFFFF0000u); }

}  // namespace lotar::detail
