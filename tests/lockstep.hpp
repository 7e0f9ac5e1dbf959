#pragma once

#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/backend/cpu/resource.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/pool.hpp>

#include "lockstep_block.hpp"

namespace lotar {

/// The tag of views of Lockstep: host memory, but no Cpu view.
struct LockstepMemory {};

struct LockstepOptions {
  bool poison_allocations = true;
};

/// A backend for tests only: slow, plain and unforgiving. Two teams of four threads run blocks at the same time;
/// products and convolutions are plain loops that share nothing with other backends. While a recorded step runs it
/// refuses what could not be replayed, as Cuda does.
class Lockstep {
 public:
  using Memory = LockstepMemory;
  using Block = LockstepBlock;
  static constexpr const char* name = "lockstep";
  static constexpr bool runs_packs = true;

  struct Resource {
    void* allocate(std::size_t bytes) const { return ::operator new (bytes, std::align_val_t{256}); }
    void deallocate(void* p) const { ::operator delete (p, std::align_val_t{256}); }
    void expose(void* block, std::size_t bytes, std::size_t size) const {
      detail::CpuResource::expose(block, bytes, size);
    }
  };

  explicit Lockstep(const LockstepOptions& options = {})
      : shared_(std::make_shared<Shared>()), context_(std::make_shared<Context>()) {
    shared_->poison = options.poison_allocations;
  }

  Pool<Resource>& pool() { return shared_->pool; }

  template <class T>
  std::shared_ptr<T[]> allocate(std::size_t n) {
    const std::size_t bytes = allocation_bytes<T>(n);
    void* memory = shared_->pool.allocate(bytes);
    if (shared_->poison) std::memset(memory, 0xFF, bytes);
    return std::shared_ptr<T[]>(static_cast<T*>(memory),
                                [shared = shared_, bytes](T* p) { shared->pool.deallocate(p, bytes); });
  }

  template <class T, std::size_t N>
  void copy(const std::type_identity_t<View<const T, N, Memory>>& from, const View<T, N, Memory>& to) {
    check_shape("copy", "to", from.extents, to.extents);
    context_->ahead = true;
    if (from.size() > 0) std::memmove(to.data, from.data, from.size() * sizeof(T));
  }
  template <class T, std::size_t N>
  void fill(const View<T, N, Memory>& to, std::type_identity_t<T> value) {
    context_->ahead = true;
    for (std::size_t i = 0; i < to.size(); ++i) to.data[i] = value;
  }
  template <class T>
  void upload(std::span<const std::type_identity_t<T>> host, const View<T, 1, Memory>& to) {
    check_shape("upload", "to", Extents<1>{{host.size()}}, to.extents);
    refuse_recording("upload");
    if (!host.empty()) std::memcpy(to.data, host.data(), host.size_bytes());
  }
  template <class T>
  void download(const View<T, 1, Memory>& from, std::span<std::remove_const_t<T>> host) {
    check_shape("download", "from", Extents<1>{{host.size()}}, from.extents);
    refuse_recording("download");
    if (!host.empty()) std::memcpy(host.data(), from.data, host.size_bytes());
  }
  void sync() { refuse_recording("sync"); }

  template <class F>
  void for_each(std::size_t n, const F& f) {
    context_->ahead = true;
    shared_->run([&](std::size_t thread) {
      const F body = f;
      for (std::size_t i = thread; i < n; i += threads) body(i);
    });
  }
  template <class F>
  void for_each(std::size_t rows, std::size_t cols, const F& f) {
    if (cols == 0) return;
    if constexpr (WideKernel<F>)
      if (is_wide(cols, f)) return for_each(rows, cols / F::width, Wide<F>{f});
    for_each(rows * cols, [f, cols](std::size_t i) { f(i / cols, i % cols); });
  }
  template <class F>
  void for_each_block(std::size_t n, Work work, const F& f) {
    context_->ahead = true;
    std::vector<std::byte> memory[teams];
    std::byte* scratch[teams];
    for (std::size_t t = 0; t < teams; ++t) {
      memory[t].resize(work.scratch_bytes + 64);
      scratch[t] = memory[t].data() + (64 - reinterpret_cast<std::uintptr_t>(memory[t].data()) % 64);
    }
    shared_->run([&](std::size_t thread) {
      const std::size_t t = thread / LockstepTeam::threads, member = thread % LockstepTeam::threads;
      LockstepTeam& team = shared_->team[t];
      const F body = f;
      for (std::size_t i = t; i < n; i += teams) {
        if (member == 0 && work.scratch_bytes > 0) std::memset(scratch[t], 0xFF, work.scratch_bytes);
        team.barrier.arrive_and_wait();
        LockstepBlock block(team, member, scratch[t]);
        body(block, i);
        team.barrier.arrive_and_wait();
      }
    });
  }

