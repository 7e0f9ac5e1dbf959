#pragma once

#include <sys/mman.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#if defined(__has_feature)
#define LOTAR_EMULATED_HAS(sanitizer) __has_feature(sanitizer)  // clang's
#else
#define LOTAR_EMULATED_HAS(sanitizer) LOTAR_EMULATED_HAS_##sanitizer
#if defined(__SANITIZE_THREAD__)
#define LOTAR_EMULATED_HAS_thread_sanitizer 1
#else
#define LOTAR_EMULATED_HAS_thread_sanitizer 0
#endif
#if defined(__SANITIZE_ADDRESS__)
#define LOTAR_EMULATED_HAS_address_sanitizer 1
#else
#define LOTAR_EMULATED_HAS_address_sanitizer 0
#endif
#endif
#if LOTAR_EMULATED_HAS(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#endif
#if LOTAR_EMULATED_HAS(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#endif

// Threads that one of the host's threads runs in turn, each until it waits: hundreds of them cost little, and what they
// do is the same in every run. To the thread sanitizer they are threads like others, of which one knows of what another
// did only where one arrived and the other waited.
namespace lotar::emulated {

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "emulated: %s\n", what);
  std::abort();
}

/// What comes before released(x) is known after acquired(x).
inline void released([[maybe_unused]] void* at) {
#if LOTAR_EMULATED_HAS(thread_sanitizer)
  __tsan_release(at);
#endif
}
inline void acquired([[maybe_unused]] void* at) {
#if LOTAR_EMULATED_HAS(thread_sanitizer)
  __tsan_acquire(at);
#endif
}

/// Where a stack's function stands.
#if defined(__x86_64__)
using Context = void*;  // its top, below which lie the registers that calls keep
__attribute__((naked, noinline, no_sanitize("address", "thread", "undefined"))) inline void switch_context(
    Context& /*from*/, const Context& /*to*/) {
  asm volatile(
      "push %rbp; push %rbx; push %r12; push %r13; push %r14; push %r15\n"
      "mov %rsp, (%rdi); mov (%rsi), %rsp\n"
      "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbx; pop %rbp; ret");
}
inline void begin_context(Context& context, void* stack, std::size_t bytes, void (*function)()) {
  auto* const end = reinterpret_cast<void**>(static_cast<std::byte*>(stack) + bytes);
  end[-2] = reinterpret_cast<void*>(function);  // to which the first switch returns; a call would leave end - 1
  context = end - 8;
}
#else
using Context = ucontext_t;  // slower: it keeps signals, too
inline void switch_context(Context& from, const Context& to) { swapcontext(&from, &to); }
inline void begin_context(Context& context, void* stack, std::size_t bytes, void (*function)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack;
  context.uc_stack.ss_size = bytes;
  makecontext(&context, function, 0);
}
#endif

class Fiber;
/// The one that runs.
inline std::atomic<Fiber*> current_fiber = nullptr;

/// A stack, and what runs on it.
class Fiber {
 public:
  Fiber() {
    stack_ = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack_ == MAP_FAILED || mprotect(stack_, guard_bytes, PROT_NONE) != 0) fail("no memory for a stack");
    begin_context(own_, stack_, stack_bytes, &Fiber::enter);
#if LOTAR_EMULATED_HAS(thread_sanitizer)
    tsan_ = __tsan_create_fiber(0);
#endif
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Gives the fiber something to do.
  void begin(std::function<void()> work) {
    work_ = std::move(work);
    done_.store(false, std::memory_order_relaxed);
  }
  bool done() const { return done_.load(std::memory_order_relaxed); }
  /// What the fiber did is known.
  void join() { acquired(&done_); }

  /// Runs it until it waits, or is done.
  void resume() {
    current_fiber.store(this, std::memory_order_relaxed);
#if LOTAR_EMULATED_HAS(address_sanitizer)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, stack_, stack_bytes);
#endif
#if LOTAR_EMULATED_HAS(thread_sanitizer)
    tsan_caller_.store(__tsan_get_current_fiber(), std::memory_order_relaxed);
    __tsan_switch_to_fiber(tsan_, 0);
#endif
    switch_context(caller_, own_);
#if LOTAR_EMULATED_HAS(address_sanitizer)
    __sanitizer_finish_switch_fiber(fake_stack, nullptr, nullptr);
#endif
  }
  /// Called by the fiber itself.
  void pause() {
#if LOTAR_EMULATED_HAS(address_sanitizer)
    void* fake_stack = nullptr;
    __sanitizer_start_switch_fiber(&fake_stack, caller_stack_, caller_bytes_);
#endif
#if LOTAR_EMULATED_HAS(thread_sanitizer)
    __tsan_switch_to_fiber(tsan_caller_.load(std::memory_order_relaxed), __tsan_switch_to_fiber_no_sync);
#endif
    switch_context(own_, caller_);
#if LOTAR_EMULATED_HAS(address_sanitizer)
    __sanitizer_finish_switch_fiber(fake_stack, &caller_stack_, &caller_bytes_);
#endif
  }

