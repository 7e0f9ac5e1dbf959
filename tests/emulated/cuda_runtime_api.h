#pragma once

#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include "grid.hpp"
#include "stream.hpp"

// What the library calls of CUDA's runtime: devices of compute capability 9.0 with three multiprocessors and 4 GiB of
// the host's memory. What they do not show: that the host reads a device's memory, or a device the host's, and that a
// thread forgot to make its device the current one.

#define CUDART_VERSION 13000

// clang-format off
#define LOTAR_EMULATED_ERRORS(error)                                                                \
  error(Success, 0, "no error")                                                                     \
  error(ErrorInvalidValue, 1, "invalid argument")                                                   \
  error(ErrorMemoryAllocation, 2, "out of memory")                                                  \
  error(ErrorInvalidConfiguration, 9, "invalid configuration argument")                             \
  error(ErrorInsufficientDriver, 35, "CUDA driver version is insufficient for CUDA runtime version") \
  error(ErrorNoDevice, 100, "no CUDA-capable device is detected")                                   \
  error(ErrorInvalidDevice, 101, "invalid device ordinal")                                          \
  error(ErrorIllegalAddress, 700, "an illegal memory access was encountered")                       \
  error(ErrorLaunchTimeout, 702, "the launch timed out and was terminated")                         \
  error(ErrorAssert, 710, "device-side assert triggered")                                           \
  error(ErrorHardwareStackError, 714, "hardware stack error")                                       \
  error(ErrorIllegalInstruction, 715, "an illegal instruction was encountered")                     \
  error(ErrorMisalignedAddress, 716, "misaligned address")                                          \
  error(ErrorInvalidAddressSpace, 717, "operation not supported on global/shared address space")    \
  error(ErrorInvalidPc, 718, "invalid program counter")                                             \
  error(ErrorLaunchFailure, 719, "unspecified launch failure")                                      \
  error(ErrorStreamCaptureUnsupported, 900, "operation not permitted when stream is capturing")     \
  error(ErrorStreamCaptureUnjoined, 904, "capturing stream has unjoined work")                      \
  error(ErrorStreamCaptureIsolation, 905, "dependency created on uncaptured work in another stream") \
  error(ErrorCapturedEvent, 907, "operation not permitted on an event last recorded in a capturing stream")
// clang-format on

enum cudaError_t {
#define LOTAR_EMULATED_ERROR(name, number, text) cuda##name = number,
  LOTAR_EMULATED_ERRORS(LOTAR_EMULATED_ERROR)
#undef LOTAR_EMULATED_ERROR
};
inline const char* cudaGetErrorName(cudaError_t status) {
  switch (status) {
#define LOTAR_EMULATED_ERROR(name, number, text) \
  case cuda##name:                               \
    return "cuda" #name;
    LOTAR_EMULATED_ERRORS(LOTAR_EMULATED_ERROR)
#undef LOTAR_EMULATED_ERROR
  }
  return "";
}
inline const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
#define LOTAR_EMULATED_ERROR(name, number, text) \
  case cuda##name:                               \
    return text;
    LOTAR_EMULATED_ERRORS(LOTAR_EMULATED_ERROR)
#undef LOTAR_EMULATED_ERROR
  }
  return "";
}
#undef LOTAR_EMULATED_ERRORS
inline cudaError_t cudaGetLastError() { return cudaSuccess; }

// --- the device

namespace lotar::emulated {
inline constexpr int devices = 4;  // all alike, each for a process of its own
}  // namespace lotar::emulated

inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = lotar::emulated::devices;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int device) {
  return device >= 0 && device < lotar::emulated::devices ? cudaSuccess : cudaErrorInvalidDevice;
}
inline cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
struct cudaDeviceProp {
  int major, minor, multiProcessorCount;
  std::size_t sharedMemPerBlockOptin;
};
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* of, int device) {
  *of = {9, 0, 3, lotar::emulated::most_shared_bytes};
  return cudaSetDevice(device);
}
enum cudaDeviceAttr {
  cudaDevAttrComputeCapabilityMajor,
  cudaDevAttrComputeCapabilityMinor,
  cudaDevAttrMaxSharedMemoryPerBlockOptin,
  cudaDevAttrMultiProcessorCount
};
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr name, int device) {
  cudaDeviceProp of{};
  const cudaError_t status = cudaGetDeviceProperties(&of, device);
  *value = name == cudaDevAttrComputeCapabilityMajor         ? of.major
           : name == cudaDevAttrComputeCapabilityMinor       ? of.minor
           : name == cudaDevAttrMaxSharedMemoryPerBlockOptin ? static_cast<int>(of.sharedMemPerBlockOptin)
                                                             : of.multiProcessorCount;
  return status;
}