  template <class A, class B, class C>
  void gemm(Op op_a, Op op_b, double alpha, const A& a, const B& b, double beta, const C& c) {
    using T = std::remove_const_t<typename A::Element>;
    using Out = typename C::Element;
    const Matrix<const T, Memory> ma(a), mb(b);
    const Matrix<Out, Memory> mc(c);
    check_gemm(op_a, op_b, ma, mb, mc);
    context_->ahead = true;
    const std::size_t depth = op_a == Op::none ? ma.cols : ma.rows;
    for (std::size_t i = 0; i < mc.batches; ++i)
      for (std::size_t r = 0; r < mc.rows; ++r)
        for (std::size_t col = 0; col < mc.cols; ++col) {
          Accum<T> sum = 0;
          for (std::size_t k = 0; k < depth; ++k) {
            const std::size_t at_a = op_a == Op::none ? r * ma.row_stride + k : k * ma.row_stride + r;
            const std::size_t at_b = op_b == Op::none ? k * mb.row_stride + col : col * mb.row_stride + k;
            sum += static_cast<Accum<T>>(ma.data[i * ma.batch_stride + at_a]) *
                   static_cast<Accum<T>>(mb.data[i * mb.batch_stride + at_b]);
          }
          Out& out = mc.data[i * mc.batch_stride + r * mc.row_stride + col];
          out = static_cast<Out>(static_cast<Accum<T>>(alpha) * sum +
                                 (beta == 0 ? Accum<T>(0) : static_cast<Accum<T>>(beta) * static_cast<Accum<T>>(out)));
        }
  }

  template <class T>
  void conv2d_forward(const View<const std::type_identity_t<T>, 4, Memory>& x,
                      const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y) {
    check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
    using A = Accum<T>;
    std::vector<A> sum(y.size());
    taps(x.extents, filter.extents, y.extents, conv,
         [&](auto n, auto h, auto w, auto c, auto k, auto r, auto s, auto p, auto q) {
           sum[index(y, n, p, q, k)] += static_cast<A>(x(n, h, w, c)) * static_cast<A>(filter(k, r, s, c));
         });
    context_->ahead = true;
    add(sum, 0, y);
  }
  template <class T>
  void conv2d_backward_data(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                            const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv, double beta,
                            const View<T, 4, Memory>& dx) {
    check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
    using A = Accum<T>;
    std::vector<A> sum(dx.size());
    taps(dx.extents, filter.extents, dy.extents, conv,
         [&](auto n, auto h, auto w, auto c, auto k, auto r, auto s, auto p, auto q) {
           sum[index(dx, n, h, w, c)] += static_cast<A>(dy(n, p, q, k)) * static_cast<A>(filter(k, r, s, c));
         });
    context_->ahead = true;
    add(sum, beta, dx);
  }
  template <class X>
  void conv2d_backward_filter(const View<X, 4, Memory>& x,
                              const View<const std::type_identity_t<std::remove_const_t<X>>, 4, Memory>& dy,
                              Conv2d conv, double beta,
                              const View<Accum<std::type_identity_t<std::remove_const_t<X>>>, 4, Memory>& dfilter) {
    check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
    using A = Accum<std::remove_const_t<X>>;
    std::vector<A> sum(dfilter.size());
    taps(x.extents, dfilter.extents, dy.extents, conv,
         [&](auto n, auto h, auto w, auto c, auto k, auto r, auto s, auto p, auto q) {
           sum[index(dfilter, k, r, s, c)] += static_cast<A>(dy(n, p, q, k)) * static_cast<A>(x(n, h, w, c));
         });
    context_->ahead = true;
    add(sum, beta, dfilter);
  }

