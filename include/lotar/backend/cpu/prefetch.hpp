#pragma once

#include <cstddef>
#include <span>

#include <lotar/core/math.hpp>

namespace lotar::detail {

/// A stretch of memory that is used soon, fetched into the cache a few lines at a time between products: these would wait
/// for all at once.
class Prefetch {
 public:
  /// @param fetches  for how many calls of fetch
  /// @param written  rather than read
  template <class T>
  Prefetch(const T* first, const T* last, std::size_t fetches, bool written = false)
      : at_(reinterpret_cast<const std::byte*>(first)),
        left_(static_cast<std::size_t>(last - first) * sizeof(T) / line),
        lines_((left_ + fetches - 1) / fetches),
        written_(written) {}

  void fetch() {
    for (std::size_t i = min(lines_, left_); i > 0; --i, --left_, at_ += line)
      if (written_)
        __builtin_prefetch(at_, 1);
      else
        __builtin_prefetch(at_);
  }

 private:
  static constexpr std::size_t line = 64;  // bytes
  const std::byte* at_;
  std::size_t left_, lines_;
  bool written_;
};

inline void fetch(std::span<Prefetch> all) {
  for (Prefetch& some : all) some.fetch();
}

}  // namespace lotar::detail
