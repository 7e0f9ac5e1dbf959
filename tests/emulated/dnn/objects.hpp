#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "names.hpp"

// What descriptors stand for, and how calls refuse.
namespace lotar::emulated::dnn {

/// What a call returns instead of a success, and says of it.
struct Refusal {
  cudnnStatus_t status;
  const char* why;
};
inline thread_local const char* last_error = "";

inline void must(bool right, const char* why, cudnnStatus_t otherwise = CUDNN_STATUS_BAD_PARAM) {
  if (!right) throw Refusal{otherwise, why};
}
template <class F>
cudnnStatus_t status_of(const F& call) {
  try {
    call();
    return CUDNN_STATUS_SUCCESS;
  } catch (const Refusal& r) {
    last_error = r.why;
    return r.status;
  }
}

using Name = cudnnBackendAttributeName_t;
using Type = cudnnBackendAttributeType_t;

template <class T>
inline constexpr Type type_of = std::is_same_v<T, cudnnHandle_t>                 ? CUDNN_TYPE_HANDLE
                                : std::is_same_v<T, cudnnDataType_t>             ? CUDNN_TYPE_DATA_TYPE
                                : std::is_same_v<T, float>                       ? CUDNN_TYPE_FLOAT
                                : std::is_same_v<T, double>                      ? CUDNN_TYPE_DOUBLE
                                : std::is_same_v<T, void*>                       ? CUDNN_TYPE_VOID_PTR
                                : std::is_same_v<T, cudnnConvolutionMode_t>      ? CUDNN_TYPE_CONVOLUTION_MODE
                                : std::is_same_v<T, cudnnBackendHeurMode_t>      ? CUDNN_TYPE_HEUR_MODE
                                : std::is_same_v<T, cudnnBackendKnobType_t>      ? CUDNN_TYPE_KNOB_TYPE
                                : std::is_same_v<T, cudnnBackendNumericalNote_t> ? CUDNN_TYPE_NUMERICAL_NOTE
                                                                                 : CUDNN_TYPE_INT64;
inline std::size_t bytes_of(Type type) {
  const bool is_enum = type >= CUDNN_TYPE_CONVOLUTION_MODE && type <= CUDNN_TYPE_NUMERICAL_NOTE;
  return is_enum || type == CUDNN_TYPE_DATA_TYPE || type == CUDNN_TYPE_FLOAT ? 4 : 8;
}

/// What descriptors stand for, several for one that is finalized: that does not change any more.
struct Object {
  using Objects = std::vector<std::shared_ptr<Object>>;
  struct Attribute {
    Type type;
    std::vector<std::byte> bytes;  // or
    Objects objects = {};
  };

  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<Name, Attribute> attributes = {};

  void set(Name name, Type of, const void* values, std::size_t n) {
    const auto* const bytes = static_cast<const std::byte*>(values);
    attributes[name] = {of, {bytes, bytes + n * bytes_of(of)}};
  }
  void set(Name name, Objects objects) { attributes[name] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, {}, std::move(objects)}; }

  template <class T>
  bool has(Name name) const {
    return attributes.count(name) > 0 && attributes.at(name).type == type_of<T>;
  }
  // These refuse what is not there: so finalize() finds what is missing as it reads.
  template <class T>
  std::vector<T> values(Name name) const {
    must(has<T>(name), "an attribute is missing, or of another type");
    const std::vector<std::byte>& bytes = attributes.at(name).bytes;
    std::vector<T> values(bytes.size() / sizeof(T));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<std::byte*>(values.data()));
    return values;
  }
  template <class T>
  T value(Name name) const {
    const std::vector<T> all = values<T>(name);
    must(all.size() == 1, "an attribute has not one value");
    return all[0];
  }
  Objects objects(Name name) const { return attributes.count(name) > 0 ? attributes.at(name).objects : Objects(); }
  std::shared_ptr<Object> object(Name name) const {
    const Objects all = objects(name);
    must(all.size() == 1, "an attribute is missing, or has not one object");
    return all[0];
  }
};

struct Descriptor {
  std::shared_ptr<Object> object;
};
inline Descriptor& as_descriptor(cudnnBackendDescriptor_t d) {
  must(d != nullptr, "no descriptor");
  return *static_cast<Descriptor*>(d);
}
inline const Object& finalized(cudnnBackendDescriptor_t d) {
  must(as_descriptor(d).object->finalized, "a descriptor that is not finalized");
  return *as_descriptor(d).object;
}

}  // namespace lotar::emulated::dnn
