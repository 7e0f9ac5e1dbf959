#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/core/pool.hpp>

namespace lotar {

struct CudaOptions {
  int device = 0;
  bool poison_allocations = false;  ///< fill fresh memory with NaN: for tests
  bool deterministic = true;        ///< the same bits every time; false lets cuDNN add in any order
  bool tf32 = false;                ///< products and convolutions of float may round their factors to 10 bits
};

namespace detail {

/// Where the pool of a device gets its memory.
struct CudaResource {
  int device;

  void* allocate(std::size_t bytes) const {
    check(cudaSetDevice(device), "cudaSetDevice");
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, bytes);
    if (status == cudaSuccess) return memory;
    std::string message = describe("cudaMalloc of " + std::to_string(bytes) + " bytes", status);
    std::size_t available = 0, total = 0;
    if (cudaMemGetInfo(&available, &total) == cudaSuccess)
      message += "; " + std::to_string(available) + " of the device's " + std::to_string(total) + " are free";
    throw CudaError(message);
  }
  void deallocate(void* memory) const { cudaFree(memory); }
};

/// A device: its pool of memory and its facts. Streams and allocations keep it.
class CudaDevice : public std::enable_shared_from_this<CudaDevice> {
 public:
  explicit CudaDevice(const CudaOptions& options) : pool(CudaResource{checked(options.device)}), options_(options) {
    activate();
    int bytes = 0;
    check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, options.device),
          "cudaDeviceGetAttribute");
    most_shared_ = static_cast<std::size_t>(bytes);
  }

  Pool<CudaResource> pool;

  const CudaOptions& options() const { return options_; }
  /// Bytes of shared memory that a thread block can have.
  std::size_t most_shared() const { return most_shared_; }

  /// Makes this the calling thread's device.
  void activate() const { check(cudaSetDevice(options_.device), "cudaSetDevice"); }

  /// A lane of the pool that nobody uses: a new one, or one given back.
  std::size_t take_lane() {
    const std::lock_guard lock(mutex_);
    if (unused_.empty()) return lanes_++;
    const std::size_t lane = unused_.back();
    unused_.pop_back();
    return lane;
  }
  /// Gives a lane back once no work under way uses its blocks.
  void give_lane(std::size_t lane) {
    const std::lock_guard lock(mutex_);
    unused_.push_back(lane);
  }

 private:
  static int checked(int device) {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status == cudaErrorInsufficientDriver) {
      int driver = 0;
      cudaDriverGetVersion(&driver);
      throw CudaError(describe("Cuda", status) + "; " +
                      (driver == 0 ? "no driver is installed" : "the driver supports CUDA " + version(driver)) +
                      ", this program was built with CUDA " + version(CUDART_VERSION));
    }
    check(status, "Cuda");
    if (device < 0 || device >= devices)
      throw ConfigError("Cuda: device must be in [0, " + std::to_string(devices) + "), got " + std::to_string(device));
    return device;
  }
  static std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

  CudaOptions options_;
  std::size_t most_shared_ = 0;
  std::mutex mutex_;
  std::vector<std::size_t> unused_;
  std::size_t lanes_ = 0;
};

}  // namespace detail
}  // namespace lotar
