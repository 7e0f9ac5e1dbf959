#pragma once

#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/dnn.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/plan_memory.hpp>
#include <lotar/backend/cuda/timer.hpp>
#include <lotar/core/backend.hpp>

/// Convolutions as cuDNN's graph API runs them: an operation is described once, and the plan that cuDNN makes of it
/// kept.
namespace lotar::detail {

inline cudnnDataType_t dnn_type(Storage s) {
  return s == Storage::float64 ? CUDNN_DATA_DOUBLE : s == Storage::float32 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
}

/// A way to run one convolution.
class ConvolutionPlan {
 public:
  ConvolutionPlan(cudnnHandle_t handle, DnnDescriptor config)
      : config_(std::move(config)), plan_(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle);
    plan_.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config_);
    if (!plan_.finalize()) return;
    workspace_bytes_ =
        static_cast<std::size_t>(plan_.value<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64));
    usable_ = workspace_bytes_ <= most_workspace;
  }

  bool usable() const { return usable_; }
  std::size_t workspace_bytes() const { return workspace_bytes_; }
  EngineChoice choice() const { return choice_of(config_); }

  void run(cudnnHandle_t handle, const ConvolutionArrays& arrays, void* workspace) const {
    DnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, std::array<std::int64_t, 3>{1, 2, 3});
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, arrays);
    pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, workspace);
    pack.must_finalize();
    check(cudnnBackendExecute(handle, plan_.get(), pack.get()), "cudnnBackendExecute");
  }

 private:
  static constexpr std::size_t most_workspace = std::size_t{1} << 30;

  DnnDescriptor config_, plan_;
  std::size_t workspace_bytes_ = 0;
  bool usable_ = false;
};

struct PlanOptions {
  bool deterministic, tf32;
  std::string capability;  ///< of the device
};

