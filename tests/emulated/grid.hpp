#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "fibers.hpp"

#if LOTAR_EMULATED_HAS(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif

// A grid of CUDA's threads on the host, so that kernels are tested where there is no device: a thread block runs after
// the other, its threads side by side. What a device may do early or late happens at the worst time, and fences must be
// where they belong: see mma.hpp and wgmma.hpp beside this.
//
// A test that is built with this folder before the library's headers finds here the instructions' functions, and CUDA's
// headers: see add_emulated in tests/CMakeLists.txt.

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace lotar::emulated {

inline constexpr std::size_t most_shared_bytes = 227 * 1024;  // of a thread block

struct ThreadIndex {
  struct Part {
    std::atomic<unsigned> value;
    operator unsigned() const { return value.load(std::memory_order_relaxed); }
    void operator=(unsigned to) { value.store(to, std::memory_order_relaxed); }
  } x, y, z;
};

}  // namespace lotar::emulated

// The thread's that runs.
inline dim3 blockIdx, blockDim, gridDim;
inline lotar::emulated::ThreadIndex threadIdx;

namespace lotar::detail {

/// The shared memory of the thread block that runs, which kernels declare by names of their own.
alignas(1024) inline std::byte shared_memory[emulated::most_shared_bytes];

}  // namespace lotar::detail

namespace lotar::emulated {

/// The threads of a warp, and what each shows to the others.
struct Warp {
  static constexpr unsigned lanes = 32, most_bytes = 64;
  Barrier barrier{lanes};
  alignas(64) std::byte shown[2][lanes][most_bytes];
};

/// What the threads of a block share.
class ThreadBlock {
 public:
  /// Addresses begin here, not at 0.
  static constexpr std::uint32_t first_address = 1024;

  ThreadBlock(unsigned threads, std::size_t shared_bytes)
      : all(threads), warps(new Warp[(threads + Warp::lanes - 1) / Warp::lanes]), bytes_(shared_bytes) {
    if (bytes_ > sizeof(detail::shared_memory)) fail("more shared memory than there is");
    std::memset(detail::shared_memory, 0xFF, bytes_);
#if LOTAR_EMULATED_HAS(address_sanitizer)
    ASAN_POISON_MEMORY_REGION(detail::shared_memory + bytes_, sizeof(detail::shared_memory) - bytes_);
#endif
  }
  ThreadBlock(const ThreadBlock&) = delete;
  ThreadBlock& operator=(const ThreadBlock&) = delete;
#if LOTAR_EMULATED_HAS(address_sanitizer)
  ~ThreadBlock() { ASAN_UNPOISON_MEMORY_REGION(detail::shared_memory, sizeof(detail::shared_memory)); }
#endif

  Barrier all;
  const std::unique_ptr<Warp[]> warps;

  std::uint32_t address(const void* shared) const {
    return first_address + static_cast<std::uint32_t>(static_cast<const std::byte*>(shared) - detail::shared_memory);
  }
  /// `bytes` of shared memory, aligned to as much.
  std::byte* at(std::uint32_t address, std::size_t bytes) const {
    if (address < first_address || address - first_address + bytes > bytes_) fail("an address beyond shared memory");
    if (address % bytes != 0) fail("an address in shared memory that is not aligned");
    return detail::shared_memory + (address - first_address);
  }

  /// The mbarrier at an address.
  void begin_barrier(std::uint32_t address, unsigned arrivals) {
    at(address, 8);
    for (auto& [where, barrier] : barriers_) {
      if (barrier != nullptr && where == address) fail("a barrier that was begun before");
      if (barrier == nullptr) {
        where = address;
        barrier = std::make_unique<Barrier>(arrivals);
        return;
      }
    }
    fail("more barriers than the emulation has");
  }
  Barrier& barrier(std::uint32_t address) {
    for (const auto& [where, barrier] : barriers_)
      if (barrier != nullptr && where == address) return *barrier;
    fail("a barrier that was not begun");
  }
  /// The barrier of a number, of two warpgroups.
  Barrier& turn(unsigned number) { return turns_.at(number); }

 private:
  std::size_t bytes_;
  std::array<std::pair<std::uint32_t, std::unique_ptr<Barrier>>, 32> barriers_;
  std::array<Barrier, 2> turns_{Barrier(256), Barrier(256)};
};

/// Groups of work that a thread began and that ends when it is waited for, the last one still open.
class Pending {
 public:
  void begin(std::function<void()> end) { groups_.back().push_back(std::move(end)); }
  void end_group() { groups_.emplace_back(); }
  void wait_for_all_but(std::size_t behind) {
    for (; groups_.size() > behind + 1; groups_.erase(groups_.begin()))
      for (const auto& end : groups_.front()) end();
  }

 private:
  std::vector<std::vector<std::function<void()>>> groups_{1};
};

/// A thread's own.
struct Thread {
  ThreadBlock* block;
  unsigned number;
  unsigned exchanges = 0;
  bool fenced = false;            // what others wrote before a barrier that this waited at is there for products
  bool registers_fenced = false;  // what was written to registers is
  Pending copies = {}, products = {};

  Warp& warp() const { return block->warps[number / Warp::lanes]; }
  unsigned lane() const { return number % Warp::lanes; }
};
inline std::atomic<Thread*> current_thread = nullptr;
inline Thread& this_thread() { return *current_thread.load(std::memory_order_relaxed); }

/// What each lane of the warp shows, until the exchange after the next.
template <class T>
class Shown {
 public:
  explicit Shown(const T& mine) : from_(this_thread().warp().shown[this_thread().exchanges++ % 2]) {
    static_assert(sizeof(T) <= Warp::most_bytes);
    std::memcpy(from_[this_thread().lane()], &mine, sizeof(T));
    this_thread().warp().barrier.arrive_and_wait();
  }
  T operator[](unsigned lane) const {
    T value;
    std::memcpy(&value, from_[lane % Warp::lanes], sizeof(T));
    return value;
  }

 private:
  std::byte (*from_)[Warp::most_bytes];
};

/// f() by every thread of every block, the last block first; not by two of the host's threads at once.
template <class F>
void launch(dim3 grid, dim3 block, std::size_t shared_bytes, const F& f) {
  const unsigned count = block.x * block.y * block.z;
  blockDim = block, gridDim = grid;
  for (unsigned y = grid.y; y-- > 0;)
    for (unsigned x = grid.x; x-- > 0;) {
      ThreadBlock shared(count, shared_bytes);
      blockIdx = {x, y};
      std::vector<Thread> threads;
      for (unsigned i = 0; i < count; ++i) threads.push_back({&shared, i});
      run_side_by_side(count, f, [&](unsigned i) {
        current_thread.store(&threads[i], std::memory_order_relaxed);
        threadIdx.x = i % block.x, threadIdx.y = i / block.x % block.y, threadIdx.z = i / block.x / block.y;
      });
    }
}

}  // namespace lotar::emulated
