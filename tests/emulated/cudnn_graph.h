#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "dnn/engines.hpp"

// What the library calls of cuDNN's graph API: convolutions by four engines of plain loops, see dnn/engines.hpp.

inline std::size_t cudnnGetVersion() { return 91900; }
inline void cudnnGetLastErrorString(char* to, std::size_t bytes) {
  std::snprintf(to, bytes, "%s", lotar::emulated::dnn::last_error);
}
inline cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  if (handle == nullptr) return CUDNN_STATUS_NOT_INITIALIZED;
  lotar::emulated::refuse_captures("cudnnDestroy while a stream is captured");
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

inline cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* d) {
  using namespace lotar::emulated::dnn;
  *d = new Descriptor{std::make_shared<Object>(Object{type})};
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t d) {
  delete static_cast<lotar::emulated::dnn::Descriptor*>(d);
  return CUDNN_STATUS_SUCCESS;
}
inline cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t d) {
  using namespace lotar::emulated::dnn;
  return status_of([&] { finalize(*as_descriptor(d).object); });
}
inline cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t n, const void* values) {
  using namespace lotar::emulated::dnn;
  return status_of([&] {
    Object& o = *as_descriptor(d).object;
    must(!o.finalized, "a descriptor that is finalized");
    must(n > 0 && values != nullptr, "no values");
    if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) return o.set(name, type, values, static_cast<std::size_t>(n));
    Object::Objects objects;
    for (std::int64_t i = 0; i < n; ++i) {
      const cudnnBackendDescriptor_t of = static_cast<const cudnnBackendDescriptor_t*>(values)[i];
      finalized(of);
      objects.push_back(as_descriptor(of).object);
    }
    o.set(name, std::move(objects));
  });
}
/// Objects replace those that the caller's descriptors stand for.
inline cudnnStatus_t cudnnBackendGetAttribute(const cudnnBackendDescriptor_t d, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, std::int64_t wanted, std::int64_t* n,
                                              void* values) {
  using namespace lotar::emulated::dnn;
  return status_of([&] {
    const auto& attributes = finalized(d).attributes;
    const auto found = attributes.find(name);
    *n = 0;
    if (found == attributes.end()) return;
    const auto& [of, bytes, objects] = found->second;
    must(of == type, "an attribute of another type");
    const std::size_t there = bytes.size() / bytes_of(type) + objects.size();
    const std::size_t given = std::min(static_cast<std::size_t>(wanted), there);
    *n = static_cast<std::int64_t>(there);
    if (!bytes.empty()) std::copy_n(bytes.begin(), given * bytes_of(type), static_cast<std::byte*>(values));
    for (std::size_t i = 0; i < (bytes.empty() ? given : 0); ++i) {
      Descriptor& to = as_descriptor(static_cast<cudnnBackendDescriptor_t*>(values)[i]);
      must(to.object->type == objects[i]->type, "a descriptor of another type");
      to.object = objects[i];
    }
  });
}
/// What the workspace held is overwritten.
inline cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                         cudnnBackendDescriptor_t pack) {
  using namespace lotar::emulated::dnn;
  return status_of([&] {
    must(handle != nullptr, "no handle");
    const auto ids = finalized(pack).values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const auto pointers = finalized(pack).values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    Convolution convolution = convolution_of(*finalized(plan).object(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG));
    for (Array& a : convolution.arrays) {
      for (std::size_t i = 0; i < ids.size(); ++i)
        if (ids[i] == a.id) a.data = pointers[i];
      must(a.data != nullptr, "a tensor without data");
      must(reinterpret_cast<std::uintptr_t>(a.data) % static_cast<std::uintptr_t>(a.alignment) == 0,
           "data that is not aligned as its tensor says");
    }
    const auto bytes = finalized(plan).value<std::size_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
    void* const workspace = finalized(pack).value<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    must(bytes == 0 || workspace != nullptr, "no workspace");
    lotar::emulated::submit(handle->stream, [=] {
      if (bytes > 0) std::memset(workspace, 0xFF, bytes);
      convolution.run();
    });
  });
}
