#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

// CUDA's streams, whose work is done as late as a device may do it: when it is waited for.

struct CUstream_st;
using cudaStream_t = CUstream_st*;

namespace lotar::emulated {

/// One host thread at a time.
inline std::unique_lock<std::recursive_mutex> one_at_a_time() {
  static std::recursive_mutex& mutex = *new std::recursive_mutex;  // for good
  return std::unique_lock(mutex);
}

/// A stream's work.
class Queue {
 public:
  void push(std::function<void()> work) { waiting_.push_back(std::move(work)); }
  /// The position behind all work so far.
  std::size_t end() const { return begun_ + waiting_.size(); }
  void run_until(std::size_t position) {
    while (begun_ < position) {
      const std::function<void()> work = std::move(waiting_.front());
      waiting_.pop_front();
      ++begun_;
      work();  // may go on here, of what follows
    }
  }

 private:
  std::deque<std::function<void()>> waiting_;
  std::size_t begun_ = 0;
};

/// A graph that is being captured. Its work is done in the order of the calls: that one of its streams has to wait for
/// another shows only in a step that is not captured.
struct Capture {
  cudaStream_t origin = nullptr;
  std::vector<std::function<void()>> work;
  std::map<cudaStream_t, std::size_t> others;  // that take part; behind which work others must wait, or 0 if they do
  bool ended = false;

  /// A stream waits for another's work up to a position.
  void join(cudaStream_t stream, cudaStream_t other, std::size_t position) {
    const auto found = others.find(other);
    if (found != others.end() && found->second <= position) found->second = 0;
    follow(stream);
  }
  /// What a stream does must be waited for.
  void follow(cudaStream_t stream) {
    if (stream != origin) others[stream] = position();
  }
  std::size_t position() const { return 1 + work.size(); }
  bool is_ahead() const {
    for (const auto& [stream, behind] : others)
      if (behind > 0) return true;
    return false;
  }
  void forget(cudaStream_t stream) { others.erase(stream); }
};
inline std::vector<cudaStream_t> all_streams;
inline int captures_under_way = 0;

}  // namespace lotar::emulated

struct CUstream_st {
  std::shared_ptr<lotar::emulated::Queue> queue = std::make_shared<lotar::emulated::Queue>();
  std::shared_ptr<lotar::emulated::Capture> capture = nullptr;
};

namespace lotar::emulated {

/// Work for later, of the stream or of a graph that is being captured.
inline void submit(cudaStream_t stream, std::function<void()> work) {
  const auto lock = one_at_a_time();
  if (!stream->capture) return stream->queue->push(std::move(work));
  stream->capture->work.push_back(std::move(work));
  stream->capture->follow(stream);
}

/// Waits for the device; the streams that were made last go first.
inline void run_all() {
  for (std::size_t i = all_streams.size(); i-- > 0;) all_streams[i]->queue->run_until(all_streams[i]->queue->end());
}

}  // namespace lotar::emulated
