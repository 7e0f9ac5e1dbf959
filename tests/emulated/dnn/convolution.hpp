#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "../arrays.hpp"
#include "objects.hpp"

// Convolutions by plain loops, summed in double and rounded once.
namespace lotar::emulated::dnn {

/// [N, C, H, W] or [K, C, R, S], in the order that the strides say.
struct Array {
  std::int64_t id, alignment;
  cudaDataType_t type;
  std::vector<std::size_t> extents, strides;
  void* data = nullptr;

  explicit Array(const Object& tensor)
      : id(tensor.value<std::int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID)),
        alignment(tensor.value<std::int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)),
        extents(tensor.values<std::size_t>(CUDNN_ATTR_TENSOR_DIMENSIONS)),
        strides(tensor.values<std::size_t>(CUDNN_ATTR_TENSOR_STRIDES)) {
    const auto stored = tensor.value<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
    type = stored == CUDNN_DATA_DOUBLE ? CUDA_R_64F : stored == CUDNN_DATA_FLOAT ? CUDA_R_32F : CUDA_R_16BF;
  }

  /// f(where an element lies), channels innermost.
  template <class F>
  void for_each(const F& f) const {
    for (std::size_t n = 0; n < extents[0]; ++n)
      for (std::size_t h = 0; h < extents[2]; ++h)
        for (std::size_t w = 0; w < extents[3]; ++w)
          for (std::size_t c = 0; c < extents[1]; ++c)
            f(n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3]);
  }
};

struct Convolution {
  enum { x, filter, y };
  std::vector<Array> arrays;
  std::size_t result;
  std::vector<std::size_t> before, after, stride, dilation;
  double alpha, beta;
  bool wide;  // summed in double

  explicit Convolution(const Object& operation) {
    // The attributes of all three follow each other in this order: alpha, beta, convolution, filter, x, y.
    const bool forward = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
               to_x = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
    const int first = forward ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA
                      : to_x  ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA
                              : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
    const auto part = [&](int i) { return static_cast<Name>(first + i); };
    const auto conv = operation.object(part(2));
    wide = conv->value<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_DOUBLE;
    const auto scale = [&](Name name) {
      return operation.has<double>(name) ? operation.value<double>(name) : operation.value<float>(name);
    };
    alpha = scale(part(0)), beta = scale(part(1));
    for (const int i : {4, 3, 5}) arrays.emplace_back(*operation.object(part(i)));
    result = forward ? y : to_x ? x : filter;
    before = conv->values<std::size_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    after = conv->values<std::size_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    stride = conv->values<std::size_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    dilation = conv->values<std::size_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  }

  void check() const {
    const auto &in = arrays[x].extents, &f = arrays[filter].extents, &out = arrays[y].extents;
    bool fit = in[0] == out[0] && in[1] == f[1] && f[0] == out[1];
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t padded = before[i] + in[2 + i] + after[i], reach = (f[2 + i] - 1) * dilation[i] + 1;
      fit = fit && reach <= padded && out[2 + i] == (padded - reach) / stride[i] + 1;
    }
    must(fit, "tensors that do not fit", CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH);
    for (const std::size_t i : {1u, 2u}) {
      must(arrays[i].id != arrays[i - 1].id && arrays[0].id != arrays[2].id, "tensors of one id");
      must(arrays[i].type == arrays[0].type, "tensors of different types", CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
    }
    must(wide == (arrays[0].type == CUDA_R_64F), "sums of another type", CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE);
  }

  void run() const {
    std::vector<double> values[3];  // channels innermost: [N, H, W, C], [K, R, S, C], [N, P, Q, K]
    for (std::size_t i = 0; i < 3; ++i)
      arrays[i].for_each(
          [&](std::size_t at) { values[i].push_back(i == result ? 0 : load(arrays[i].type, arrays[i].data, at)); });
    const auto &in = arrays[x].extents, &f = arrays[filter].extents, &out = arrays[y].extents;
    const std::size_t channels = in[1];
    for (std::size_t pixel = 0; pixel < out[0] * out[2] * out[3]; ++pixel)
      for (std::size_t rs = 0; rs < f[2] * f[3]; ++rs) {
        const std::size_t h = pixel / out[3] % out[2] * stride[0] + rs / f[3] * dilation[0] - before[0],
                          w = pixel % out[3] * stride[1] + rs % f[3] * dilation[1] - before[1];
        if (h >= in[2] || w >= in[3]) continue;  // below 0, too: it wraps
        for (std::size_t k = 0; k < f[0]; ++k) {
          double* const of_x = &values[x][((pixel / out[3] / out[2] * in[2] + h) * in[3] + w) * channels];
          double* const of_filter = &values[filter][(k * f[2] * f[3] + rs) * channels];
          double& of_y = values[y][pixel * f[0] + k];
          if (result == y) {
            of_y = std::inner_product(of_x, of_x + channels, of_filter, of_y);
          } else {
            double *const to = result == x ? of_x : of_filter, *const from = result == x ? of_filter : of_x;
            for (std::size_t c = 0; c < channels; ++c) to[c] += of_y * from[c];
          }
        }
      }
    const Array& to = arrays[result];
    std::size_t i = 0;
    to.for_each([&](std::size_t at) { store_scaled(alpha * values[result][i++], beta, to.type, to.data, at); });
  }
};

}  // namespace lotar::emulated::dnn
