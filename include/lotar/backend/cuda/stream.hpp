#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/device.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/plans.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

/// Page-locked memory through which uploads pass, so that the host's own is free when they return: the runtime promises
/// that for no kind of host memory. Two halves, one filled while the other is on its way.
class Staging {
 public:
  Staging() {
    try {
      check(cudaMallocHost(&memory_, 2 * half), "cudaMallocHost");
      for (cudaEvent_t& sent : sent_) check(cudaEventCreateWithFlags(&sent, cudaEventDisableTiming), "cudaEventCreate");
    } catch (...) {
      release();
      throw;
    }
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging() { release(); }

  /// Waits only for room: where more than two halves are under way.
  void upload(cudaStream_t stream, const void* host, void* to, std::size_t bytes) {
    for (std::size_t at = 0; at < bytes; at += half, next_ = 1 - next_) {
      std::byte* const staged = static_cast<std::byte*>(memory_) + next_ * half;
      const std::size_t n = min(half, bytes - at);
      check(cudaEventSynchronize(sent_[next_]), "upload");
      std::memcpy(staged, static_cast<const std::byte*>(host) + at, n);
      check(cudaMemcpyAsync(static_cast<std::byte*>(to) + at, staged, n, cudaMemcpyHostToDevice, stream), "upload");
      check(cudaEventRecord(sent_[next_], stream), "upload");
    }
  }

 private:
  void release() {
    for (cudaEvent_t sent : sent_)
      if (sent != nullptr) {
        cudaEventSynchronize(sent);  // what is under way reads the memory
        cudaEventDestroy(sent);
      }
    cudaFreeHost(memory_);
  }

  static constexpr std::size_t half = std::size_t{4} << 20;
  void* memory_ = nullptr;
  cudaEvent_t sent_[2] = {};
  std::size_t next_ = 0;
};

/// A cuBLAS handle with a workspace of its own: so its results do not depend on what other streams do, and a recorded
/// product needs no memory but this.
class Blas {
 public:
  Blas(cudaStream_t stream, std::shared_ptr<std::byte[]> workspace, bool tf32) : workspace_(std::move(workspace)) {
    check(cublasCreate(&handle_), "cublasCreate");
    try {
      check(cublasSetStream(handle_, stream), "cublasSetStream");  // first: it takes the workspace away
      check(cublasSetWorkspace(handle_, workspace_.get(), workspace_bytes), "cublasSetWorkspace");
      const auto mode = static_cast<cublasMath_t>((tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH) |
                                                  CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION);
      check(cublasSetMathMode(handle_, mode), "cublasSetMathMode");
    } catch (...) {
      cublasDestroy(handle_);
      throw;
    }
  }
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  ~Blas() { cublasDestroy(handle_); }

  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // as cuBLAS recommends for Hopper

  cublasHandle_t handle() const { return handle_; }

 private:
  std::shared_ptr<std::byte[]> workspace_;
  cublasHandle_t handle_ = nullptr;
};

/// A lane of the pool, held by whoever allocates from it and by all of its blocks that are in use.
class CudaLane {
 public:
  explicit CudaLane(std::shared_ptr<CudaDevice> device) : device_(std::move(device)), number_(device_->take_lane()) {}
  CudaLane(const CudaLane&) = delete;
  CudaLane& operator=(const CudaLane&) = delete;
  /// Gives the lane to others once no stream's work under way uses its blocks.
  ~CudaLane() {
    cudaSetDevice(device_->options().device);
    if (cudaDeviceSynchronize() == cudaSuccess) device_->give_lane(number_);
  }

  void* allocate(std::size_t bytes) const { return device_->pool.allocate(bytes, number_); }
  void deallocate(void* block, std::size_t bytes) const { device_->pool.deallocate(block, bytes, number_); }

 private:
  std::shared_ptr<CudaDevice> device_;
  std::size_t number_;
};

/// A stream of work and what belongs to it alone: a lane of the pool, and library handles, made when first used.
class CudaStream {
 public:
  explicit CudaStream(std::shared_ptr<CudaDevice> device)
      : device_(std::move(device)), lane_(std::make_shared<CudaLane>(device_)) {
    device_->activate();
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
    const cudaError_t status = cudaEventCreateWithFlags(&event_, cudaEventDisableTiming);
    if (status != cudaSuccess) cudaStreamDestroy(stream_);
    check(status, "cudaEventCreate");
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() {
    cudaSetDevice(device_->options().device);
    plans_.reset();
    blas_.reset();
    staging_.reset();
    cudaEventDestroy(event_);
    cudaStreamDestroy(stream_);
  }

  CudaDevice& device() const { return *device_; }
  cudaStream_t get() const { return stream_; }
  void activate() const { device_->activate(); }

  template <class T>
  std::shared_ptr<T[]> allocate(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t bytes = allocation_bytes<T>(n);
    void* const memory = lane_->allocate(bytes);
    std::shared_ptr<T[]> owner(static_cast<T*>(memory), [lane = lane_, bytes](T* p) { lane->deallocate(p, bytes); });
    if (device_->options().poison_allocations && bytes > 0) {
      activate();
      check(cudaMemsetAsync(memory, 0xFF, bytes, stream_), "allocate");
    }
    return owner;
  }

  void upload(const void* host, void* to, std::size_t bytes) {
    if (!staging_) staging_ = std::make_unique<Staging>();
    staging_->upload(stream_, host, to, bytes);
  }

  cublasHandle_t blas() {
    if (!blas_)
      blas_ = std::make_unique<Blas>(stream_, allocate<std::byte>(Blas::workspace_bytes), device_->options().tf32);
    return blas_->handle();
  }

  ConvolutionPlans& plans() {
    if (!plans_) {
      const CudaOptions& options = device_->options();
      plans_ = std::make_unique<ConvolutionPlans>(
          stream_, device_->plans, PlanOptions{options.deterministic, options.tf32, device_->capability()});
    }
    return *plans_;
  }

  /// Later work follows the other stream's work so far.
  void wait(const CudaStream& other) {
    check(cudaEventRecord(other.event_, other.stream_), "wait");
    check(cudaStreamWaitEvent(stream_, other.event_, 0), "wait");
  }

  /// True while a step runs that is to be replayed.
  bool recording() const { return recording_; }

  /// A lane for a recording on this stream; those given back serve the next.
  std::shared_ptr<CudaLane> take_lane() {
    if (retired_.empty()) return std::make_shared<CudaLane>(device_);
    std::shared_ptr<CudaLane> lane = std::move(retired_.back());
    retired_.pop_back();
    return lane;
  }
  void retire_lane(std::shared_ptr<CudaLane> lane) { retired_.push_back(std::move(lane)); }

  /// While it lives, allocations come from the recording's lane.
  class Recording {
   public:
    Recording(CudaStream& stream, std::shared_ptr<CudaLane> lane)
        : stream_(stream), lane_(std::exchange(stream.lane_, std::move(lane))) {
      stream_.recording_ = true;
    }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording() {
      stream_.recording_ = false;
      stream_.lane_ = std::move(lane_);
    }

   private:
    CudaStream& stream_;
    std::shared_ptr<CudaLane> lane_;
  };

 private:
  std::shared_ptr<CudaDevice> device_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t event_ = nullptr;
  std::shared_ptr<CudaLane> lane_;
  std::vector<std::shared_ptr<CudaLane>> retired_;
  bool recording_ = false;
  std::unique_ptr<Staging> staging_;
  std::unique_ptr<Blas> blas_;
  std::unique_ptr<ConvolutionPlans> plans_;
};

}  // namespace lotar::detail
