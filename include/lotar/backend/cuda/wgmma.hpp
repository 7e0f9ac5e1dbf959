#pragma once

#include <cstdint>

#include <lotar/backend/cuda/mma.hpp>

/// The instructions of Hopper's tensor cores, and what goes with them: products that a warpgroup, four warps, begins and
/// waits for, of matrices in shared memory; barriers there that count arrivals.
///
/// They exist in code for compute capability 9.0 with the suffix a, as in -gencode=arch=compute_90a,code=sm_90a.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LOTAR_HAS_WGMMA 1
#else
#define LOTAR_HAS_WGMMA 0
#endif

namespace lotar::detail {

/// A factor in shared memory, whose parts of 8 x 8 are 128 contiguous bytes each.
/// @param address  of the first, a multiple of 16, as shared_address() gives it
/// @param along    bytes between parts that are neighbours in the dimension that is summed over
/// @param across   bytes between neighbours in the other
__device__ inline std::uint64_t matrix_of_parts(std::uint32_t address, std::uint32_t along, std::uint32_t across) {
  return std::uint64_t{(address & 0x3FFFF) >> 4} | std::uint64_t{along >> 4} << 16 | std::uint64_t{across >> 4} << 32;
}
/// A factor of rows of 128 bytes, one after the other, whose 16 bytes lie in the order of swizzled().
/// @param address  of the first, a multiple of 128, and of as many bytes further as begin a row
__device__ inline std::uint64_t matrix_of_rows(std::uint32_t address) {
  return std::uint64_t{(address & 0x3FFFF) >> 4} | std::uint64_t{1024 >> 4} << 32 | std::uint64_t{1} << 62;
}
/// Where the i-th 16 bytes of a row of 128 lie: in banks that differ from those of its neighbours.
__device__ inline std::uint32_t swizzled(std::uint32_t row, unsigned i) { return (i ^ row % 8) * 16; }

#if LOTAR_HAS_WGMMA
#define LOTAR_SUMS_8(i)                                                                                 \
  "+f"(c[i]), "+f"(c[(i) + 1]), "+f"(c[(i) + 2]), "+f"(c[(i) + 3]), "+f"(c[(i) + 4]), "+f"(c[(i) + 5]), \
      "+f"(c[(i) + 6]), "+f"(c[(i) + 7])
#define LOTAR_SUMS_32(i) LOTAR_SUMS_8(i), LOTAR_SUMS_8((i) + 8), LOTAR_SUMS_8((i) + 16), LOTAR_SUMS_8((i) + 24)

/// sum = a b, + sum if it is to be added to: of a [64, 16] and b [16, 256], bf16, a sum's element in two columns of row
/// l / 4, then of row l / 4 + 8, of its warp's 16 rows, for each 8 columns.
/// @tparam transposed  a's 8 x 8 parts hold 8 values of a column side by side, not of a row
template <bool transposed>
__device__ inline void multiply_64x256(float (&c)[128], std::uint64_t a, std::uint64_t b, bool add) {
  asm volatile(
      "{ .reg .pred add; setp.ne.b32 add, %130, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
      "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
      "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
      "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
      "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
      "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
      "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
      "%128, %129, add, 1, 1, %131, 0; }"
      : LOTAR_SUMS_32(0), LOTAR_SUMS_32(32), LOTAR_SUMS_32(64), LOTAR_SUMS_32(96)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)), "n"(transposed ? 1 : 0));
}

/// sum += a b, of a [64, 16] in fragments, a warp's 16 rows each, and b [16, 64], whose 8 x 8 parts hold 8 values of a row
/// side by side. The fragments must stay as they are until the product is done.
__device__ inline void multiply_64x64(float (&c)[32], const std::uint32_t (&a)[4], std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
      "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
      "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
      "{%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
      : LOTAR_SUMS_32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
/// The same of b [16, 24].
__device__ inline void multiply_64x24(float (&c)[12], const std::uint32_t (&a)[4], std::uint64_t b) {
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n24k16.f32.bf16.bf16 {%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11}, "
      "{%12, %13, %14, %15}, %16, 1, 1, 1, 1;"
      : LOTAR_SUMS_8(0), "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#undef LOTAR_SUMS_32
#undef LOTAR_SUMS_8

/// Before the first product of registers that were written.
__device__ inline void begin_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ inline void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
/// Waits for the warpgroup's products but for those of the last `behind` groups.
template <int behind = 0>
__device__ inline void products_done() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(behind) : "memory");
}
/// Registers of each thread of a warpgroup from here on.
template <int registers>
__device__ inline void fewer_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
__device__ inline void more_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

/// What was written to shared memory before, by this thread or by those that it has waited for at a barrier, is there for
/// products that begin after.
__device__ inline void writes_for_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

/// Copies 16 bytes, or writes zeros and does not read.
__device__ inline void copy_16_bytes_or_zeros(std::uint32_t to, const void* from, bool read) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(__cvta_generic_to_global(from)),
               "r"(read ? 16 : 0)
               : "memory");
}

__device__ inline void store_word(std::uint32_t to, std::uint32_t word) {
  asm volatile("st.shared.b32 [%0], %1;" ::"r"(to), "r"(word) : "memory");
}
/// 16 bytes, aligned to that.
__device__ inline void store_words(std::uint32_t to, std::uint32_t a, std::uint32_t b, std::uint32_t c,
                                   std::uint32_t d) {
  asm volatile("st.shared.v4.b32 [%0], {%1, %2, %3, %4};" ::"r"(to), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

/// A barrier at an address in shared memory, of 8 bytes: phases that end once a number of threads arrived.
__device__ inline void begin_barrier(std::uint32_t barrier, unsigned arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
__device__ inline void arrive(std::uint32_t barrier) {
  asm volatile("{ .reg .b64 state; mbarrier.arrive.shared::cta.b64 state, [%0]; }" ::"r"(barrier) : "memory");
}
/// Waits until the phase of this parity, 0 for the first, has ended; that before the first has.
__device__ inline void wait_for_phase(std::uint32_t barrier, unsigned parity) {
  asm volatile(
      "{ .reg .pred done;\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again; }" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
/// Arrives once the copies of this thread so far are done.
__device__ inline void arrive_after_copies(std::uint32_t barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(barrier) : "memory");
}
#endif

/// A matrix [8, 8] in fragments, a lane with the pair of row l / 4 from column l % 4 * 2 on, transposed.
__device__ inline std::uint32_t transposed(std::uint32_t word) {
  std::uint32_t other;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(other) : "r"(word));
  return other;
}

/// Two warpgroups take turns: one waits for its own, which the other gives.
__device__ inline void wait_for_turn(unsigned group) { asm volatile("bar.sync %0, 256;" ::"r"(1 + group) : "memory"); }
__device__ inline void give_turn(unsigned group) { asm volatile("bar.arrive %0, 256;" ::"r"(1 + group) : "memory"); }

/// x and y as bf16, x in the lower half.
__device__ inline std::uint32_t pair_of_bf16(float x, float y) {
  std::uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(y), "f"(x));
  return pair;
}
__device__ inline float first_of_bf16(std::uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ inline float second_of_bf16(std::uint32_t pair) { return __uint_as_float(pair & 0xFFFF0000u); }

}  // namespace lotar::detail
