#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

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
    sum_strips<64>(rows, cols, g, out, static_cast<T*>(nullptr));
  }
  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* first, T* second) {
    sum_strips<32>(rows, cols, g, first, second);
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
  template <std::size_t Most, class T, class G>
  static void sum_strips(std::size_t rows, std::size_t cols, const G& g, T* first, T* second) {
    std::size_t c = 0;
    for (; c + Most <= cols; c += Most) sum_strip<Most>(rows, c, g, first, second);
    for (; c + 16 <= cols; c += 16) sum_strip<16>(rows, c, g, first, second);
    for (; c + 4 <= cols; c += 4) sum_strip<4>(rows, c, g, first, second);
    for (; c < cols; ++c) sum_strip<1>(rows, c, g, first, second);
  }

  /// The sums of Width columns, side by side in registers.
  template <std::size_t Width, class T, class G>
  static void sum_strip(std::size_t rows, std::size_t begin, const G& g, T* first, T* second) {
    constexpr bool pairs = std::is_same_v<decltype(g(rows, begin)), Pair<T>>;
    T sum[Width] = {}, other[Width] = {};
    for (std::size_t r = 0; r < rows; ++r)
      detail::independent(0, Width, [&](std::size_t c) {
        const auto value = g(r, begin + c);
        if constexpr (pairs) {
          sum[c] += value.first;
          other[c] += value.second;
        } else {
          sum[c] += value;
        }
      });
    for (std::size_t c = 0; c < Width; ++c) first[begin + c] = sum[c];
    if constexpr (pairs)
      for (std::size_t c = 0; c < Width; ++c) second[begin + c] = other[c];
  }

  std::byte* scratch_;
};

}  // namespace lotar
