#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace lotar {

/// The bytes of n elements of T.
/// @throws std::bad_alloc above SIZE_MAX / 2, more than any machine has.
template <class T>
std::size_t allocation_bytes(std::size_t n) {
  if (n > SIZE_MAX / 2 / sizeof(T)) throw std::bad_alloc();
  return n * sizeof(T);
}

/// Memory that is taken from a resource once and handed out again and again; thread-safe.
///
/// A freed block is reused only by the lane (stream) that freed it, whose later work runs after all that still uses the
/// block: so freeing never waits.
///
/// @tparam Resource  has `void* allocate(std::size_t bytes)`, which throws if it cannot, and `void deallocate(void*)`;
///                   may have `void expose(void* block, std::size_t bytes, std::size_t size)`, which hears how many bytes
///                   of a block are in use, for tools that find what reaches beyond
template <class Resource>
class Pool {
 public:
  static constexpr std::size_t alignment = 256;

  explicit Pool(Resource resource = Resource()) : resource_(std::move(resource)) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    for (auto& [key, blocks] : blocks_)
      for (void* block : blocks.free) resource_.deallocate(block);
  }

  /// A block of at least `bytes`; free it on the same lane with the same number of bytes.
  /// @throws std::bad_alloc for more than SIZE_MAX / 2 bytes, and what the resource throws.
  void* allocate(std::size_t bytes, std::size_t lane = 0) {
    const std::size_t size = rounded(allocation_bytes<std::byte>(bytes));
    const std::lock_guard lock(mutex_);
    Blocks& blocks = blocks_[{lane, size}];
    void* block = nullptr;
    if (blocks.free.empty()) {
      blocks.free.reserve(blocks.taken + 1);
      block = resource_.allocate(size);
      ++blocks.taken;
      reserved_ += size;
      ++allocations_;
    } else {
      block = blocks.free.back();
      blocks.free.pop_back();
    }
    used_ += size;
    if (used_ > peak_) peak_ = used_;
    expose(block, bytes, size);
    return block;
  }

  void deallocate(void* block, std::size_t bytes, std::size_t lane = 0) {
    const std::size_t size = rounded(bytes);
    const std::lock_guard lock(mutex_);
    expose(block, 0, size);
    blocks_[{lane, size}].free.push_back(block);
    used_ -= size;
  }

  /// Bytes handed out now; the most since the last reset_peak(); held from the resource.
  std::size_t used() const { return locked(used_); }
  std::size_t peak() const { return locked(peak_); }
  std::size_t reserved() const { return locked(reserved_); }
  /// How often the resource was asked: constant once a program is in its steady state.
  std::size_t allocations() const { return locked(allocations_); }
  void reset_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = used_;
  }

 private:
  /// Up to a quarter more than asked for, so that nearly equal sizes share blocks.
  static std::size_t rounded(std::size_t bytes) {
    std::size_t step = alignment;
    while (step <= bytes / 8) step *= 2;
    return (bytes + step - 1) / step * step + (bytes == 0 ? alignment : 0);
  }
  void expose(void* block, std::size_t bytes, std::size_t size) {
    if constexpr (requires { resource_.expose(block, bytes, size); }) resource_.expose(block, bytes, size);
  }
  std::size_t locked(const std::size_t& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  /// Those of one lane and size: taken from the resource in all, and free, with room for all of them, so that freeing
  /// never throws.
  struct Blocks {
    std::size_t taken = 0;
    std::vector<void*> free = {};
  };

  Resource resource_;
  mutable std::mutex mutex_;
  std::map<std::pair<std::size_t, std::size_t>, Blocks> blocks_;
  std::size_t used_ = 0, peak_ = 0, reserved_ = 0, allocations_ = 0;
};

}  // namespace lotar
