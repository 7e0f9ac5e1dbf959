#pragma once

#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/core/backend.hpp>

/// Convolutions as cuDNN's graph API runs them: an operation is described once, and the plan that cuDNN makes of it
/// kept.
namespace lotar::detail {

/// Whether a status says that cuDNN does not support what it was asked for.
inline bool is_unsupported(cudnnStatus_t status) {
  const int category = CUDNN_STATUS_CATEGORY(status);
  return category == CUDNN_STATUS_NOT_SUPPORTED || category == CUDNN_STATUS_BAD_PARAM;
}

/// An object of cuDNN's graph API.
class DnnDescriptor {
 public:
  explicit DnnDescriptor(cudnnBackendDescriptorType_t type) {
    check(cudnnBackendCreateDescriptor(type, &descriptor_), "cudnnBackendCreateDescriptor");
  }
  DnnDescriptor(DnnDescriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  DnnDescriptor& operator=(DnnDescriptor&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~DnnDescriptor() {
    if (descriptor_ != nullptr) cudnnBackendDestroyDescriptor(descriptor_);
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }

  template <class T>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    set(name, type, &value, 1);
  }
  template <class T, std::size_t N>
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const std::array<T, N>& values) {
    set(name, type, values.data(), N);
  }
  void set(cudnnBackendAttributeName_t name, const DnnDescriptor& value) {
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, &value.descriptor_, 1);
  }

  /// Whether cuDNN supports what is described.
  /// @throws CudaError if it failed for another reason, such as a lack of memory.
  bool finalize() {
    const cudnnStatus_t status = cudnnBackendFinalize(descriptor_);
    if (is_unsupported(status)) return false;
    check(status, "cudnnBackendFinalize");
    return true;
  }

 private:
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values, std::size_t n) {
    check(cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(n), values),
          "cudnnBackendSetAttribute");
  }

  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

enum class ConvolutionKind : std::int64_t { forward, backward_data, backward_filter };

/// The arrays of a convolution in one order whatever is computed from the others: x [N, H, W, C], filter [K, R, S, C],
/// y [N, P, Q, K]. The result's pointer is written.
struct ConvolutionArrays {
  void *x, *filter, *y;
};

/// A convolution that a plan can be made for.
struct ConvolutionProblem {
  ConvolutionKind kind;
  cudnnDataType_t factor_type, result_type;
  Extents<4> x, filter, y;
  Conv2d conv;
  double beta;  ///< result = convolution + beta result

  bool is_result(int array) const {  // 0: x, 1: filter, 2: y
    return array == (kind == ConvolutionKind::forward ? 2 : kind == ConvolutionKind::backward_data ? 0 : 1);
  }
};

/// A way to run one convolution.
class ConvolutionPlan {
 public:
  ConvolutionPlan(cudnnHandle_t handle, DnnDescriptor config)
      : config_(std::move(config)), plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config_);
    if (!plan_.finalize()) return;
    std::int64_t count = 0, bytes = 0;
    check(cudnnBackendGetAttribute(plan_.get(), CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                   &bytes),
          "cudnnBackendGetAttribute");
    workspace_bytes_ = static_cast<std::size_t>(bytes);
    usable_ = workspace_bytes_ <= most_workspace;
  }

  bool usable() const { return usable_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }

  void run(cudnnHandle_t handle, const ConvolutionArrays& arrays, void* workspace) const {
    DnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::array<std::int64_t, 3>{1, 2, 3});
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
             std::array<void*, 3>{arrays.x, arrays.filter, arrays.y});
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
    check(cudnnBackendFinalize(pack.get()), "cudnnBackendFinalize");
    check(cudnnBackendExecute(handle, plan_.get(), pack.get()), "cudnnBackendExecute");
  }

 private:
  static constexpr std::size_t most_workspace = std::size_t{1} << 30;

  DnnDescriptor config_, plan_;
  std::size_t workspace_bytes_ = 0;
  bool usable_ = false;
};

