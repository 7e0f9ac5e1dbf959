#pragma once

#include <cudnn_graph.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/plan_memory.hpp>

/// The objects of cuDNN's graph API.
namespace lotar::detail {

/// Whether a status says that this cuDNN cannot do anything of the kind, or that it was asked in a wrong way: an
/// installation that lacks something, or a mistake of ours, not a convolution that it does not support.
inline bool is_amiss(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_BAD_PARAM ||
         status == CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER ||
         status == CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART ||
         status == CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING ||
         status == CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE;
}

/// Whether a status says that cuDNN does not support what it was asked for.
inline bool is_unsupported(cudnnStatus_t status) {
  return CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED && !is_amiss(status);
}

/// What is amiss with cuDNN, or with how it was asked: see is_amiss().
class DnnAmiss : public CudaError {
 public:
  using CudaError::CudaError;
};

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
  void set(cudnnBackendAttributeName_t name, const std::vector<DnnDescriptor>& values) {
    const std::vector<cudnnBackendDescriptor_t> raw = raw_of(values);
    set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(), raw.size());
  }

  /// Whether cuDNN supports what is described.
  /// @throws DnnAmiss if something is amiss, CudaError if it failed for another reason, such as a lack of memory.
  bool finalize() {
    const cudnnStatus_t status = cudnnBackendFinalize(descriptor_);
    if (is_unsupported(status)) return false;
    if (is_amiss(status)) throw DnnAmiss(describe("cudnnBackendFinalize", status));
    check(status, "cudnnBackendFinalize");
    return true;
  }
  /// @throws CudaError if cuDNN does not support what is described, too.
  void must_finalize() { check(cudnnBackendFinalize(descriptor_), "cudnnBackendFinalize"); }

  template <class T>
  T value(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type) const {
    T value{};
    get(name, type, &value, 1);
    return value;
  }
  /// At most `most` values.
  template <class T>
  std::vector<T> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t most) const {
    std::vector<T> values(most);
    const std::size_t n = get(name, type, values.data(), most);
    if (n < most) values.resize(n);
    return values;
  }
  /// At most `most` objects of a type.
  std::vector<DnnDescriptor> objects(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type,
                                     std::size_t most) const {
    std::vector<DnnDescriptor> objects;
    if (most == 0) return objects;
    for (std::size_t i = 0; i < most; ++i) objects.emplace_back(type);
    std::vector<cudnnBackendDescriptor_t> raw = raw_of(objects);
    const std::size_t n = get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, raw.data(), most);
    while (objects.size() > n) objects.pop_back();
    return objects;
  }
  /// How many objects there are.
  std::size_t count(cudnnBackendAttributeName_t name) const {
    return get(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, nullptr, 0);
  }

 private:
  static std::vector<cudnnBackendDescriptor_t> raw_of(const std::vector<DnnDescriptor>& objects) {
    std::vector<cudnnBackendDescriptor_t> raw;
    for (const DnnDescriptor& object : objects) raw.push_back(object.get());
    return raw;
  }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const void* values, std::size_t n) {
    check(cudnnBackendSetAttribute(descriptor_, name, type, static_cast<std::int64_t>(n), values),
          "cudnnBackendSetAttribute");
  }
  /// @return how many there are, which may be more than wanted
  std::size_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, void* values,
                  std::size_t n) const {
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(descriptor_, name, type, static_cast<std::int64_t>(n), &count, values),
          "cudnnBackendGetAttribute");
    return static_cast<std::size_t>(count);
  }

  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

/// The engine of a configuration.
/// @throws CudaError if it has none.
inline DnnDescriptor engine_of(const DnnDescriptor& config) {
  auto engines = config.objects(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (engines.empty()) throw CudaError("cuDNN: a configuration without an engine");
  return std::move(engines.front());
}

/// A configuration's engine and knobs.
inline EngineChoice choice_of(const DnnDescriptor& config) {
  EngineChoice choice;
  choice.engine = engine_of(config).value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64);
  for (const DnnDescriptor& knob : config.objects(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                                                  CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    const auto type = knob.value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE);
    choice.knobs[type] = knob.value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64);
  }
  return choice;
}

/// The configuration of an operation graph by an engine and knobs.
/// @throws CudaError if cuDNN does not support it.
inline DnnDescriptor config_of(const DnnDescriptor& graph, const EngineChoice& choice) {
  DnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph);
  engine.set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, choice.engine);
  engine.must_finalize();
  std::vector<DnnDescriptor> knobs;
  for (const auto& [type, value] : choice.knobs) {
    if (type < 0 || type >= CUDNN_KNOB_TYPE_COUNTS)
      throw CudaError("this program's cuDNN has no knob " + std::to_string(type));
    DnnDescriptor& knob = knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    knob.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(type));
    knob.set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, value);
    knob.must_finalize();
  }
  DnnDescriptor config(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  config.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!knobs.empty()) config.set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  config.must_finalize();
  return config;
}

}  // namespace lotar::detail
