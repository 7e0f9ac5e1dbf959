#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/captures.hpp>
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
    Captures::outside([device = device_, number = number_] {
      cudaSetDevice(device->options().device);
      if (cudaDeviceSynchronize() == cudaSuccess) device->give_lane(number);
    });
  }

  void* allocate(std::size_t bytes) const { return device_->pool.allocate(bytes, number_); }
  void deallocate(void* block, std::size_t bytes) const { device_->pool.deallocate(block, bytes, number_); }

 private:
  std::shared_ptr<CudaDevice> device_;
  std::size_t number_;
};

/// CUDA's stream, and the library handles that work on it, made when first used.
struct StreamHandles {
  int device;
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  std::unique_ptr<Staging> staging = {};
  std::unique_ptr<Blas> blas = {};
  std::unique_ptr<ConvolutionPlans> plans = {};

  explicit StreamHandles(int device_) : device(device_) {
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
    const cudaError_t status = cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
    if (status != cudaSuccess) cudaStreamDestroy(stream);
    check(status, "cudaEventCreate");
  }
  StreamHandles(const StreamHandles&) = delete;
  StreamHandles& operator=(const StreamHandles&) = delete;
  ~StreamHandles() {
    cudaSetDevice(device);
    plans.reset();
    blas.reset();
    staging.reset();
    cudaEventDestroy(event);
    cudaStreamDestroy(stream);
  }
};

/// A stream of work and what belongs to it alone: a lane of the pool, and library handles.
class CudaStream : public std::enable_shared_from_this<CudaStream> {
 public:
  explicit CudaStream(std::shared_ptr<CudaDevice> device)
      : device_(std::move(device)), lane_(std::make_shared<CudaLane>(device_)) {
    device_->activate();
    handles_ = std::make_shared<StreamHandles>(device_->options().device);
  }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  ~CudaStream() {
    Captures::outside([handles = std::move(handles_)]() mutable { handles.reset(); });
  }

  CudaDevice& device() const { return *device_; }
  cudaStream_t get() const { return handles_->stream; }
  void activate() const { device_->activate(); }

  template <class T>
  std::shared_ptr<T[]> allocate(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t bytes = allocation_bytes<T>(n);
    void* const memory = lane_->allocate(bytes);
    std::shared_ptr<T[]> owner(static_cast<T*>(memory), [lane = lane_, bytes](T* p) { lane->deallocate(p, bytes); });
    if (device_->options().poison_allocations && bytes > 0) {
      activate();
      check(cudaMemsetAsync(memory, 0xFF, bytes, get()), "allocate");
    }
    return owner;
  }

  void upload(const void* host, void* to, std::size_t bytes) {
    if (!handles_->staging) handles_->staging = std::make_unique<Staging>();
    handles_->staging->upload(get(), host, to, bytes);
  }

  cublasHandle_t blas() {
    if (!handles_->blas)
      handles_->blas =
          std::make_unique<Blas>(get(), allocate<std::byte>(Blas::workspace_bytes), device_->options().tf32);
    return handles_->blas->handle();
  }

  ConvolutionPlans& plans() {
    if (!handles_->plans) {
      const CudaOptions& options = device_->options();
      handles_->plans = std::make_unique<ConvolutionPlans>(
          get(), device_->plans, PlanOptions{options.deterministic, options.tf32, device_->capability()});
    }
    return *handles_->plans;
  }

  /// Later work follows the other stream's work so far. A stream that waits for one of a step that is being recorded
  /// takes part in that step from then on: its work becomes part of the graph.
  /// @throws CudaError if this one takes part in a step that the other does not.
  void wait(CudaStream& other) {
    if (step_ != nullptr && other.step_ != step_)
      throw CudaError("wait: a step that is being recorded waits only for contexts that have waited for it");
    if (step_ != other.step_) other.step_->join(*this);
    check(cudaEventRecord(other.handles_->event, other.get()), "wait");
    check(cudaStreamWaitEvent(get(), other.handles_->event, 0), "wait");
  }

  /// True while this takes part in a step that is to be replayed.
  bool recording() const { return step_ != nullptr; }

  /// A lane for a recording on this stream; those given back serve the next.
  std::shared_ptr<CudaLane> take_lane() {
    if (retired_.empty()) {
      retired_.reserve(++lanes_taken_);  // so that giving lanes back never throws
      return std::make_shared<CudaLane>(device_);
    }
    std::shared_ptr<CudaLane> lane = std::move(retired_.back());
    retired_.pop_back();
    return lane;
  }
  void retire_lane(std::shared_ptr<CudaLane> lane) { retired_.push_back(std::move(lane)); }

  /// A stream that takes part in a recording, and a lane that only both together use.
  struct Part {
    std::shared_ptr<CudaStream> stream;
    std::shared_ptr<CudaLane> lane;
  };

  /// While it lives, a step runs that is to be replayed: on the stream of the first part, and on those that join. They
  /// allocate from the parts' lanes.
  class Step {
   public:
    explicit Step(std::vector<Part>& parts) : parts_(parts) { enter(parts_.front()); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() {
      for (Part& part : parts_)
        if (part.stream->step_ == this) {
          std::swap(part.stream->lane_, part.lane);
          part.stream->step_ = nullptr;
        }
    }

    void join(CudaStream& stream) {
      for (Part& part : parts_)
        if (part.stream.get() == &stream) return enter(part);
      parts_.push_back({stream.shared_from_this(), parts_.front().stream->take_lane()});
      enter(parts_.back());
    }

   private:
    void enter(Part& part) {
      std::swap(part.stream->lane_, part.lane);
      part.stream->step_ = this;
    }

    std::vector<Part>& parts_;
  };

 private:
  std::shared_ptr<CudaDevice> device_;
  std::shared_ptr<CudaLane> lane_;
  std::vector<std::shared_ptr<CudaLane>> retired_;
  std::size_t lanes_taken_ = 0;
  Step* step_ = nullptr;
  std::shared_ptr<StreamHandles> handles_;
};

}  // namespace lotar::detail
