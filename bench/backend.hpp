#pragma once

#include <benchmark/benchmark.h>

// BenchBackend, the backend that this build of the benchmark runs on: a source that names it is built once per backend.
#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
using BenchBackend = lotar::Cuda;

#else

#include <lotar/backend/cpu.hpp>
using BenchBackend = lotar::Cpu;

#endif