/// The plans of a stream: those that the device's memory has; then, of what cuDNN's heuristics propose and the options
/// allow, the first by tensor cores, else the first, so the same in every run; where the options ask for no
/// determinism, the fastest of the first few in this order.
class ConvolutionPlans {
 public:
  ConvolutionPlans(cudaStream_t stream, PlanMemory& memory, PlanOptions options)
      : stream_(stream), memory_(memory), options_(std::move(options)) {
    check(cudnnCreate(&handle_), "cudnnCreate");
    const cudnnStatus_t status = cudnnSetStream(handle_, stream);
    if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle_);
    check(status, "cudnnSetStream");
  }
  ConvolutionPlans(const ConvolutionPlans&) = delete;
  ConvolutionPlans& operator=(const ConvolutionPlans&) = delete;
  ~ConvolutionPlans() {
    plans_.clear();
    retired_.clear();
    cudnnDestroy(handle_);
  }

  cudnnHandle_t handle() const { return handle_; }

  /// What a search found.
  struct Found {
    std::optional<ConvolutionPlan> plan;  ///< none if cuDNN has none
    std::string amiss;                    ///< not empty: what may have kept it from having one, see is_amiss()
  };

  /// The plan for a problem over arrays that begin where these do. It stays where it is, for steps recorded with it.
  /// @param allocate  gives memory for what is timed
  /// @throws CudaError if cuDNN refuses the plan that the memory has, or fails.
  template <class Allocate>
  const Found& find(const ConvolutionProblem& p, const ConvolutionArrays& arrays, const Allocate& allocate) {
    if (const std::size_t version = memory_.version(); version != version_) {
      retired_.push_back(std::exchange(plans_, {}));
      version_ = version;
    }
    const std::array<std::int64_t, 3> alignment = alignments(arrays);
    std::vector<std::int64_t> key = detail::key(p, alignment);
    auto at = plans_.find(key);
    if (at == plans_.end()) at = plans_.emplace(std::move(key), make(p, arrays, alignment, allocate)).first;
    return at->second;
  }

 private:
  static constexpr std::size_t most_timed = 4;

  /// Where another stream chose meanwhile, its choice.
  template <class Allocate>
  Found make(const ConvolutionProblem& p, const ConvolutionArrays& arrays, const std::array<std::int64_t, 3>& alignment,
             const Allocate& allocate) const {
    const std::string problem = to_string(p, alignment, options_.capability);
    if (const auto text = memory_.find(problem)) return {remembered(p, alignment, problem, *text), ""};
    std::vector<ConvolutionPlan> plans;
    try {
      if (const auto graph = describe(p, alignment)) plans = proposed(*graph, p, timing() ? most_timed : 1);
    } catch (const DnnAmiss& e) {
      return {std::nullopt, e.what()};
    }
    std::optional<ConvolutionPlan> plan;
    if (!plans.empty()) plan = std::move(plans[plans.size() == 1 ? 0 : fastest(plans, p, arrays, allocate)]);
    const std::string text = to_string(plan ? std::optional(plan->choice()) : std::nullopt);
    const std::string kept = memory_.keep(problem, text);
    if (kept != text) plan = remembered(p, alignment, problem, kept);
    return {std::move(plan), ""};
  }

  std::optional<ConvolutionPlan> remembered(const ConvolutionProblem& p, const std::array<std::int64_t, 3>& alignment,
                                            const std::string& problem, const std::string& text) const {
    const std::optional<EngineChoice> choice = parse_plan(text);
    if (!choice) return std::nullopt;
    std::string why = "cuDNN does not support the convolution";
    try {
      if (const auto graph = describe(p, alignment)) {
        DnnDescriptor config = config_of(*graph, *choice);
        why = "the backend's options rule the engine out";
        if (allowed(config, p.factors)) {
          ConvolutionPlan plan(handle_, std::move(config));
          if (plan.usable()) return plan;
          why = "cuDNN does not support it, or it wants too much memory";
        }
      }
    } catch (const CudaError& e) {
      why = e.what();
    }
    throw CudaError("conv2d: the plan \"" + text + "\" for " + problem + " is refused by cuDNN " +
                    std::to_string(cudnnGetVersion()) + ": " + why +
                    "; run with the cuDNN and the options that it was made with, or leave it out of use_plans()");
  }

  /// Whether there may be work on the stream whose time is measured: none is while a step is being captured.
  bool timing() const {
    if (options_.deterministic) return false;
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream_, &status), "cudaStreamIsCapturing");
    return status == cudaStreamCaptureStatusNone;
  }

  /// The plan that takes the least time, of two runs after one to warm up, which write to a scratch. One for whose
  /// workspace there is no memory is none.
  template <class Allocate>
  std::size_t fastest(const std::vector<ConvolutionPlan>& plans, const ConvolutionProblem& p, ConvolutionArrays arrays,
                      const Allocate& allocate) const {
    const auto scratch = allocate(p.extents[p.result_array()].size() * bytes_of(p.result));
    arrays[p.result_array()] = scratch.get();
    StreamTimer timer(stream_);
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < plans.size(); ++i) {
      decltype(allocate(0)) workspace;
      try {
        workspace = allocate(plans[i].workspace_bytes());
      } catch (const CudaError&) {
        continue;
      }
      const auto run = [&] { plans[i].run(handle_, arrays, workspace.get()); };
      run();
      timer.begin();
      run();
      run();
      const double time = timer.end();
      if (time < least) least = time, best = i;
    }
    return best;
  }

  /// cuDNN counts dimensions as [N, C, H, W] and [K, C, R, S]; strides say that channels lie innermost.
  static std::optional<DnnDescriptor> tensor(std::int64_t id, Storage storage, const Extents<4>& extents,
                                             std::int64_t alignment) {
    const auto e = [&](std::size_t i) { return static_cast<std::int64_t>(extents[i]); };
    DnnDescriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, dnn_type(storage));
    d.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, std::array<std::int64_t, 4>{e(0), e(3), e(1), e(2)});
    d.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64,
          std::array<std::int64_t, 4>{e(1) * e(2) * e(3), 1, e(2) * e(3), e(3)});
    d.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id);
    d.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, alignment);
    if (!d.finalize()) return std::nullopt;
    return d;
  }

  /// The operation graph; none if cuDNN does not support it.
  std::optional<DnnDescriptor> describe(const ConvolutionProblem& p,
                                        const std::array<std::int64_t, 3>& alignment) const {
    const auto array = [&](std::size_t i) {
      return tensor(static_cast<std::int64_t>(i) + 1, p.storage_of(i), p.extents[i], alignment[i]);
    };
    const auto x = array(0), filter = array(1), y = array(2);
    if (!x || !filter || !y) return std::nullopt;

    const bool wide = p.factors == Storage::float64;
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
    return graph;
  }

  /// The first plans, at most `most`, of the candidates.
  /// @throws CudaError with what the last engine met if none can.
  std::vector<ConvolutionPlan> proposed(const DnnDescriptor& graph, const ConvolutionProblem& p,
                                        std::size_t most) const {
    std::vector<ConvolutionPlan> plans;
    std::exception_ptr failure;
    for (const cudnnBackendHeurMode_t mode : heuristics(p)) {
      try {
        for (DnnDescriptor& config : candidates(graph, mode, p.factors)) {
          try {
            ConvolutionPlan plan(handle_, std::move(config));
            if (plan.usable()) plans.push_back(std::move(plan));
          } catch (const CudaError&) {
            failure = std::current_exception();
          }
          if (plans.size() == most) return plans;
        }
      } catch (const DnnAmiss&) {
        failure = std::current_exception();
      }
      if (!plans.empty()) return plans;
    }
    if (failure) std::rethrow_exception(failure);
    return plans;
  }

  /// Which heuristics are asked, in turn. For filter gradients of few channels B first: it cuts the sum over all pixels
  /// in enough parts for the device, where A is three times as slow.
  static std::vector<cudnnBackendHeurMode_t> heuristics(const ConvolutionProblem& p) {
    if (p.kind == ConvolutionKind::backward_filter && p.factors == Storage::bf16 && p.extents[0][3] < padded_channels)
      return {CUDNN_HEUR_MODE_B, CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
    return {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK};
  }

  /// Engine configurations, best first.
  static std::vector<DnnDescriptor> configs(const DnnDescriptor& graph, cudnnBackendHeurMode_t mode) {
    DnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
    if (!heuristics.finalize()) return {};
    return heuristics.objects(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                              heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS));
  }

  /// The configurations that cuDNN proposes and the options allow. Those by tensor cores come first: cuDNN may put one
  /// before them that takes eight times as long.
  std::vector<DnnDescriptor> candidates(const DnnDescriptor& graph, cudnnBackendHeurMode_t mode,
                                        Storage factors) const {
    std::vector<DnnDescriptor> by_tensor_cores, others;
    for (DnnDescriptor& config : configs(graph, mode))
      if (allowed(config, factors))
        (has_note(config, CUDNN_NUMERICAL_NOTE_TENSOR_CORE) ? by_tensor_cores : others).push_back(std::move(config));
    for (DnnDescriptor& config : others) by_tensor_cores.push_back(std::move(config));
    return by_tensor_cores;
  }

  static std::vector<cudnnBackendNumericalNote_t> notes_of(const DnnDescriptor& config) {
    return engine_of(config).values<cudnnBackendNumericalNote_t>(
        CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  }

  static bool has_note(const DnnDescriptor& config, cudnnBackendNumericalNote_t note) {
    const auto notes = notes_of(config);
    return std::find(notes.begin(), notes.end(), note) != notes.end();
  }

  /// Whether the options allow what the configuration's engine does to the numbers.
  bool allowed(const DnnDescriptor& config, Storage factors) const {
    for (const auto note : notes_of(config)) {
      if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC && options_.deterministic) return false;
      if (note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION) return false;
      if (factors == Storage::float32 && !options_.tf32 &&
          (note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE || note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS))
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

  cudaStream_t stream_;
  PlanMemory& memory_;
  PlanOptions options_;
  cudnnHandle_t handle_ = nullptr;
  std::size_t version_ = 0;
  using Plans = std::map<std::vector<std::int64_t>, Found>;
  Plans plans_;
  std::vector<Plans> retired_;  // before others were put in: graphs of recorded steps may hold their engines
};

}  // namespace lotar::detail
