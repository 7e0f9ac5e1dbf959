#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <lotar/backend/cpu/resource.hpp>

namespace lotar::detail {

/// A call whose type is erased, so that the scheduler's templates are compiled once and not for every kernel.
struct Task {
  const void* body;
  void (*call)(const void* body, std::size_t first, std::size_t last);
};

/// Lets oneTBB have so many threads, more than one a core, for the rest of the process. Of several limits that are in
/// force it takes the lowest: hence one for all contexts, which is only raised.
inline void allow_threads(int count) {
  static std::mutex mutex;
  static int most = tbb::info::default_concurrency();
  static std::optional<tbb::global_control> limit;
  const std::lock_guard lock(mutex);
  if (count <= most) return;
  limit.emplace(tbb::global_control::max_allowed_parallelism, static_cast<std::size_t>(count));
  most = count;
}

/// Threads that run loops. What a loop computes must not depend on which thread runs which part of it.
class Threads {
 public:
  /// @param count  threads; 0: one a core; 1: the caller's, which may be any
  explicit Threads(int count) : count_(count > 0 ? count : tbb::info::default_concurrency()), arena_(count_) {
    allow_threads(count_);
  }

  int count() const { return count_; }

  /// body(i) for every i < n, `grain` neighbours at a time on one thread.
  template <class F>
  void parallel(std::size_t n, std::size_t grain, const F& body) {
    const Task task{&body, [](const void* f, std::size_t first, std::size_t last) {
                      for (std::size_t i = first; i < last; ++i) (*static_cast<const F*>(f))(i);
                    }};
    run(n, grain, task);
  }

 private:
  void run(std::size_t n, std::size_t grain, const Task& task) {
    if (n <= grain || count_ == 1) {
      task.call(task.body, 0, n);
      return;
    }
    arena_.execute([&] {
      tbb::parallel_for(tbb::blocked_range<std::size_t>(0, n, grain),
                        [&](const tbb::blocked_range<std::size_t>& r) { task.call(task.body, r.begin(), r.end()); });
    });
  }

  int count_;
  tbb::task_arena arena_;
};

/// At least `bytes` of memory of this thread, aligned to 256 bytes, until its next call: what a loop body works in.
/// @throws std::bad_alloc if there is no more.
inline std::byte* thread_scratch(std::size_t bytes) {
  struct Free {
    void operator()(std::byte* p) const { CpuResource().deallocate(p); }
  };
  thread_local std::unique_ptr<std::byte[], Free> memory;
  thread_local std::size_t size = 0;
  if (bytes > size) {
    memory.reset();
    size = 0;
    const std::size_t rounded = (bytes + 4095) / 4096 * 4096;  // so that little more asks for none
    memory.reset(static_cast<std::byte*>(CpuResource().allocate(rounded)));
    size = rounded;
  }
  CpuResource::expose(memory.get(), bytes, size);
  return memory.get();
}

}  // namespace lotar::detail
