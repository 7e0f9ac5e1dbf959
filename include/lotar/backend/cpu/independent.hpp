#pragma once

#include <cstddef>

namespace lotar::detail {

/// f(i) for first <= i < last, which are independent: the compiler may run several at once.
template <class F>
[[gnu::always_inline]] inline void independent(std::size_t first, std::size_t last, const F& f) {
#if !defined(__clang__)
#pragma GCC ivdep
#endif
  for (std::size_t i = first; i < last; ++i) f(i);
}

}  // namespace lotar::detail
