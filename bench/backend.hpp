#pragma once

#include <benchmark/benchmark.h>

// BenchBackend, the backend that this build of the benchmark runs on: a source that names it is built once per backend.
// bench_large says whether it is one for problems that take a CPU's cores many seconds.
#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
using BenchBackend = lotar::Cuda;
inline constexpr bool bench_large = true;
/// A backend that may add in any order.
inline BenchBackend any_order_backend() { return BenchBackend({.deterministic = false}); }

#else

#include <lotar/backend/cpu.hpp>
using BenchBackend = lotar::Cpu;
inline constexpr bool bench_large = false;
inline BenchBackend any_order_backend() { return BenchBackend(); }

#endif
