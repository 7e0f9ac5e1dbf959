#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "convolution.hpp"

// Four engines, which differ in what they take and in what they say of themselves; and what makes descriptors final.
namespace lotar::emulated::dnn {

struct Engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  std::map<cudnnBackendKnobType_t, std::int64_t> knobs;  // the largest value of each; the least is 0
  std::int64_t workspace_bytes;
  bool (*takes)(const Convolution&);
};

/// By tensor cores, in another order each time, with a workspace, and whatever there is. None adds to results of bf16,
/// and only the last sums in double, so that the library's ways around that are tested.
inline const std::vector<Engine>& engines() {
  static constexpr auto adds = [](const Convolution& c) { return c.beta == 0 || c.arrays[0].type != CUDA_R_16BF; };
  static constexpr auto narrow = [](const Convolution& c) { return !c.wide && adds(c); };
  static constexpr auto eights = [](const Convolution& c) {
    return narrow(c) && std::all_of(c.arrays.begin(), c.arrays.end(), [](const Array& a) {
             return a.alignment >= 16 && a.strides[1] == 1 && a.extents[1] % 8 == 0;
           });
  };
  static const std::vector<Engine> all{
      {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, {{CUDNN_KNOB_TYPE_TILE_SIZE, 3}}, 0, eights},
      {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, {}, 64, narrow},
      {{}, {{CUDNN_KNOB_TYPE_SPLIT_K_BUF, 1}, {CUDNN_KNOB_TYPE_STAGES, 4}}, 1000, narrow},
      {{}, {}, 0, adds}};
  return all;
}

/// An engine's index, and the values of its knobs.
struct Choice {
  std::int64_t engine;
  std::map<cudnnBackendKnobType_t, std::int64_t> knobs = {};
};
/// Not best first, and some for what the engine does not take.
inline std::vector<Choice> proposals(cudnnBackendHeurMode_t mode) {
  const Choice by_tensor_cores{0, {{CUDNN_KNOB_TYPE_TILE_SIZE, 3}}};
  switch (mode) {
    case CUDNN_HEUR_MODE_A:
      return {{1}, {2, {{CUDNN_KNOB_TYPE_STAGES, 2}}}, by_tensor_cores};
    case CUDNN_HEUR_MODE_B:
      return {{2, {{CUDNN_KNOB_TYPE_SPLIT_K_BUF, 1}, {CUDNN_KNOB_TYPE_STAGES, 4}}}, by_tensor_cores};
    default:
      return {{3}};
  }
}

inline void finalize(Object& o);

inline std::shared_ptr<Object> make_config(const std::shared_ptr<Object>& graph, const Choice& choice) {
  const auto make = [](cudnnBackendDescriptorType_t type) { return std::make_shared<Object>(Object{type}); };
  Object::Objects knobs;
  for (const auto& [type, value] : choice.knobs) {
    knobs.push_back(make(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR));
    knobs.back()->set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, &type, 1);
    knobs.back()->set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, &value, 1);
    finalize(*knobs.back());
  }
  const auto engine = make(CUDNN_BACKEND_ENGINE_DESCRIPTOR), config = make(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  engine->set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, {graph});
  engine->set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, &choice.engine, 1);
  finalize(*engine);
  config->set(CUDNN_ATTR_ENGINECFG_ENGINE, {engine});
  config->set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  finalize(*config);
  return config;
}

inline const Engine& engine_of(const Object& engine) {
  const auto index = engine.value<std::size_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  must(index < engines().size(), "there is no such engine", CUDNN_STATUS_NOT_SUPPORTED);
  return engines()[index];
}
inline Convolution convolution_of(const Object& config) {
  const auto graph = config.object(CUDNN_ATTR_ENGINECFG_ENGINE)->object(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  return Convolution(*graph->object(CUDNN_ATTR_OPERATIONGRAPH_OPS));
}

/// Checks it, and adds what it tells.
inline void finalize(Object& o) {
  must(!o.finalized, "a descriptor that is finalized");
  const auto all_from = [&](std::int64_t least, std::size_t n, Name name) {
    const auto values = o.values<std::int64_t>(name);
    const bool right = std::all_of(values.begin(), values.end(), [&](std::int64_t v) { return v >= least; });
    must(right && values.size() == n, "extents, strides, paddings or dilations that cannot be");
  };
  switch (o.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: {
      const Array array(o);
      all_from(1, array.extents.size(), CUDNN_ATTR_TENSOR_DIMENSIONS);
      all_from(1, array.extents.size(), CUDNN_ATTR_TENSOR_STRIDES);
      must(std::has_single_bit(static_cast<std::uint64_t>(array.alignment)), "an alignment that is no power of two");
      must(array.extents.size() == 4, "not of four dimensions", CUDNN_STATUS_NOT_SUPPORTED_SHAPE);
      break;
    }
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: {
      const auto n = o.value<std::size_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
      all_from(0, n, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
      all_from(0, n, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
      all_from(1, n, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
      all_from(1, n, CUDNN_ATTR_CONVOLUTION_DILATIONS);
      const auto mode = o.value<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE);
      must(n == 2 && mode == CUDNN_CROSS_CORRELATION, "not a correlation of images", CUDNN_STATUS_NOT_SUPPORTED);
      break;
    }
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      Convolution(o).check();
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      o.value<cudnnHandle_t>(CUDNN_ATTR_OPERATIONGRAPH_HANDLE);
      o.object(CUDNN_ATTR_OPERATIONGRAPH_OPS);
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: {
      Object::Objects results;
      for (const Choice& choice : proposals(o.value<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE)))
        results.push_back(make_config(o.object(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH), choice));
      o.set(CUDNN_ATTR_ENGINEHEUR_RESULTS, results);
      break;
    }
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR: {
      o.object(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
      const auto& notes = engine_of(o).notes;
      o.set(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, notes.data(), notes.size());
      break;
    }
    case CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR:
      o.value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE);
      o.value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
      break;
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: {
      auto knobs = engine_of(*o.object(CUDNN_ATTR_ENGINECFG_ENGINE)).knobs;
      for (const auto& choice : o.objects(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES)) {
        const auto knob = knobs.find(choice->value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE));
        must(knob != knobs.end(), "a knob that the engine lacks, or that is there twice");
        const auto value = choice->value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE);
        must(value >= 0 && value <= knob->second, "a value that the knob lacks", CUDNN_STATUS_NOT_SUPPORTED);
        knobs.erase(knob);
      }
      break;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      o.value<cudnnHandle_t>(CUDNN_ATTR_EXECUTION_PLAN_HANDLE);
      const auto config = o.object(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      const Engine& engine = engine_of(*config->object(CUDNN_ATTR_ENGINECFG_ENGINE));
      must(engine.takes(convolution_of(*config)), "not by this engine", CUDNN_STATUS_NOT_SUPPORTED);
      o.set(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, &engine.workspace_bytes, 1);
      break;
    }
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      must(o.values<std::int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS).size() ==
               o.values<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS).size(),
           "not as many pointers as ids");
      break;
  }
  o.finalized = true;
}

}  // namespace lotar::emulated::dnn
