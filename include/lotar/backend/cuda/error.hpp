#pragma once

#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn_graph.h>
#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <typeinfo>

#include <lotar/core/error.hpp>

namespace lotar {

/// A call of CUDA, cuBLAS or cuDNN that failed; the message names the call, the error and its meaning.
class CudaError : public Error {
 public:
  using Error::Error;
};

namespace detail {

/// Whether an error is that of a kernel which ran, as a rule one of an earlier call.
inline bool is_of_a_kernel(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
      return true;
    default:
      return false;
  }
}

/// "call: cudaErrorX: what that means". Forgets the error, so that a later call is not blamed for it.
inline std::string describe(const std::string& call, cudaError_t status) {
  cudaGetLastError();
  return call + ": " + cudaGetErrorName(status) + ": " + cudaGetErrorString(status) +
         (is_of_a_kernel(status) ? "; a kernel of this or an earlier call failed: with CUDA_LAUNCH_BLOCKING=1 in the "
                                   "environment the call named is its own"
                                 : "");
}

inline void check(cudaError_t status, const char* call) {
  if (status != cudaSuccess) throw CudaError(describe(call, status));
}
inline void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw CudaError(std::string(call) + ": " + cublasGetStatusName(status) + ": " + cublasGetStatusString(status));
}
/// "call: CUDNN_STATUS_X: what cuDNN says of its last error".
inline std::string describe(const std::string& call, cudnnStatus_t status) {
  char text[512] = "";
  cudnnGetLastErrorString(text, sizeof(text));
  std::replace(text, text + sizeof(text), '\n', ' ');
  return call + ": " + cudnnGetErrorString(status) + ": " + text;
}
inline void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS) throw CudaError(describe(call, status));
}

/// The name of T as in the source.
template <class T>
std::string type_name() {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(typeid(T).name(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? name.get() : typeid(T).name();
}

}  // namespace detail
}  // namespace lotar
