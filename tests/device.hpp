#pragma once

#if defined(LOTAR_CUDA_MAIN)
#include <cuda_runtime_api.h>
#endif

#include <cstdio>

/// True, and says so, in a CUDA program on a machine without a device. Its main then ends with 77, which CTest shows as
/// Skipped.
inline bool device_is_missing() {
#if defined(LOTAR_CUDA_MAIN)
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no CUDA device");
    return true;
  }
#endif
  return false;
}
