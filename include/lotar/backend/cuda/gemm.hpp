#pragma once

#include <cublas_v2.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

template <class T>
inline constexpr cudaDataType_t blas_type = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bf16>);
  return std::is_same_v<T, double> ? CUDA_R_64F : std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;
}();

/// c = beta c: what a product over no steps is. f(row of any batch, column).
template <class Out, class Memory>
struct ScaleMatrix {
  Matrix<Out, Memory> c;
  double beta;
  LOTAR_FN void operator()(std::size_t r, std::size_t col) const {
    Out& out = c.data[r / c.rows * c.batch_stride + r % c.rows * c.row_stride + col];
    out = beta == 0 ? Out(0.f) : static_cast<Out>(static_cast<Accum<Out>>(beta) * static_cast<Accum<Out>>(out));
  }
};

/// c = alpha op_a(a) op_b(b) + beta c for shapes that fit and are not empty. cuBLAS counts down columns: what it sees
/// of a matrix is the transpose, and (op(a) op(b))^T = op(b)^T op(a)^T.
template <class T, class Out, class Memory>
void blas_gemm(cublasHandle_t handle, Op op_a, Op op_b, double alpha, const Matrix<const T, Memory>& a,
               const Matrix<const T, Memory>& b, double beta, const Matrix<Out, Memory>& c) {
  static_assert(std::is_same_v<Out, T> || std::is_same_v<Out, Accum<T>>);
  using A = Accum<T>;
  const auto operation = [](Op op) { return op == Op::none ? CUBLAS_OP_N : CUBLAS_OP_T; };
  const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  constexpr cublasComputeType_t compute = std::is_same_v<A, double> ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F;
  const A scale_product = static_cast<A>(alpha), scale_c = static_cast<A>(beta);
  const std::size_t depth = op_a == Op::none ? a.cols : a.rows;
  if (c.batches == 1)
    check(cublasGemmEx_64(handle, operation(op_b), operation(op_a), size(c.cols), size(c.rows), size(depth),
                          &scale_product, b.data, blas_type<T>, size(b.row_stride), a.data, blas_type<T>,
                          size(a.row_stride), &scale_c, c.data, blas_type<Out>, size(c.row_stride), compute,
                          CUBLAS_GEMM_DEFAULT),
          "gemm: cublasGemmEx");
  else
    check(cublasGemmStridedBatchedEx_64(handle, operation(op_b), operation(op_a), size(c.cols), size(c.rows),
                                        size(depth), &scale_product, b.data, blas_type<T>, size(b.row_stride),
                                        size(b.batch_stride), a.data, blas_type<T>, size(a.row_stride),
                                        size(a.batch_stride), &scale_c, c.data, blas_type<Out>, size(c.row_stride),
                                        size(c.batch_stride), size(c.batches), compute, CUBLAS_GEMM_DEFAULT),
          "gemm: cublasGemmStridedBatchedEx");
}

}  // namespace lotar::detail
