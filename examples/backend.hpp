#pragma once

#include <lotar/core/distributed.hpp>

// ExampleBackend, the backend that this build of the program runs on: a source that names it is built once per backend.
//
//   make_backend(threads, tf32)  threads of the CPU, of each process, 0: one a core; tf32: see CudaOptions
//   default_precision            of --precision
#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
#if defined(LOTAR_EXAMPLE_MPI)
#include <lotar/backend/nccl.hpp>
using ExampleBackend = lotar::Nccl<lotar::Cuda>;
inline ExampleBackend make_backend(int, bool tf32 = false) {
  return ExampleBackend(lotar::Cuda({.device = lotar::local_rank(), .tf32 = tf32}));
}
#else
using ExampleBackend = lotar::Cuda;
inline ExampleBackend make_backend(int, bool tf32 = false) { return ExampleBackend({.tf32 = tf32}); }
#endif
inline constexpr const char* default_precision = "bf16";

#else

#include <lotar/backend/cpu.hpp>
#if defined(LOTAR_EXAMPLE_MPI)
#include <lotar/backend/mpi.hpp>
using ExampleBackend = lotar::Mpi<lotar::Cpu>;
#else
using ExampleBackend = lotar::Cpu;
#endif
/// @throws lotar::ConfigError for tf32.
inline ExampleBackend make_backend(int threads, bool tf32 = false) {
  if (tf32) throw lotar::ConfigError("--precision: tf32 is for CUDA; wanted float32 or bf16");
  return ExampleBackend(lotar::Cpu({.threads = threads}));
}
inline constexpr const char* default_precision = "float32";

#endif

/// Whether this process is the one that writes files and says how far it is.
template <class B>
bool is_first([[maybe_unused]] const B& b) {
  if constexpr (lotar::Distributed<B>)
    return b.rank() == 0;
  else
    return true;
}

/// What main returns: an exit code that is not 0 ends the other processes too.
inline int end_program(int code) {
#if defined(LOTAR_EXAMPLE_MPI)
  return lotar::leave(code);
#else
  return code;
#endif
}
