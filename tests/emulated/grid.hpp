#pragma once

#include <barrier>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

// A grid of CUDA's threads on the host, so that kernels written for tensor cores are tested where there is no device:
// every thread is one of the host's, with real barriers, and a thread block runs after the other. What a device may do
// early or late happens at the worst time, and fences must be where they belong: see mma.hpp and wgmma.hpp beside this.
//
// A test that includes this finds this folder before the library's headers, which so include the instructions'
// functions, and <cuda_runtime.h>, from here; its label is lockstep.
namespace lotar::emulated {

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulated: %s\n", what);
  std::abort();
}

struct Dimensions {
  unsigned x = 1, y = 1, z = 1;
};

/// The threads of a warp, and what each shows to the others.
struct Warp {
  static constexpr unsigned lanes = 32, most_bytes = 64;
  std::barrier<> barrier{lanes};
  alignas(64) std::byte shown[2][lanes][most_bytes];
};

/// A barrier of PTX's mbarrier: phases that end once so many threads arrived.
class Phases {
 public:
  explicit Phases(unsigned arrivals) : arrivals_(arrivals), missing_(arrivals) {}
  void arrive() {
    const std::lock_guard lock(mutex_);
    if (--missing_ > 0) return;
    missing_ = arrivals_;
    ++ended_;
    changed_.notify_all();
  }
  /// Until the phase of this parity has ended, not the one after.
  void wait(unsigned parity) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_ % 2 != parity; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned arrivals_, missing_, ended_ = 0;
};

/// What the threads of a block share.
class ThreadBlock {
 public:
  /// Addresses begin here, not at 0.
  static constexpr std::uint32_t first_address = 1024;

  ThreadBlock(unsigned threads, std::size_t shared_bytes)
      : all(threads),
        warps(new Warp[(threads + Warp::lanes - 1) / Warp::lanes]),
        bytes_(shared_bytes),
        shared_(static_cast<std::byte*>(::operator new(shared_bytes, alignment))) {
    std::memset(shared_, 0xFF, shared_bytes);
  }
  ThreadBlock(const ThreadBlock&) = delete;
  ThreadBlock& operator=(const ThreadBlock&) = delete;
  ~ThreadBlock() { ::operator delete(shared_, alignment); }

  std::barrier<> all;
  const std::unique_ptr<Warp[]> warps;

  std::byte* shared() const { return shared_; }
  std::uint32_t address(const void* shared) const {
    return first_address + static_cast<std::uint32_t>(static_cast<const std::byte*>(shared) - shared_);
  }
  /// `bytes` of shared memory, aligned to as much.
  std::byte* at(std::uint32_t address, std::size_t bytes) const {
    if (address < first_address || address - first_address + bytes > bytes_) fail("an address beyond shared memory");
    if (address % bytes != 0) fail("an address in shared memory that is not aligned");
    return shared_ + (address - first_address);
  }

  void begin_phases(std::uint32_t address, unsigned arrivals) {
    const std::lock_guard lock(mutex_);
    phases_[address] = std::make_unique<Phases>(arrivals);
  }
  Phases& phases(std::uint32_t address) {
    const std::lock_guard lock(mutex_);
    const auto& found = phases_[address];
    if (!found) fail("a barrier that was not begun");
    return *found;
  }
  /// The barrier of a number, for so many threads.
  std::barrier<>& named(unsigned number, unsigned threads) {
    const std::lock_guard lock(mutex_);
    auto& found = named_[number];
    if (!found) found = std::make_unique<std::barrier<>>(threads);
    return *found;
  }

 private:
  static constexpr std::align_val_t alignment{1024};
  std::size_t bytes_;
  std::byte* shared_;
  std::mutex mutex_;
  std::map<std::uint32_t, std::unique_ptr<Phases>> phases_;
  std::map<unsigned, std::unique_ptr<std::barrier<>>> named_;
};

/// This thread's.
struct Thread {
  ThreadBlock* block;
  unsigned number, exchanges = 0;
  bool fenced = false;  // what others wrote before a barrier that this waited at is there for products
  Warp& warp() const { return block->warps[number / Warp::lanes]; }
  unsigned lane() const { return number % Warp::lanes; }
};
inline thread_local Thread* this_thread = nullptr;

/// What each lane of the warp shows, until the exchange after the next.
template <class T>
class Shown {
 public:
  explicit Shown(const T& mine) : from_(this_thread->warp().shown[this_thread->exchanges++ % 2]) {
    static_assert(sizeof(T) <= Warp::most_bytes);
    std::memcpy(from_[this_thread->lane()], &mine, sizeof(T));
    this_thread->warp().barrier.arrive_and_wait();
  }
  T operator[](unsigned lane) const {
    T value;
    std::memcpy(&value, from_[lane % Warp::lanes], sizeof(T));
    return value;
  }

 private:
  std::byte (*from_)[Warp::most_bytes];
};

}  // namespace lotar::emulated

// CUDA's own names, in the thread that reads them.
inline thread_local lotar::emulated::Dimensions threadIdx, blockIdx, blockDim, gridDim;

namespace lotar::emulated {

/// f(shared memory) by every thread of every block.
template <class F>
void launch(Dimensions grid, unsigned threads, std::size_t shared_bytes, const F& f) {
  for (unsigned y = 0; y < grid.y; ++y)
    for (unsigned x = 0; x < grid.x; ++x) {
      ThreadBlock block(threads, shared_bytes);
      std::vector<std::thread> running;
      for (unsigned t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
          Thread mine{&block, t};
          this_thread = &mine;
          threadIdx = {t, 0, 0}, blockIdx = {x, y, 0}, blockDim = {threads, 1, 1}, gridDim = grid;
          f(block.shared());
        });
      for (std::thread& thread : running) thread.join();
    }
}

}  // namespace lotar::emulated
