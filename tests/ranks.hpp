#pragma once

// One, a backend of this process alone, and Ranks, that of all processes that the launcher began: of a source that is
// built once for the CPU and once for CUDA.

#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
#include <lotar/backend/nccl.hpp>

using One = lotar::Cuda;
using Ranks = lotar::Nccl<lotar::Cuda>;
inline One make_one() { return One({.device = lotar::local_rank(), .poison_allocations = true}); }

#else

#include <lotar/backend/cpu.hpp>
#include <lotar/backend/mpi.hpp>

using One = lotar::Cpu;
using Ranks = lotar::Mpi<lotar::Cpu>;
inline One make_one() { return One({.threads = 1, .poison_allocations = true}); }

#endif

inline Ranks make_ranks() { return Ranks(make_one()); }
