#pragma once

// ExampleBackend, the backend that this build of the program runs on: a source that names it is built once per backend.
#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
using ExampleBackend = lotar::Cuda;
inline ExampleBackend make_backend(int) { return ExampleBackend(); }

#else

#include <lotar/backend/cpu.hpp>
using ExampleBackend = lotar::Cpu;
/// @param threads  0: one a core
inline ExampleBackend make_backend(int threads) { return ExampleBackend({.threads = threads}); }

#endif
