#pragma once

#include <cstddef>
#include <span>

#include <lotar/core/math.hpp>

namespace lotar::detail {

/// Bytes that a cache fetches at a time.
inline constexpr std::size_t cache_line = 64;

/// Fetches n values that will be read and written after what comes next.
template <class T>
[[gnu::always_inline]] inline void prefetch_written(const T* values, std::size_t n) {
  for (std::size_t i = 0; i < n; i += cache_line / sizeof(T)) __builtin_prefetch(values + i, 1);
}

/// A stretch of memory that is used soon, fetched into the cache a few lines at a time between products, which would
/// wait if all were fetched at once. What is left of a last line is not fetched.
class Prefetch {
 public:
  /// @param n        values; none is fetched if there are none
  /// @param fetches  calls of fetch() after which all is fetched, at least 1
  /// @param written  rather than read
  template <class T>
  Prefetch(const T* values, std::size_t n, std::size_t fetches, bool written = false)
      : at_(reinterpret_cast<const std::byte*>(values)),
        left_(n * sizeof(T) / cache_line),
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
