#pragma once

#include <cstdint>

#include <lotar/backend/cuda/wgmma.hpp>

/// How the warpgroups of a thread block work together: one loads what the others multiply.
namespace lotar::detail {

/// Stages of shared memory that some threads fill, again and again, and others read: the i-th filling is of stage i %
/// count. Each reader reads all fillings, or some: barriers tell only odd fillings of a stage from even ones, so one
/// that skips a filling must know from elsewhere that it was read.
template <unsigned count>
struct Stages {
  static constexpr unsigned barrier_bytes = count * 16;
  std::uint32_t first, bytes, barriers;  // addresses of the stages, of `bytes` each, and of the barriers, aligned to 8

  __device__ std::uint32_t stage(unsigned i) const { return first + i % count * bytes; }

  __device__ void begin(unsigned fillers, unsigned readers) const {
    for (unsigned i = 0; i < count; ++i) {
      begin_barrier(filled(i), fillers);
      begin_barrier(read(i), readers);
    }
  }
  __device__ void wait_for_room(unsigned i) const { wait_for_phase(read(i), (i / count + 1) % 2); }
  __device__ void fill(unsigned i) const { arrive(filled(i)); }
  /// Once the copies of this thread so far are done.
  __device__ void fill_by_copies(unsigned i) const { arrive_after_copies(filled(i)); }
  /// Products may read the stage afterwards.
  __device__ void wait_until_filled(unsigned i) const {
    wait_for_phase(filled(i), i / count % 2);
    writes_for_products();
  }
  __device__ void was_read(unsigned i) const { arrive(read(i)); }

 private:
  __device__ std::uint32_t filled(unsigned i) const { return barriers + i % count * 8; }
  __device__ std::uint32_t read(unsigned i) const { return barriers + (count + i % count) * 8; }
};

/// Registers of a thread in kernels of three warpgroups, of which one loads and two multiply.
inline constexpr int load_registers = 88, multiply_registers = 208;
static_assert(load_registers + 2 * multiply_registers <= 3 * 168, "what three threads begin with");

}  // namespace lotar::detail
