#pragma once

#include <lotar/core/distributed.hpp>

// ExampleBackend, the backend that this build of the program runs on: a source that names it is built once per backend.
#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
using ExampleBackend = lotar::Cuda;
inline ExampleBackend make_backend(int) { return ExampleBackend(); }

#elif defined(LOTAR_EXAMPLE_MPI)

#include <lotar/backend/cpu.hpp>
#include <lotar/backend/mpi.hpp>
using ExampleBackend = lotar::Mpi<lotar::Cpu>;
/// @param threads  of each process; 0: one a core
inline ExampleBackend make_backend(int threads) { return ExampleBackend(lotar::Cpu({.threads = threads})); }

#else

#include <lotar/backend/cpu.hpp>
using ExampleBackend = lotar::Cpu;
/// @param threads  0: one a core
inline ExampleBackend make_backend(int threads) { return ExampleBackend({.threads = threads}); }

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
