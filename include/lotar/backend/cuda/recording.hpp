#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <utility>

#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/stream.hpp>

namespace lotar {

/// A step that is called again and again, with the same effect on the device each time.
///
/// The first call runs it, so that memory, library handles and plans are there; the second captures its work as a CUDA
/// graph; from then on a call is one launch, and what the step does on the host no longer happens. A call inside
/// another recording is the step itself.
///
/// The step's memory comes from a lane of the pool that only this recording uses, so no block that the graph writes is
/// handed out while it lives; calls of one stream follow each other, so they may share the blocks. What the step refers
/// to must outlive the recording.
template <class F>
class CudaRecording {
 public:
  CudaRecording(std::shared_ptr<detail::CudaStream> stream, F step)
      : state_(std::make_shared<State>(std::move(stream), std::move(step))) {}

  void operator()() const { state_->run(); }

 private:
  class State {
   public:
    State(std::shared_ptr<detail::CudaStream> stream, F step)
        : stream_(std::move(stream)), step_(std::move(step)), lane_(stream_->take_lane()) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
      if (graph_ != nullptr) cudaGraphExecDestroy(graph_);  // one under way ends first
      stream_->retire_lane(std::move(lane_));
    }

    void run() {
      if (stream_->recording()) {
        step_();
        return;
      }
      stream_->activate();
      if (graph_ == nullptr) {
        const detail::CudaStream::Recording recording(*stream_, lane_);
        if (!ran_) {
          step_();
          ran_ = true;
          return;
        }
        capture();
      }
      detail::check(cudaGraphLaunch(graph_, stream_->get()), "record: cudaGraphLaunch");
    }

   private:
    /// The relaxed mode leaves this thread's and others' calls alone: a block that the pool lacks is allocated at once,
    /// for good, and is no part of the graph. What must not happen meanwhile the backend itself refuses.
    void capture() {
      const cudaStream_t stream = stream_->get();
      detail::check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed), "record: cudaStreamBeginCapture");
      cudaGraph_t graph = nullptr;
      try {
        step_();
      } catch (...) {
        cudaStreamEndCapture(stream, &graph);
        if (graph != nullptr) cudaGraphDestroy(graph);
        cudaGetLastError();
        throw;
      }
      detail::check(cudaStreamEndCapture(stream, &graph), "record: cudaStreamEndCapture");
      const cudaError_t status = cudaGraphInstantiate(&graph_, graph, 0);
      cudaGraphDestroy(graph);
      if (status != cudaSuccess) graph_ = nullptr;
      detail::check(status, "record: cudaGraphInstantiate");
    }

    std::shared_ptr<detail::CudaStream> stream_;
    F step_;
    std::shared_ptr<detail::CudaLane> lane_;
    cudaGraphExec_t graph_ = nullptr;
    bool ran_ = false;
  };

  std::shared_ptr<State> state_;
};

}  // namespace lotar
