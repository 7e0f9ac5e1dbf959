#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/backend/cpu/independent.hpp>
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
    for (std::size_t l = 0; l < m - i; ++l) lane[l] = op(lane[l], g(i + l));
    for (std::size_t half = lanes / 2; half > 0; half /= 2)
      for (std::size_t l = 0; l < half; ++l) lane[l] = op(lane[l], lane[l + half]);
    return lane[0];
  }

  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* out) {
    T* const outputs[] = {out};
    sum_strips(rows, cols, g, outputs);
  }
  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* first, T* second) {
    T* const outputs[] = {first, second};
    sum_strips(rows, cols, g, outputs);
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
  template <class G, class T, std::size_t outputs>
  static void sum_strips(std::size_t rows, std::size_t cols, const G& g, T* const (&out)[outputs]) {
    constexpr std::size_t most = 64 / outputs;  // sums that registers hold
    std::size_t c = 0;
    for (; c + most <= cols; c += most) sum_strip<most>(rows, c, g, out);
    for (; c + 16 <= cols; c += 16) sum_strip<16>(rows, c, g, out);
    for (; c + 4 <= cols; c += 4) sum_strip<4>(rows, c, g, out);
    for (; c < cols; ++c) sum_strip<1>(rows, c, g, out);
  }

  /// The sums of `width` columns, side by side in registers.
  template <std::size_t width, class G, class T, std::size_t outputs>
  static void sum_strip(std::size_t rows, std::size_t begin, const G& g, T* const (&out)[outputs]) {
    static_assert(std::is_same_v<decltype(g(rows, begin)), ColumnValues<T, 1, outputs>>);
    T sums[outputs][width] = {};
    for (std::size_t r = 0; r < rows; ++r)
      detail::independent(0, width, [&](std::size_t c) {
        const auto value = g(r, begin + c);
        if constexpr (outputs == 1) {
          sums[0][c] += value;
        } else {
          sums[0][c] += value.first;
          sums[1][c] += value.second;
        }
      });
    for (std::size_t o = 0; o < outputs; ++o)
      for (std::size_t c = 0; c < width; ++c) out[o][begin + c] = sums[o][c];
  }

  std::byte* scratch_;
};

}  // namespace lotar
