#pragma once

#include <doctest/doctest.h>

#include <utility>

// What every test includes: doctest, and TestBackend, the backend that this build of the test runs on. A test that
// names TestBackend is built once per backend (CMake reads its text); one that does not is built once and pays for no
// backend.

/// A backend whose fresh memory is full of NaN, so that a test sees what was never written.
template <class Base, class Options>
class Poisoned : public Base {
 public:
  explicit Poisoned(Options options = {}) : Base((options.poison_allocations = true, options)) {}
  Poisoned fork() const { return Poisoned(Base::fork(), 0); }

 private:
  Poisoned(Base base, int) : Base(std::move(base)) {}
};

#if defined(__CUDACC__)

#include <lotar/backend/cuda.hpp>
using TestBackend = Poisoned<lotar::Cuda, lotar::CudaOptions>;

#elif defined(LOTAR_TEST_LOCKSTEP)

#include "lockstep.hpp"
using TestBackend = lotar::Lockstep;

#elif !defined(LOTAR_TEST_HOST_ONLY)

#include <lotar/backend/cpu.hpp>
using TestBackend = Poisoned<lotar::Cpu, lotar::CpuOptions>;

#endif

/// Whether it runs on a CUDA device, where much work takes little time.
#if defined(__CUDACC__) && !defined(LOTAR_TEST_EMULATED)
inline constexpr bool on_device = true;
#else
inline constexpr bool on_device = false;
#endif
