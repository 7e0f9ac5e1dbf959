#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "arrays.hpp"

// What the library calls of cuBLAS: products by plain loops, summed in double and rounded once.

enum cublasOperation_t { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F = 68, CUBLAS_COMPUTE_64F = 70 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT = -1 };
enum cublasMath_t {
  CUBLAS_DEFAULT_MATH = 0,
  CUBLAS_TF32_TENSOR_OP_MATH = 3,
  CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION = 16
};

enum cublasStatus_t {
  CUBLAS_STATUS_SUCCESS = 0,
  CUBLAS_STATUS_NOT_INITIALIZED = 1,
  CUBLAS_STATUS_ALLOC_FAILED = 3,
  CUBLAS_STATUS_INVALID_VALUE = 7,
  CUBLAS_STATUS_NOT_SUPPORTED = 15
};
inline const char* cublasGetStatusName(cublasStatus_t status) {
  return status == CUBLAS_STATUS_SUCCESS           ? "CUBLAS_STATUS_SUCCESS"
         : status == CUBLAS_STATUS_NOT_INITIALIZED ? "CUBLAS_STATUS_NOT_INITIALIZED"
         : status == CUBLAS_STATUS_ALLOC_FAILED    ? "CUBLAS_STATUS_ALLOC_FAILED"
         : status == CUBLAS_STATUS_INVALID_VALUE   ? "CUBLAS_STATUS_INVALID_VALUE"
                                                   : "CUBLAS_STATUS_NOT_SUPPORTED";
}
inline const char* cublasGetStatusString(cublasStatus_t) { return "by tests/emulated/cublas_v2.h"; }

// --- handles

struct cublasContext {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
  std::size_t workspace_bytes = 0;
};
using cublasHandle_t = cublasContext*;

inline cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  *handle = new cublasContext;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasDestroy(cublasHandle_t handle) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  lotar::emulated::refuse_captures("cublasDestroy while a stream is captured");
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
/// Takes the workspace away, as cuBLAS does.
inline cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  *handle = {stream};
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0) return CUBLAS_STATUS_INVALID_VALUE;
  handle->workspace = workspace;
  handle->workspace_bytes = bytes;
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasSetMathMode(cublasHandle_t, cublasMath_t) { return CUBLAS_STATUS_SUCCESS; }

/// c = alpha op_a(a) op_b(b) + beta c, batch by batch; columns lie one after the other. A handle without a workspace of
/// its own is refused: recorded products must not need memory that cuBLAS finds itself. The workspace is written to.
inline cublasStatus_t cublasGemmStridedBatchedEx_64(cublasHandle_t handle, cublasOperation_t op_a,
                                                    cublasOperation_t op_b, std::int64_t m, std::int64_t n,
                                                    std::int64_t k, const void* alpha, const void* a,
                                                    cudaDataType_t type_a, std::int64_t ld_a, long long batch_a,
                                                    const void* b, cudaDataType_t type_b, std::int64_t ld_b,
                                                    long long batch_b, const void* beta, void* c, cudaDataType_t type_c,
                                                    std::int64_t ld_c, long long batch_c, std::int64_t batches,
                                                    cublasComputeType_t compute, cublasGemmAlgo_t) {
  using namespace lotar::emulated;
  const bool plain_a = op_a == CUBLAS_OP_N, plain_b = op_b == CUBLAS_OP_N, wide = compute == CUBLAS_COMPUTE_64F;
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (std::min({m, n, k, batches}) < 0 || ld_a < std::max(plain_a ? m : k, std::int64_t{1}) ||
      ld_b < std::max(plain_b ? k : n, std::int64_t{1}) || ld_c < std::max(m, std::int64_t{1}))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (type_a != type_b || wide != (type_a == CUDA_R_64F) || (type_c != type_a && (wide || type_c != CUDA_R_32F)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (handle->workspace_bytes == 0) return CUBLAS_STATUS_ALLOC_FAILED;

  const auto size = [](long long x) { return static_cast<std::size_t>(x); };
  // [lines, k]: those of op_a(a), or of the transpose of op_b(b)
  const auto lines = [size, k](cudaDataType_t type, const void* data, long long begin, std::int64_t count,
                               std::int64_t line, std::int64_t step) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t l = 0; l < k; ++l) values.push_back(load(type, data, size(begin + i * line + l * step)));
    return values;
  };
  const cudaDataType_t scalar = wide ? CUDA_R_64F : CUDA_R_32F;
  const double scale = load(scalar, alpha, 0), scale_c = load(scalar, beta, 0);
  submit(handle->stream, [=, workspace = static_cast<std::byte*>(handle->workspace), bytes = handle->workspace_bytes] {
    workspace[0] = workspace[bytes - 1] = std::byte{0xFF};
    for (std::int64_t batch = 0; batch < batches; ++batch) {
      const auto rows = lines(type_a, a, batch * batch_a, m, plain_a ? 1 : ld_a, plain_a ? ld_a : 1);
      const auto cols = lines(type_b, b, batch * batch_b, n, plain_b ? ld_b : 1, plain_b ? 1 : ld_b);
      for (std::int64_t j = 0; j < n; ++j)
        for (std::int64_t i = 0; i < m; ++i) {
          const double* const row = rows.data() + i * k;
          const double sum = std::inner_product(row, row + k, cols.data() + j * k, 0.);
          store_scaled(scale * sum, scale_c, type_c, c, size(batch * batch_c + j * ld_c + i));
        }
    }
  });
  return CUBLAS_STATUS_SUCCESS;
}
inline cublasStatus_t cublasGemmEx_64(cublasHandle_t handle, cublasOperation_t op_a, cublasOperation_t op_b,
                                      std::int64_t m, std::int64_t n, std::int64_t k, const void* alpha, const void* a,
                                      cudaDataType_t type_a, std::int64_t ld_a, const void* b, cudaDataType_t type_b,
                                      std::int64_t ld_b, const void* beta, void* c, cudaDataType_t type_c,
                                      std::int64_t ld_c, cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx_64(handle, op_a, op_b, m, n, k, alpha, a, type_a, ld_a, 0, b, type_b, ld_b, 0, beta,
                                       c, type_c, ld_c, 0, 1, compute, algorithm);
}
