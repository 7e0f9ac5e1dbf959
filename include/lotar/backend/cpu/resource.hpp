#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#elif defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace lotar::detail {

/// Memory of the host for a Pool; of large pages where there is so much of it and Linux gives them on request: fewer
/// addresses are then to be looked up.
struct CpuResource {
  static constexpr std::size_t alignment = 256, large_page = std::size_t{1} << 21;

  /// @throws std::bad_alloc if there is no more.
  void* allocate(std::size_t bytes) const {
    const std::size_t unit = bytes < large_page ? alignment : large_page;
    void* const memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (memory == nullptr) throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (unit == large_page)
      static_cast<void>(madvise(memory, bytes / unit * unit, MADV_HUGEPAGE));  // whole ones; a wish
#endif
    return memory;
  }
  void deallocate(void* memory) const { std::free(memory); }

  /// Of a block of `size` bytes the first `bytes` may be touched: the address sanitizer, with which all of a program is
  /// compiled or nothing, tells who touches more.
  static void expose([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes,
                     [[maybe_unused]] std::size_t size) {
#if defined(ASAN_POISON_MEMORY_REGION)
    __asan_unpoison_memory_region(block, bytes);
    __asan_poison_memory_region(static_cast<std::byte*>(block) + bytes, size - bytes);
#endif
  }
};

}  // namespace lotar::detail
