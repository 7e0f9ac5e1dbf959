#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstring>

#include <lotar/backend/cuda/block.hpp>

#include "../lockstep.hpp"
#include "grid.hpp"

namespace lotar {

/// Lockstep, but that a work item is worked on by CUDA's own block, on the host's threads: for tests of that block.
class Emulated : public Lockstep {
 public:
  using Lockstep::Lockstep;
  Emulated fork() const { return Emulated(Lockstep::fork()); }

  template <class F>
  void for_each_block(std::size_t n, Work work, const F& f) {
    const unsigned blocks = n > 1 ? 2 : 1, count = (work.items > 64 ? 2 : 1) * CudaBlock::least_threads;
    const std::size_t partials = std::size_t{count} * CudaBlock::partial_bytes;
    emulated::launch({blocks}, count, partials + work.scratch_bytes, [&](std::byte* shared) {
      for (std::size_t i = blockIdx.x; i < n; i += gridDim.x) {
        if (threadIdx.x == 0) std::memset(shared + partials, 0xFF, work.scratch_bytes);
        __syncthreads();
        CudaBlock block(shared, shared + partials);
        f(block, i);
        __syncthreads();
      }
    });
  }

 private:
  explicit Emulated(const Lockstep& base) : Lockstep(base) {}
};
static_assert(RunsPacks<Emulated>);

}  // namespace lotar
