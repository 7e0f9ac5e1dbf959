#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/plan_memory.hpp>
#include <lotar/backend/cuda/wgmma.hpp>
#include <lotar/core/pool.hpp>

namespace lotar {

struct CudaOptions {
  int device = 0;
  bool poison_allocations = false;  ///< fill fresh memory with NaN: for tests
  bool deterministic = true;  ///< the same bits every time; false lets cuDNN add in any order, and times its plans
  bool tf32 = false;          ///< products and convolutions of float may round their factors to 10 bits
};

namespace detail {

/// Where the pool of a device gets its memory.
struct CudaResource {
  int device;
  std::size_t held = 0;  ///< bytes

  void* allocate(std::size_t bytes) {
    check(cudaSetDevice(device), "cudaSetDevice");
    void* memory = nullptr;
    const cudaError_t status = cudaMalloc(&memory, bytes);
    if (status == cudaSuccess) {
      held += bytes;
      return memory;
    }
    std::string message = describe("cudaMalloc of " + std::to_string(bytes) + " bytes", status);
    std::size_t available = 0, total = 0;
    if (cudaMemGetInfo(&available, &total) == cudaSuccess)
      message += "; " + std::to_string(available) + " of the device's " + std::to_string(total) +
                 " are free, the pool holds " + std::to_string(held);
    throw CudaError(message);
  }
  void deallocate(void* memory) const { cudaFree(memory); }
};

/// In every binary that has any kernel.
template <class = void>
__global__ void probe_kernel() {}

/// By the threads that it may have it says whether the device runs code with wgmma.hpp's instructions.
inline constexpr int wgmma_probe_threads = 128;
template <class = void>
__global__ void __launch_bounds__(compiled_for_wgmma ? wgmma_probe_threads : 32) probe_wgmma_kernel() {}

/// "8.0" for 800, which is how __CUDA_ARCH_LIST__ says it.
inline std::string capability_text(int architecture) {
  return std::to_string(architecture / 100) + "." + std::to_string(architecture % 100 / 10);
}

/// A device: its pool of memory, its plans and its facts. Streams and allocations keep it.
class CudaDevice : public std::enable_shared_from_this<CudaDevice> {
 public:
  explicit CudaDevice(const CudaOptions& options) : pool(CudaResource{checked(options.device)}), options_(options) {
    activate();
    capability_ = capability_text(100 * attribute(cudaDevAttrComputeCapabilityMajor) +
                                  10 * attribute(cudaDevAttrComputeCapabilityMinor));
    check_kernels({__CUDA_ARCH_LIST__});
    most_shared_ = static_cast<std::size_t>(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin));
    multiprocessors_ = static_cast<unsigned>(attribute(cudaDevAttrMultiProcessorCount));
    cudaFuncAttributes compiled{};
    check(cudaFuncGetAttributes(&compiled, probe_wgmma_kernel<>), "cudaFuncGetAttributes");
    has_wgmma_ = compiled.maxThreadsPerBlock == wgmma_probe_threads;
  }

  Pool<CudaResource> pool;
  PlanMemory plans;

  const CudaOptions& options() const { return options_; }
  /// Bytes of shared memory that a thread block can have.
  std::size_t most_shared() const { return most_shared_; }
  unsigned multiprocessors() const { return multiprocessors_; }
  /// Whether the device runs code with the instructions of wgmma.hpp.
  bool has_wgmma() const { return has_wgmma_; }
  /// The compute capability, such as "9.0".
  const std::string& capability() const { return capability_; }

  /// Makes this the calling thread's device.
  void activate() const { check(cudaSetDevice(options_.device), "cudaSetDevice"); }

  /// A lane of the pool that nobody uses: a new one, or one given back.
  std::size_t take_lane() {
    const std::lock_guard lock(mutex_);
    if (unused_.empty()) {
      unused_.reserve(lanes_ + 1);  // so that giving lanes back never throws
      return lanes_++;
    }
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
    check(status == cudaSuccess && devices == 0 ? cudaErrorNoDevice : status, "Cuda");
    if (device < 0 || device >= devices)
      throw ConfigError("Cuda: device must be in [0, " + std::to_string(devices) + "), got " + std::to_string(device));
    return device;
  }
  /// @throws CudaError if this binary has no kernels for the device.
  void check_kernels(std::initializer_list<int> architectures) const {
    cudaFuncAttributes unused{};
    const cudaError_t status = cudaFuncGetAttributes(&unused, probe_kernel<>);
    if (status == cudaSuccess) return;
    std::string built;
    for (const int a : architectures) built += (built.empty() ? "" : ", ") + capability_text(a);
    throw CudaError(describe("Cuda", status) + "; the device has compute capability " + capability_ +
                    ", this program was compiled for " + built);
  }
  int attribute(cudaDeviceAttr name) const {
    int value = 0;
    check(cudaDeviceGetAttribute(&value, name, options_.device), "cudaDeviceGetAttribute");
    return value;
  }
  static std::string version(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

  CudaOptions options_;
  std::string capability_;
  std::size_t most_shared_ = 0;
  unsigned multiprocessors_ = 0;
  bool has_wgmma_ = false;
  std::mutex mutex_;
  std::vector<std::size_t> unused_;
  std::size_t lanes_ = 0;
};

}  // namespace detail
}  // namespace lotar
