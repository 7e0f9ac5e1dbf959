#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <lotar/backend/cpu/block.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/columns.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

/// How many parts of so many rows the result [N, P, Q, K] of a convolution has, as [N P Q, K].
inline std::size_t moment_parts(const Extents<4>& y) {
  const std::size_t height = moment_rows(y[3]);
  return (y[0] * y[1] * y[2] + height - 1) / height;
}

/// The moments of a convolution's result, y [rows, cols]. Whoever finishes the last rows of a part takes that part's,
/// so that it reads what a cache still has; which rows a thread finishes changes no bit.
template <class T>
struct ResultMoments {
  const T* y = nullptr;
  std::size_t rows = 0, cols = 0, height = 0;   ///< height 0: none are wanted
  Accum<T>*mean = nullptr, *squares = nullptr;  ///< [parts, cols]
  std::uint32_t* finished = nullptr;            ///< rows of each part; 0 at first

  std::size_t parts() const { return height == 0 ? 0 : (rows + height - 1) / height; }

  /// Rows [first, last) are written, by the caller.
  void finish(std::size_t first, std::size_t last) const {
    if (height == 0) return;
    for (std::size_t part = first / height; first < last; ++part) {
      const std::size_t end = min(last, (part + 1) * height), all = min(height, rows - part * height);
      const auto count = static_cast<std::uint32_t>(end - first);
      if (std::atomic_ref(finished[part]).fetch_add(count, std::memory_order_acq_rel) + count == all)
        take(part, 0, cols);
      first = end;
    }
  }

  /// The moments of columns [c, c + count) of a part that is written.
  void take(std::size_t part, std::size_t c, std::size_t count) const {
    const std::size_t first = part * height, to = part * cols + c;
    CpuBlock block(nullptr);
    take_moments(block, Columns<T>{y + first * cols + c, cols}, min(height, rows - first), count, mean + to,
                 squares + to);
  }
};

}  // namespace lotar::detail