  Lockstep fork() const {
    refuse_recording("fork");
    Lockstep other(*this);
    other.context_ = std::make_shared<Context>();
    return other;
  }
  void wait(const Lockstep& other) {
    if (context_ == other.context_) return;
    if (context_->step != nullptr && context_->step != other.context_->step)
      throw Error("wait: a step that is being recorded waits only for contexts that have waited for it");
    if (context_->step != other.context_->step) other.context_->step->add(context_);
    context_->ahead = true;
    other.context_->ahead = false;
  }
  template <class F>
  auto record(F step) {
    return [context = context_, step = std::make_shared<F>(std::move(step))] {
      if (context->step != nullptr) return (*step)();
      Step running(context);
      (*step)();
      running.check();
    };
  }

 private:
  class Step;
  struct Context {
    Step* step = nullptr;  // the recorded one that it takes part in
    bool ahead = false;    // has work that nobody waited for
  };

  /// While it lives, a recorded step runs.
  class Step {
   public:
    explicit Step(const std::shared_ptr<Context>& origin) { add(origin); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() {
      for (const auto& context : contexts_) context->step = nullptr;
    }
    void add(const std::shared_ptr<Context>& context) {
      contexts_.push_back(context);
      context->step = this;
    }
    void check() const {
      for (std::size_t i = 1; i < contexts_.size(); ++i)
        if (contexts_[i]->ahead) throw Error("record: the step does not wait for a fork that takes part in it");
    }

   private:
    std::vector<std::shared_ptr<Context>> contexts_;  // the one that records it first
  };

  void refuse_recording(const char* call) const {
    if (context_->step != nullptr) throw Error(std::string(call) + ": not in a step that is being recorded");
  }

  static constexpr std::size_t teams = 2, threads = teams * LockstepTeam::threads;

  /// Threads that wait for work, beside the caller's own.
  struct Shared {
    Pool<Resource> pool;
    bool poison = true;
    LockstepTeam team[teams];
    std::function<void(std::size_t)> work;
    bool stop = false;
    std::barrier<> turn{threads};
    std::vector<std::thread> workers;

    Shared() {
      for (std::size_t t = 1; t < threads; ++t)
        workers.emplace_back([this, t] {
          for (;;) {
            turn.arrive_and_wait();
            if (stop) return;
            work(t);
            turn.arrive_and_wait();
          }
        });
    }
    ~Shared() {
      stop = true;
      turn.arrive_and_wait();
      for (std::thread& w : workers) w.join();
    }
    void run(const std::function<void(std::size_t)>& f) {
      work = f;
      turn.arrive_and_wait();
      work(0);
      turn.arrive_and_wait();
    }
  };

  /// The place of an element in a view's memory.
  template <class T, class... Index>
  static std::size_t index(const View<T, 4, Memory>& v, Index... at) {
    return static_cast<std::size_t>(&v(at...) - v.data);
  }
  /// v = sum + beta v, rounded once.
  template <class T>
  static void add(const std::vector<Accum<T>>& sum, double beta, const View<T, 4, Memory>& v) {
    using A = Accum<T>;
    for (std::size_t i = 0; i < v.size(); ++i)
      v.data[i] = static_cast<T>(beta == 0 ? sum[i] : sum[i] + static_cast<A>(beta) * static_cast<A>(v.data[i]));
  }

  /// f(n, h, w, c, k, r, s, p, q) for every product of the convolution that falls inside the image.
  template <class F>
  static void taps(const Extents<4>& x, const Extents<4>& filter, const Extents<4>& y, Conv2d conv, const F& f) {
    for (std::size_t n = 0; n < y[0]; ++n)
      for (std::size_t p = 0; p < y[1]; ++p)
        for (std::size_t q = 0; q < y[2]; ++q)
          for (std::size_t r = 0; r < filter[1]; ++r)
            for (std::size_t s = 0; s < filter[2]; ++s) {
              const std::size_t h = p * conv.stride + r, w = q * conv.stride + s;
              if (h < conv.padding || w < conv.padding || h >= x[1] + conv.padding || w >= x[2] + conv.padding)
                continue;
              for (std::size_t k = 0; k < y[3]; ++k)
                for (std::size_t c = 0; c < x[3]; ++c) f(n, h - conv.padding, w - conv.padding, c, k, r, s, p, q);
            }
  }

  std::shared_ptr<Shared> shared_;
  std::shared_ptr<Context> context_;
};

}  // namespace lotar
