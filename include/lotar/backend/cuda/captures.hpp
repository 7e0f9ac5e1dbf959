#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>
#include <vector>

namespace lotar::detail {

/// The captures of streams that are under way in this process. To wait for a device breaks those of its streams, so
/// what does is put off until there is none.
class Captures {
 public:
  /// While it lives, a stream is being captured.
  class Scope {
   public:
    Scope() {
      const std::lock_guard lock(state().mutex);
      ++state().under_way;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      const std::lock_guard lock(state().mutex);
      if (--state().under_way > 0) return;
      const auto put_off = std::exchange(state().put_off, {});
      for (const auto& f : put_off) f();
    }
  };

  /// Calls f where there is no capture: at once, or when the last one ends. None begins meanwhile.
  template <class F>
  static void outside(F f) {
    const std::lock_guard lock(state().mutex);
    if (state().under_way == 0)
      f();
    else
      state().put_off.emplace_back(std::move(f));
  }

 private:
  struct State {
    std::recursive_mutex mutex;  // what is called may let go of more
    std::size_t under_way = 0;
    std::vector<std::function<void()>> put_off;
  };
  static State& state() {
    static State& all = *new State;  // never gone: objects of static storage may need it
    return all;
  }
};

}  // namespace lotar::detail
