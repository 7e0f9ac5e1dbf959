#pragma once

#include <cstddef>
#include <span>

#include <lotar/core/math.hpp>

namespace lotar::detail {

/// Bytes that a cache fetches at a time.
inline constexpr std::size_t cache_line = 64;

/// Fetches n values that are read and written after the products that come first.
template <class T>
[[gnu::always_inline]] inline void prefetch_written(const T* values, std::size_t n) {
  for (std::size_t i = 0; i < n; i += cache_line / sizeof(T)) __builtin_prefetch(values + i, 1);
}

/// A stretch of memory that is used soon, fetched into the cache a few lines at a time between products: these would wait
/// for all at once.
class Prefetch {
 public:
  /// @param fetches  for how many calls of fetch
  /// @param written  rather than read
  template <class T>
  Prefetch(const T* first, const T* last, std::size_t fetches, bool written = false)
      : at_(reinterpret_cast<const std::byte*>(first)),
        left_(static_cast<std::size_t>(last - first) * sizeof(T) / cache_line),
        lines_((left_ + fetches - 1) / fetches),
        written_(written) {}

  void fetch() {
    for (std::size_t i = min(lines_, left_); i > 0; --i, --left_, at_ += cache_line)
      if (written_)
        __builtin_prefetch(at_, 1);
      else
        __builtin_prefetch(at_);
  }

 private:
  const std::byte* at_;
  std::size_t left_, lines_;
  bool written_;
};

inline void fetch(std::span<Prefetch> all) {
  for (Prefetch& some : all) some.fetch();
}

}  // namespace lotar::detail
