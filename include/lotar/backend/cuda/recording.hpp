#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/captures.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/stream.hpp>

namespace lotar {

/// A step that is called again and again, with the same effect on the device each time.
///
/// The first call runs it, so that memory, library handles and plans are there; the second captures its work as a CUDA
/// graph; from then on a call is one launch, and what the step does on the host no longer happens. A call inside
/// another recording is the step itself.
///
/// A fork that waits for the step's context takes part: its work becomes part of the graph, and the step's context must
/// wait for it before the step ends. What such a fork does besides follows each call of the step, and from the second
/// call on the step follows that: the graph uses the fork's cuBLAS workspace.
///
/// The step's memory comes from lanes of the pool that only this recording uses, one a context that takes part, so no
/// block that the graph writes is handed out while it lives; calls of one stream follow each other, so they may share
/// the blocks. What the step refers to must outlive the recording.
template <class F>
class CudaRecording {
 public:
  CudaRecording(std::shared_ptr<detail::CudaStream> stream, F step)
      : state_(std::make_shared<State>(std::move(stream), std::move(step))) {}

  void operator()() const { state_->run(); }

 private:
  class State {
   public:
    State(std::shared_ptr<detail::CudaStream> stream, F step) : step_(std::move(step)) {
      std::shared_ptr<detail::CudaLane> lane = stream->take_lane();
      parts_.push_back({std::move(stream), std::move(lane)});
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      if (graph_ != nullptr) cudaGraphExecDestroy(graph_);  // one under way ends first
      for (detail::CudaStream::Part& part : parts_) stream().retire_lane(std::move(part.lane));
    }

    void run() {
      if (stream().recording()) {
        step_();
        return;
      }
      stream().activate();
      if (!ran_) {
        const detail::CudaStream::Step step(parts_);
        try {
          step_();
        } catch (...) {
          try {  // their lanes go to the next recording on this stream
            follow_parts();
          } catch (const CudaError&) {
            // of a device that failed, which the step's own error tells
          }
          throw;
        }
        ran_ = true;
      } else {
        if (graph_ == nullptr) {
          const detail::CudaStream::Step step(parts_);
          capture();
        }
        follow_parts();
        detail::check(cudaGraphLaunch(graph_, stream().get()), "record: cudaGraphLaunch");
      }
      for (std::size_t i = 1; i < parts_.size(); ++i) parts_[i].stream->wait(stream());
    }

   private:
    detail::CudaStream& stream() const { return *parts_.front().stream; }
    void follow_parts() const {
      for (std::size_t i = 1; i < parts_.size(); ++i) stream().wait(*parts_[i].stream);
    }

    /// The relaxed mode leaves this thread's and others' calls alone: a block that the pool lacks is allocated at once,
    /// for good, and is no part of the graph. What must not happen meanwhile the backend itself refuses, or puts off.
    void capture() {
      const detail::Captures::Scope under_way;
      const cudaStream_t origin = stream().get();
      detail::check(cudaStreamBeginCapture(origin, cudaStreamCaptureModeRelaxed), "record: cudaStreamBeginCapture");
      cudaGraph_t graph = nullptr;
      try {
        step_();
      } catch (...) {
        cudaStreamEndCapture(origin, &graph);
        if (graph != nullptr) cudaGraphDestroy(graph);
        cudaGetLastError();
        throw;
      }
      detail::check(cudaStreamEndCapture(origin, &graph), "record: cudaStreamEndCapture");
      const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
      cudaGraphDestroy(graph);
      if (status != cudaSuccess) graph_ = nullptr;
      detail::check(status, "record: cudaGraphInstantiate");
    }

    std::vector<detail::CudaStream::Part> parts_;  // the context's own first
    F step_;
    cudaGraphExec_t graph_ = nullptr;
    bool ran_ = false;
  };

  std::shared_ptr<State> state_;
};

}  // namespace lotar