// --- memory

namespace lotar::emulated {

/// The device's, by address.
struct DeviceMemory {
  static constexpr std::size_t bytes = std::size_t{4} << 30;
  static constexpr std::align_val_t alignment{256};
  std::map<void*, std::size_t> blocks;
  std::size_t used = 0;

  static DeviceMemory& all() {
    static DeviceMemory& memory = *new DeviceMemory;
    return memory;
  }
};

}  // namespace lotar::emulated

template <class T>
cudaError_t cudaMalloc(T** to, std::size_t bytes) {
  auto& memory = lotar::emulated::DeviceMemory::all();
  const auto lock = lotar::emulated::one_at_a_time();
  if (bytes > memory.bytes - memory.used) return cudaErrorMemoryAllocation;
  void* const block = ::operator new(bytes, memory.alignment);
  std::memset(block, 0xFF, bytes);
  memory.blocks[block] = bytes;
  memory.used += bytes;
  *to = static_cast<T*>(block);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* block) {
  auto& memory = lotar::emulated::DeviceMemory::all();
  const auto lock = lotar::emulated::one_at_a_time();
  if (block == nullptr) return cudaSuccess;
  lotar::emulated::run_all();
  const auto found = memory.blocks.find(block);
  if (found == memory.blocks.end()) return cudaErrorInvalidValue;
  memory.used -= found->second;
  memory.blocks.erase(found);
  ::operator delete(block, memory.alignment);
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  auto& memory = lotar::emulated::DeviceMemory::all();
  const auto lock = lotar::emulated::one_at_a_time();
  *available = memory.bytes - memory.used;
  *total = memory.bytes;
  return cudaSuccess;
}
template <class T>
cudaError_t cudaMallocHost(T** to, std::size_t bytes) {
  *to = static_cast<T*>(::operator new(bytes));
  return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* block) {
  ::operator delete(block);
  return cudaSuccess;
}

// --- streams, events, graphs

enum { cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2 };
enum cudaStreamCaptureMode { cudaStreamCaptureModeRelaxed = 2 };
enum cudaStreamCaptureStatus { cudaStreamCaptureStatusNone, cudaStreamCaptureStatusActive };
struct CUevent_st {
  using Time = std::chrono::steady_clock::time_point;
  cudaStream_t stream = nullptr;  // that it was recorded on, and
  std::shared_ptr<lotar::emulated::Queue> queue;
  std::size_t position = 0;                           // in its queue, or in the capture's work
  std::shared_ptr<lotar::emulated::Capture> capture;  // whose part it is
  std::shared_ptr<Time> time = std::make_shared<Time>();
};
using cudaEvent_t = CUevent_st*;
using cudaGraph_t = std::shared_ptr<const std::vector<std::function<void()>>>*;
using cudaGraphExec_t = cudaGraph_t;

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const auto lock = lotar::emulated::one_at_a_time();
  *stream = new CUstream_st;
  lotar::emulated::all_streams.push_back(*stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, 0); }
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const auto lock = lotar::emulated::one_at_a_time();
  if (stream->capture) return cudaErrorStreamCaptureUnsupported;
  stream->queue->run_until(stream->queue->end());
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const auto lock = lotar::emulated::one_at_a_time();
  const cudaError_t status = cudaStreamSynchronize(stream);
  if (stream->capture) stream->capture->forget(stream);
  std::erase(lotar::emulated::all_streams, stream);
  delete stream;
  return status;
}
inline cudaError_t cudaDeviceSynchronize() {
  const auto lock = lotar::emulated::one_at_a_time();
  if (lotar::emulated::captures_under_way > 0) return cudaErrorStreamCaptureUnsupported;
  lotar::emulated::run_all();
  return cudaSuccess;
}
namespace lotar::emulated {
/// For calls that wait for the device, which breaks captures.
inline void refuse_captures(const char* call) {
  if (cudaDeviceSynchronize() != cudaSuccess) fail(call);
}
}  // namespace lotar::emulated
inline cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const auto lock = lotar::emulated::one_at_a_time();
  *status = stream->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
