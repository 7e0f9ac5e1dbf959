#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>

namespace lotar {

/// The block of the CPU: one thread.
class CpuBlock {
 public:
  /// @param scratch  Work::scratch_bytes, aligned to 64 bytes
  explicit CpuBlock(std::byte* scratch) : scratch_(scratch) {}

  template <class G>
  void for_each(std::size_t m, const G& g) {
    detail::independent(0, m, g);
  }

  template <class G>
  void for_each(std::size_t rows, std::size_t cols, const G& g) {
    for (std::size_t r = 0; r < rows; ++r) detail::independent(0, cols, [&](std::size_t c) { g(r, c); });
  }

  /// Sixteen partial results, each over every sixteenth value, then a tree over them: an order that vectorises.
  template <class T, class G, class F>
  T reduce(std::size_t m, T neutral, const G& g, const F& op) {
    constexpr std::size_t lanes = 16;
    T lane[lanes];
    for (std::size_t l = 0; l < lanes; ++l) lane[l] = neutral;
    std::size_t i = 0;
    for (; i + lanes <= m; i += lanes)
      for (std::size_t l = 0; l < lanes; ++l) lane[l] = op(lane[l], g(i + l));
    for (std::size_t l = 0; i < m; ++i, ++l) lane[l] = op(lane[l], g(i));
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) lane[l] = op(lane[l], lane[l + half]);
    return lane[0];
  }

  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* out) {
    std::size_t c = 0;
    for (; c + 64 <= cols; c += 64) sum_strip<64>(rows, c, g, out);
    for (; c + 16 <= cols; c += 16) sum_strip<16>(rows, c, g, out);
    for (; c < cols; ++c) sum_strip<1>(rows, c, g, out);
  }

  template <class T>
  T* scratch(std::size_t m) {
    std::byte* at = scratch_;
    scratch_ += scratch_size<T>(m);
    return reinterpret_cast<T*>(at);
  }

  template <class T>
  void add(T* counter, T k) {
    static_assert(std::is_integral_v<T>, "floating-point sums would depend on the order");
    std::atomic_ref<T>(*counter).fetch_add(k, std::memory_order_relaxed);
  }

  bool leader() const { return true; }

 private:
  /// The sums of Width columns, side by side in registers.
  template <std::size_t Width, class T, class G>
  static void sum_strip(std::size_t rows, std::size_t first, const G& g, T* out) {
    T sum[Width] = {};
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < Width; ++c) sum[c] += g(r, first + c);
    for (std::size_t c = 0; c < Width; ++c) out[first + c] = sum[c];
  }

  std::byte* scratch_;
};

}  // namespace lotar
