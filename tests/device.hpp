#pragma once

#if defined(LOTAR_CUDA_MAIN)
#include <cuda_runtime_api.h>
#endif

#include <cstdio>
#include <cstdlib>

/// True, and says so, in a CUDA program on a machine without a device, or with fewer than LOTAR_TEST_DEVICES of the
/// environment says. Its main then ends with 77, which CTest shows as Skipped.
inline bool device_is_missing() {
#if defined(LOTAR_CUDA_MAIN)
  const char* const text = std::getenv("LOTAR_TEST_DEVICES");
  const int wanted = text == nullptr ? 1 : std::atoi(text);
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess) devices = 0;
  if (devices < wanted) {
    std::printf("skipped: wanted %d CUDA devices, got %d\n", wanted, devices);
    return true;
  }
#endif
  return false;
}