inline cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, 0); }
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const auto lock = lotar::emulated::one_at_a_time();
  *event = {stream, stream->queue, 0, stream->capture};
  if (stream->capture) {
    event->position = stream->capture->position();
    return cudaSuccess;
  }
  stream->queue->push([time = event->time] { *time = std::chrono::steady_clock::now(); });
  event->position = stream->queue->end();
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const auto lock = lotar::emulated::one_at_a_time();
  if (event->capture) return cudaErrorStreamCaptureUnsupported;
  if (event->queue) event->queue->run_until(event->position);
  return cudaSuccess;
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const auto lock = lotar::emulated::one_at_a_time();
  *milliseconds = std::chrono::duration<float, std::milli>(*end->time - *begin->time).count();
  return cudaSuccess;
}
/// A stream that waits for one that is being captured takes part in the capture.
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const auto lock = lotar::emulated::one_at_a_time();
  if (stream->capture && stream->capture != event->capture) return cudaErrorStreamCaptureIsolation;
  if (!event->capture) {
    if (event->queue)
      stream->queue->push([queue = event->queue, position = event->position] { queue->run_until(position); });
    return cudaSuccess;
  }
  if (event->capture->ended) return cudaErrorCapturedEvent;
  stream->capture = event->capture;
  event->capture->join(stream, event->stream, event->position);
  return cudaSuccess;
}

inline cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const auto lock = lotar::emulated::one_at_a_time();
  if (stream->capture) return cudaErrorStreamCaptureUnsupported;
  stream->capture = std::make_shared<lotar::emulated::Capture>();
  stream->capture->origin = stream;
  ++lotar::emulated::captures_under_way;
  return cudaSuccess;
}
inline cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto lock = lotar::emulated::one_at_a_time();
  const auto capture = stream->capture;
  *graph = nullptr;
  if (!capture || capture->origin != stream) return cudaErrorInvalidValue;
  for (const auto& [part, work] : capture->others) part->capture = nullptr;
  stream->capture = nullptr;
  capture->ended = true;
  --lotar::emulated::captures_under_way;
  if (capture->is_ahead()) return cudaErrorStreamCaptureUnjoined;
  using Work = std::vector<std::function<void()>>;
  *graph = new std::shared_ptr<const Work>(std::make_shared<const Work>(std::move(capture->work)));
  return cudaSuccess;
}
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new std::shared_ptr(*graph);
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return cudaGraphDestroy(exec); }
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  lotar::emulated::submit(stream, [graph = *exec] {
    for (const auto& work : *graph) work();
  });
  return cudaSuccess;
}

enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  lotar::emulated::submit(stream, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  lotar::emulated::submit(stream, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

// --- kernels

enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize, cudaFuncAttributePreferredSharedMemoryCarveout };
inline constexpr int cudaSharedmemCarveoutMaxShared = 100;
struct cudaFuncAttributes {
  int maxThreadsPerBlock;
};
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes;
  cudaStream_t stream;
};

namespace lotar::emulated {

/// The shared memory that kernels may have, where it is more than without asking.
struct AllowedShared {
  static constexpr std::size_t always = 48 * 1024;
  std::map<const void*, std::size_t> bytes;
  static AllowedShared& all() {
    static AllowedShared& allowed = *new AllowedShared;
    return allowed;
  }
};

}  // namespace lotar::emulated

template <class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* of, void (*)(P...)) {
  of->maxThreadsPerBlock = 128;  // as the library's probe for wgmma has it
  return cudaSuccess;
}
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute name, int value) {
  auto& allowed = lotar::emulated::AllowedShared::all();
  const auto lock = lotar::emulated::one_at_a_time();
  if (name != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<std::size_t>(value) > lotar::emulated::most_shared_bytes) return cudaErrorInvalidValue;
  allowed.bytes[reinterpret_cast<const void*>(kernel)] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
template <class... P, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...), Arguments&&... arguments) {
  const dim3 grid = config->gridDim, block = config->blockDim;
  const std::size_t bytes = config->dynamicSmemBytes;
  {
    auto& allowed = lotar::emulated::AllowedShared::all();
    const auto lock = lotar::emulated::one_at_a_time();
    const auto found = allowed.bytes.find(reinterpret_cast<const void*>(kernel));
    if (bytes > (found == allowed.bytes.end() ? allowed.always : found->second)) return cudaErrorInvalidValue;
  }
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || grid.x == 0 || grid.y == 0 || grid.x > 0x7FFFFFFF || grid.y > 65535 ||
      grid.z != 1)
    return cudaErrorInvalidConfiguration;
  lotar::emulated::submit(config->stream, [=, given = std::tuple<P...>(std::forward<Arguments>(arguments)...)] {
    lotar::emulated::launch(grid, block, bytes, [&] { std::apply(kernel, given); });
  });
  return cudaSuccess;
}
