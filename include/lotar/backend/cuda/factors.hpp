#pragma once

#include <cuda_runtime.h>

#include <cstdint>

/// The factors and sums of tensor cores' products: in fragments, which a warp's lanes hold, or in shared memory.
namespace lotar::detail {

// Fragments are of halves (IEEE's, of 11 bits) or bf16. Lane l holds rows l / 4 and l / 4 + 8, and pairs of neighbours
// from column l % 4 * 2 and from 8 beyond; a word is a pair, the first in its lower half.

/// The left factor [16, 16]: rows l / 4 and l / 4 + 8 of the first columns, then of the last.
struct LeftFragment {
  std::uint32_t words[4];
};
/// Two right factors [16, 8] side by side: of each, the first rows and the last. A lane's rows are the left's columns.
struct RightFragments {
  std::uint32_t words[4];
};
/// A sum [16, 8]: two columns of row l / 4, then of row l / 4 + 8.
struct SumFragment {
  float values[4];
};

inline constexpr unsigned warpgroup = 128;  // threads, of the four warps that Hopper's products are computed for

/// A factor in shared memory, whose core matrices of 8 x 8 are 128 contiguous bytes each.
/// @param address  of the first, a multiple of 16, as shared_address() gives it
/// @param along    bytes between neighbours in the dimension that is summed over: the leading offset
/// @param across   bytes between neighbours in the other: the stride offset
__device__ inline std::uint64_t descriptor_of_core_matrices(std::uint32_t address, std::uint32_t along,
                                                            std::uint32_t across) {
  return std::uint64_t{(address & 0x3FFFF) >> 4} | std::uint64_t{along >> 4} << 16 | std::uint64_t{across >> 4} << 32;
}
/// A factor of rows of 128 bytes, one after the other, whose pieces of 16 bytes lie in the order of swizzled(). The
/// order is of addresses, not of the matrix, so any row may be the first; the base offset is 0, since rows are counted
/// from a multiple of 1024 bytes on.
/// @param address  of the first value: of a row, a multiple of 128, and 32 bytes further for each step of a product
__device__ inline std::uint64_t descriptor_of_rows(std::uint32_t address) {
  return std::uint64_t{(address & 0x3FFFF) >> 4} | std::uint64_t{1024 >> 4} << 32 | std::uint64_t{1} << 62;
}
/// Where the i-th piece of a row of 128 bytes lies: in banks that differ from those of the rows beside.
__device__ inline std::uint32_t swizzled(std::uint32_t row, unsigned i) { return (i ^ row % 8) * 16; }

}  // namespace lotar::detail