/// The plans of a stream: the first that cuDNN's heuristics propose and its options allow, so the same in every run.
class ConvolutionPlans {
 public:
  ConvolutionPlans(cudaStream_t stream, bool deterministic, bool tf32) : deterministic_(deterministic), tf32_(tf32) {
    check(cudnnCreate(&handle_), "cudnnCreate");
    const cudnnStatus_t status = cudnnSetStream(handle_, stream);
    if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle_);
    check(status, "cudnnSetStream");
  }
  ConvolutionPlans(const ConvolutionPlans&) = delete;
  ConvolutionPlans& operator=(const ConvolutionPlans&) = delete;
  ~ConvolutionPlans() {
    plans_.clear();
    cudnnDestroy(handle_);
  }

  cudnnHandle_t handle() const { return handle_; }

  /// The plan for a problem over arrays that begin where these do; null if cuDNN has none.
  const ConvolutionPlan* find(const ConvolutionProblem& p, const ConvolutionArrays& arrays) {
    const std::array<std::int64_t, 3> alignment{aligned(arrays.x), aligned(arrays.filter), aligned(arrays.y)};
    std::vector<std::int64_t> key{static_cast<std::int64_t>(p.kind),
                                  p.factor_type,
                                  p.result_type,
                                  static_cast<std::int64_t>(p.conv.stride),
                                  static_cast<std::int64_t>(p.conv.padding),
                                  std::bit_cast<std::int64_t>(p.beta)};
    key.insert(key.end(), alignment.begin(), alignment.end());
    for (const Extents<4>* extents : {&p.x, &p.filter})
      for (std::size_t i = 0; i < 4; ++i) key.push_back(static_cast<std::int64_t>((*extents)[i]));
    auto at = plans_.find(key);
    if (at == plans_.end()) at = plans_.emplace(std::move(key), make(p, alignment)).first;
    return at->second ? &*at->second : nullptr;
  }

 private:
  /// The power of two that an address is a multiple of, as far as cuDNN cares.
  static std::int64_t aligned(const void* p) {
    const auto address = reinterpret_cast<std::uintptr_t>(p) | 16;
    return static_cast<std::int64_t>(address & (~address + 1));
  }

  /// cuDNN counts dimensions as [N, C, H, W] and [K, C, R, S]; strides say that channels lie innermost.
  static std::optional<DnnDescriptor> tensor(std::int64_t id, cudnnDataType_t type, const Extents<4>& extents,
                                             std::int64_t alignment) {
    const auto e = [&](std::size_t i) { return static_cast<std::int64_t>(extents[i]); };
    DnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type);
    d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::array<std::int64_t, 4>{e(0), e(3), e(1), e(2)});
    d.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
          std::array<std::int64_t, 4>{e(1) * e(2) * e(3), 1, e(2) * e(3), e(3)});
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
    d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
    if (!d.finalize()) return std::nullopt;
    return d;
  }

  std::optional<ConvolutionPlan> make(const ConvolutionProblem& p, const std::array<std::int64_t, 3>& alignment) const {
    const auto type = [&](int array) { return p.is_result(array) ? p.result_type : p.factor_type; };
    const auto x = tensor(1, type(0), p.x, alignment[0]), filter = tensor(2, type(1), p.filter, alignment[1]),
               y = tensor(3, type(2), p.y, alignment[2]);
    if (!x || !filter || !y) return std::nullopt;

    const bool wide = p.factor_type == CUDNN_DATA_DOUBLE;
    const auto stride = static_cast<std::int64_t>(p.conv.stride), padding = static_cast<std::int64_t>(p.conv.padding);
    DnnDescriptor conv(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    conv.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2});
    conv.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, wide ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT);
    conv.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
    conv.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, std::array<std::int64_t, 2>{padding, padding});
    conv.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, std::array<std::int64_t, 2>{padding, padding});
    conv.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, std::array<std::int64_t, 2>{stride, stride});
    conv.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, std::array<std::int64_t, 2>{1, 1});
    if (!conv.finalize()) return std::nullopt;

    const Operation& names = operations[static_cast<std::size_t>(p.kind)];
    DnnDescriptor operation(names.type);
    operation.set(names.x, *x);
    operation.set(names.filter, *filter);
    operation.set(names.y, *y);
    operation.set(names.conv, conv);
    if (wide) {
      operation.set(names.alpha, CUDNN_TYPE_DOUBLE, 1.0);
      operation.set(names.beta, CUDNN_TYPE_DOUBLE, p.beta);
    } else {
      operation.set(names.alpha, CUDNN_TYPE_FLOAT, 1.f);
      operation.set(names.beta, CUDNN_TYPE_FLOAT, static_cast<float>(p.beta));
    }
    if (!operation.finalize()) return std::nullopt;
    DnnDescriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle_);
    if (!graph.finalize()) return std::nullopt;

    std::exception_ptr failure;  // of an engine: thrown if no other one can
    for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
      for (DnnDescriptor& config : proposals(graph, mode)) {
        if (!allowed(config, p.factor_type)) continue;
        try {
          ConvolutionPlan plan(handle_, std::move(config));
          if (plan.usable()) return plan;
        } catch (const CudaError&) {
          failure = std::current_exception();
        }
      }
    if (failure) std::rethrow_exception(failure);
    return std::nullopt;
  }

  /// Engine configurations, best first.
  static std::vector<DnnDescriptor> proposals(const DnnDescriptor& graph, cudnnBackendHeurMode_t mode) {
    std::vector<DnnDescriptor> configs;
    DnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (!heuristics.finalize()) return configs;
    const auto results = [&](std::int64_t wanted, cudnnBackendDescriptor_t* out) {
      std::int64_t count = 0;
      check(cudnnBackendGetAttribute(heuristics.get(), CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                     wanted, &count, out),
            "cudnnBackendGetAttribute");
      return count;
    };
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t n = results(0, nullptr); n > 0; --n) {
      configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
      raw.push_back(configs.back().get());
    }
    if (raw.empty()) return configs;
    const auto filled = static_cast<std::size_t>(results(static_cast<std::int64_t>(raw.size()), raw.data()));
    while (configs.size() > filled) configs.pop_back();
    return configs;
  }

  /// Whether the options allow what the configuration's engine does to the numbers.
  bool allowed(const DnnDescriptor& config, cudnnDataType_t type) const {
    DnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendDescriptor_t raw = engine.get();
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(config.get(), CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count,
                                   &raw),
          "cudnnBackendGetAttribute");
    std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> notes{};
    check(cudnnBackendGetAttribute(raw, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   static_cast<std::int64_t>(notes.size()), &count, notes.data()),
          "cudnnBackendGetAttribute");
    for (std::size_t i = 0; i < notes.size() && i < static_cast<std::size_t>(count); ++i) {
      if (notes[i] == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && deterministic_) return false;
      if (notes[i] == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
      if (type == CUDNN_DATA_FLOAT && !tf32_ &&
          (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || notes[i] == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS))
        return false;
    }
    return true;
  }

  /// What cuDNN calls the parts of an operation.
  struct Operation {
    cudnnBackendDescriptorType_t type;
    cudnnBackendAttributeName_t x, filter, y, conv, alpha, beta;
  };
  static constexpr Operation operations[] = {
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
      {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}};

  bool deterministic_, tf32_;
  cudnnHandle_t handle_ = nullptr;
  std::map<std::vector<std::int64_t>, std::optional<ConvolutionPlan>> plans_;
};

}  // namespace lotar::detail
