#pragma once

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/pack.hpp>

namespace lotar {

/// What four threads share while they work on one item.
struct LockstepTeam {
  static constexpr std::size_t threads = 4;
  std::barrier<> barrier{threads};
  alignas(64) std::byte slot[threads][64];  // a reduction's partial results
};

/// A block of four real threads with real barriers: what a block of one thread would hide, this shows.
class LockstepBlock {
 public:
  LockstepBlock(LockstepTeam& team, std::size_t thread, std::byte* scratch)
      : team_(team), thread_(thread), scratch_(scratch) {}

  template <class G>
  void for_each(std::size_t m, const G& g) {
    for (std::size_t i = thread_; i < m; i += LockstepTeam::threads) g(i);
    team_.barrier.arrive_and_wait();
  }

  template <class G>
  void for_each(std::size_t rows, std::size_t cols, const G& g) {
    if constexpr (WideKernel<G>)
      if (is_wide(cols, g)) return for_each(rows, cols / G::width, Wide<G>{g});
    for_each(rows * cols, [&](std::size_t i) { g(i / cols, i % cols); });
  }

  template <class T, class G, class F>
  T reduce(std::size_t m, T neutral, const G& g, const F& op) {
    static_assert(sizeof(T) <= sizeof(team_.slot[0]));
    T partial = neutral;
    for (std::size_t i = thread_; i < m; i += LockstepTeam::threads) partial = op(partial, g(i));
    std::memcpy(team_.slot[thread_], &partial, sizeof(T));
    team_.barrier.arrive_and_wait();
    T total = neutral;
    for (std::size_t t = 0; t < LockstepTeam::threads; ++t) {
      std::memcpy(&partial, team_.slot[t], sizeof(T));
      total = op(total, partial);
    }
    team_.barrier.arrive_and_wait();
    return total;
  }

  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* out) {
    T* const outputs[] = {out};
    sum_all(rows, cols, g, outputs);
  }
  template <class T, class G>
  void sum_columns(std::size_t rows, std::size_t cols, const G& g, T* first, T* second) {
    T* const outputs[] = {first, second};
    sum_all(rows, cols, g, outputs);
  }

  template <class T>
  T* scratch(std::size_t m) {
    std::byte* at = scratch_;
    scratch_ += scratch_size<T>(m);
    return reinterpret_cast<T*>(at);
  }

  template <class T>
  void add(T* counter, T k) {
    static_assert(std::is_integral_v<T>);
    std::atomic_ref<T>(*counter).fetch_add(k, std::memory_order_relaxed);
  }

  bool leader() const { return thread_ == 0; }

 private:
  template <class G, class T, std::size_t outputs>
  void sum_all(std::size_t rows, std::size_t cols, const G& g, T* const (&out)[outputs]) {
    by_column_groups(cols, g, [&](auto width, std::size_t groups, const auto& columns) {
      using Values = ColumnValues<T, width(), outputs>;
      static_assert(std::is_same_v<decltype(columns(groups)(rows)), Values>);
      for_each(groups, [&](std::size_t group) {
        const auto values_of = columns(group);
        T sums[outputs * width()] = {}, each[outputs * width()];
        for (std::size_t r = 0; r < rows; ++r) {
          const Values values = values_of(r);
          std::memcpy(each, &values, sizeof(values));
          for (std::size_t i = 0; i < outputs * width(); ++i) sums[i] += each[i];
        }
        for (std::size_t i = 0; i < outputs * width(); ++i) out[i / width()][group * width() + i % width()] = sums[i];
      });
    });
  }

  LockstepTeam& team_;
  std::size_t thread_;
  std::byte* scratch_;
};

}  // namespace lotar