 private:
  static constexpr std::size_t stack_bytes = std::size_t{1} << 19, guard_bytes = 4096;

  static void enter() {
    Fiber& self = *current_fiber.load(std::memory_order_relaxed);
#if LOTAR_EMULATED_HAS(address_sanitizer)
    __sanitizer_finish_switch_fiber(nullptr, &self.caller_stack_, &self.caller_bytes_);
#endif
    for (;;) {
      self.work_();
      released(&self.done_);
      self.done_.store(true, std::memory_order_relaxed);
      self.pause();
    }
  }

  void* stack_;
  Context own_{}, caller_{};
  std::function<void()> work_;
  std::atomic<bool> done_ = true;
#if LOTAR_EMULATED_HAS(thread_sanitizer)
  void* tsan_;
  std::atomic<void*> tsan_caller_ = nullptr;
#endif
#if LOTAR_EMULATED_HAS(address_sanitizer)
  const void* caller_stack_ = nullptr;
  std::size_t caller_bytes_ = 0;
#endif
};

/// Counts whatever shows that not all fibers wait.
inline std::atomic<std::size_t> moves = 0;

inline void pause() { current_fiber.load(std::memory_order_relaxed)->pause(); }

template <class F>
void wait_until(const F& is_so) {
  while (!is_so()) pause();
}
/// For some rounds, in which they get where this one may not have wanted them yet.
inline void let_others_run() {
  for (int i = 0; i < 8; ++i) {
    moves.fetch_add(1, std::memory_order_relaxed);
    pause();
  }
}

/// A barrier of so many arrivals, again and again.
class Barrier {
 public:
  explicit Barrier(unsigned arrivals) : wanted_(arrivals), missing_(arrivals) {}
  /// @return the phase that this was an arrival of
  unsigned arrive() {
    const unsigned phase = ended();
    released(&known_[phase % 2]);
    moves.fetch_add(1, std::memory_order_relaxed);
    if (missing_.fetch_sub(1, std::memory_order_relaxed) == 1) {
      missing_.store(wanted_, std::memory_order_relaxed);
      ended_.fetch_add(1, std::memory_order_relaxed);
    }
    return phase;
  }
  void arrive_and_wait() { wait_for_parity(arrive() % 2); }
  /// Until the phase of this parity has ended, not the one after.
  void wait_for_parity(unsigned parity) {
    wait_until([&] { return ended() % 2 != parity; });
    acquired(&known_[parity]);  // not of the next phase, at which others may have arrived
  }

 private:
  unsigned ended() const { return ended_.load(std::memory_order_relaxed); }

  const unsigned wanted_;
  std::atomic<unsigned> missing_, ended_ = 0;
  char known_[2] = {};  // what comes before the end of a phase, by parity
};

/// The i-th of the process' fibers.
inline Fiber& fiber(std::size_t i) {
  static std::vector<std::unique_ptr<Fiber>>& all = *new std::vector<std::unique_ptr<Fiber>>;  // for good
  while (all.size() <= i) all.push_back(std::make_unique<Fiber>());
  return *all[i];
}

/// f() n times, side by side. before(i) is called whenever the i-th goes on.
template <class F, class Before>
void run_side_by_side(unsigned n, const F& f, const Before& before) {
  for (unsigned i = 0; i < n; ++i) fiber(i).begin([&f] { f(); });
  unsigned left = n;
  for (bool down = true; left > 0; down = !down) {
    const std::size_t before_all = moves.load(std::memory_order_relaxed);
    const unsigned were_left = left;
    for (unsigned k = 0; k < n; ++k) {
      const unsigned i = down ? n - 1 - k : k;
      Fiber& one = fiber(i);
      if (one.done()) continue;
      before(i);
      one.resume();
      if (one.done()) --left;
    }
    if (left == were_left && before_all == moves.load(std::memory_order_relaxed)) fail("all threads wait");
  }
  for (unsigned i = 0; i < n; ++i) fiber(i).join();
}

}  // namespace lotar::emulated
