#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <lotar/backend/cpu/block.hpp>
#include <lotar/backend/cpu/convolution.hpp>
#include <lotar/backend/cpu/gemm.hpp>
#include <lotar/backend/cpu/independent.hpp>
#include <lotar/backend/cpu/nt_xent.hpp>
#include <lotar/backend/cpu/resource.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/pool.hpp>

namespace lotar {

/// The tag of views that lie in the host's memory.
struct CpuMemory {};

struct CpuOptions {
  int threads = 0;                  ///< 0: one a core
  bool poison_allocations = false;  ///< fill fresh memory with NaN: for tests
  /// 3x3 convolutions of stride 1 by Winograd's F(4x4, 3x3) where that is faster, by up to three times. Its rounding
  /// errors, up to 5e-6 of the largest result, are one to four times those of the direct sums. Values that are not
  /// finite reach all results of their tile, and very large ones may overflow there. Never for T = double.
  bool winograd = true;
  /// Products of matrices and convolutions of bf16 by AVX-512 BF16 where the processor has it: by the same exact
  /// products, two of which are added at once. Subnormal values count as 0; gradients of filters may be NaN where a
  /// value beside those that are multiplied is not finite.
  bool bf16_products = true;
};

/// The backend of the host's cores: loops over oneTBB, products and convolutions in registers.
///
/// Calls return when their work is done. Results are the same bits for any number of threads. Not to be used by two
/// threads at once; fork() for that.
class Cpu {
 public:
  using Memory = CpuMemory;
  using Block = CpuBlock;
  static constexpr const char* name = "cpu";

  using Resource = detail::CpuResource;

  /// @throws ConfigError if the number of threads is negative, or more than 1024.
  explicit Cpu(const CpuOptions& options = {}) : shared_(std::make_shared<Shared>(options)) {}

  int threads() const { return shared_->threads.count(); }
  Pool<Resource>& pool() { return shared_->pool; }

  /// Memory for n values from the pool, aligned to 256 bytes; its contents are unspecified.
  /// @throws std::bad_alloc if there is no more.
  template <class T>
  std::shared_ptr<T[]> allocate(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::size_t bytes = allocation_bytes<T>(n);
    void* memory = shared_->pool.allocate(bytes);
    if (shared_->poison) std::memset(memory, 0xFF, bytes);
    return std::shared_ptr<T[]>(static_cast<T*>(memory),
                                [shared = shared_, bytes](T* p) { shared->pool.deallocate(p, bytes); });
  }

  /// Copies all elements of one view to another of the same extents.
  /// @throws ShapeError if the extents differ.
  template <class T, std::size_t N>
  void copy(const std::type_identity_t<View<const T, N, Memory>>& from, const View<T, N, Memory>& to) {
    check_shape("copy", "to", from.extents, to.extents);
    if (from.size() > 0) std::memmove(to.data, from.data, from.size() * sizeof(T));
  }

  /// Sets every element to the value.
  template <class T, std::size_t N>
  void fill(const View<T, N, Memory>& to, std::type_identity_t<T> value) {
    for_each(to.size(), [data = to.data, value](std::size_t i) { data[i] = value; });
  }

  /// Copies the host's values to all elements; the host's memory may change on return.
  /// @throws ShapeError if the number of values differs from that of the view's elements.
  template <class T>
  void upload(std::span<const std::type_identity_t<T>> host, const View<T, 1, Memory>& to) {
    check_shape("upload", "to", Extents<1>{{host.size()}}, to.extents);
    if (!host.empty()) std::memcpy(to.data, host.data(), host.size_bytes());
  }
  /// Copies all elements to the host.
  /// @throws ShapeError if the numbers of values differ.
  template <class T>
  void download(const View<T, 1, Memory>& from, std::span<std::remove_const_t<T>> host) {
    check_shape("download", "from", Extents<1>{{host.size()}}, from.extents);
    if (!host.empty()) std::memcpy(host.data(), from.data, host.size_bytes());
  }
  /// Nothing to wait for.
  void sync() {}

  /// f(i) for every i < n, independently; f is a kernel: trivially copyable, with a const call operator.
  template <class F>
  void for_each(std::size_t n, const F& f) {
    constexpr std::size_t chunk = 8192;
    shared_->threads.parallel((n + chunk - 1) / chunk, 1, [&](std::size_t i) {
      const F body = f;
      const std::size_t last = min(n, (i + 1) * chunk);
      detail::independent(i * chunk, last, body);
    });
  }

  /// f(r, c) for every r < rows and c < cols, independently; neighbours in c run side by side.
  template <class F>
  void for_each(std::size_t rows, std::size_t cols, const F& f) {
    if (cols == 0) return;
    constexpr std::size_t chunk = 8192;  // elements
    shared_->threads.parallel(rows, max<std::size_t>(1, chunk / cols), [&](std::size_t r) {
      const F body = f;
      detail::independent(0, cols, [&](std::size_t c) { body(r, c); });
    });
  }

  /// f(block, i) for every i < n: a CpuBlock, one thread, works on each.
  template <class F>
  void for_each_block(std::size_t n, Work work, const F& f) {
    constexpr std::size_t chunk = 4096;  // inner items a thread takes at a time
    shared_->threads.parallel(n, max<std::size_t>(1, chunk / max<std::size_t>(1, work.items)), [&](std::size_t i) {
      std::byte* scratch = detail::thread_scratch(work.scratch_bytes);
      if (shared_->poison && work.scratch_bytes > 0) std::memset(scratch, 0xFF, work.scratch_bytes);
      CpuBlock block(scratch);
      const F body = f;
      body(block, i);
    });
  }

  /// c = alpha op_a(a) op_b(b) + beta c, batch by batch; beta = 0 does not read c, which overlaps neither operand.
  /// @tparam A, B, C  Matrix, View or Tensor, of T, T and T or Accum<T>
  /// @throws ShapeError if the shapes do not fit.
  /// @cost 2 M N K flops a batch; scratch: op(b) or, of a large one, as much at a time as makes 2^20 factors; of a c of
  ///       bf16 and K > 512 (by dot products of bf16 1024) at least 512 columns; and up to 3 MiB a thread
  template <class A, class B, class C>
  void gemm(Op op_a, Op op_b, double alpha, const A& a, const B& b, double beta, const C& c) {
    using T = std::remove_const_t<typename A::Element>;
    using Out = typename C::Element;
    const Matrix<const T, Memory> ma(a), mb(b);
    const Matrix<Out, Memory> mc(c);
    check_gemm(op_a, op_b, ma, mb, mc);
    detail::with_products<T>(detail::by_pairs<T>(shared_->algorithms.bf16_products, true), [&]<class P>(P) {
      detail::Gemm<P, Out, Memory>(op_a, op_b, alpha, ma, mb, beta, mc).run(*this, shared_->threads);
    });
  }

  /// y = the convolution of x [N, H, W, C] with filter [K, R, S, C]; y [N, P, Q, K] (see conv2d_output).
  /// @param x  an array, or one that is normalized as it is read: see ConvInput
  /// @throws ShapeError if the shapes do not fit.
  /// @cost 2 N P Q K R S C flops, a quarter of them by Winograd's algorithm; scratch: the filter (four times, by
  ///       Winograd's), and some padded images or tiles a thread
  template <class T>
  void conv2d_forward(const ConvInput<std::type_identity_t<T>, Memory>& x,
                      const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y) {
    detail::conv2d_forward<T>(*this, shared_->threads, shared_->algorithms, x, filter, conv, y);
  }

  /// The same, and the moments of parts of y as [N P Q, K]: each is taken by the thread that finishes the part, while
  /// most of it is in a cache. See ConvMomentsBackend.
  template <class T>
  void conv2d_forward(const ConvInput<std::type_identity_t<T>, Memory>& x,
                      const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y, const ColumnMoments<Accum<T>, Memory>& moments) {
    detail::conv2d_forward<T>(*this, shared_->threads, shared_->algorithms, x, filter, conv, y, moments);
  }
  /// All convolutions normalize what they read.
  template <class T>
  bool conv2d_normalizes(const Extents<4>&, const View<T, 4, Memory>&, Conv2d) const {
    return true;
  }
  template <class T>
  std::size_t conv2d_moment_parts(const View<const std::type_identity_t<T>, 4, Memory>&,
                                  const View<const std::type_identity_t<T>, 4, Memory>&, Conv2d,
                                  const View<T, 4, Memory>& y) const {
    return detail::moment_parts(y.extents);
  }

  /// dx = the gradient of the convolution's input + beta dx. Errors and cost as conv2d_forward's.
  template <class T>
  void conv2d_backward_data(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                            const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv, double beta,
                            const View<T, 4, Memory>& dx) {
    detail::conv2d_backward_data<T>(*this, shared_->threads, shared_->algorithms, dy, filter, conv, beta, dx);
  }

  /// dfilter = the gradient of the filter + beta dfilter, for x and dy of T and dfilter of Accum<T>.
  /// @param x  as conv2d_forward's
  /// @throws ShapeError if the shapes do not fit.
  /// @cost flops as conv2d_forward; scratch: up to 16 sums of the filter's size, in 20 MiB, or one; by Winograd's
  ///       algorithm up to 32 of four times that size, in 64 MiB, or one; and some padded images or tiles a thread
  template <class X, class T = std::remove_const_t<X>>
  void conv2d_backward_filter(const ConvInput<std::type_identity_t<T>, Memory>& x, const View<X, 4, Memory>& dy,
                              Conv2d conv, double beta,
                              const View<Accum<std::type_identity_t<T>>, 4, Memory>& dfilter) {
    detail::conv2d_backward_filter<T>(*this, shared_->threads, shared_->algorithms, x, dy, conv, beta, dfilter);
  }

  /// NT-Xent's losses and their gradient by the unit rows u [2N, D] (see loss/nt_xent.hpp), in blocks that stay in a
  /// cache.
  /// @return false, and nothing is done, for temperatures below 0.05
  /// @cost   4 N^2 D flops, by up to N / 96 threads; scratch: two copies of u, 2N counted as the next multiple of 96
  ///         and D as that of 32, and 40 KiB a thread
  template <std::same_as<float> T>
  bool nt_xent_forward(const View<const std::type_identity_t<T>, 2, Memory>& u,
                       const View<const std::type_identity_t<T>, 1, Memory>& inverse_temperature, bool only_negatives,
                       const View<std::uint32_t, 1, Memory>& /*halves*/, const View<T, 1, Memory>& positives,
                       const View<T, 1, Memory>& log_sum_exp, const View<T, 1, Memory>& losses) {
    return detail::nt_xent_forward(*this, shared_->threads, u.data, u.extent(0), u.extent(1), inverse_temperature(0),
                                   only_negatives, positives.data, log_sum_exp.data, losses.data);
  }
  /// @param du  [2N, D] out
  /// @cost      12 N^2 D flops; scratch as above
  template <std::same_as<float> T>
  bool nt_xent_backward(const View<const std::type_identity_t<T>, 2, Memory>& u,
                        const View<const std::uint32_t, 1, Memory>& /*halves*/,
                        const View<const std::type_identity_t<T>, 1, Memory>& inverse_temperature, bool only_negatives,
                        const View<const std::type_identity_t<T>, 1, Memory>& log_sum_exp,
                        const View<const std::type_identity_t<T>, 1, Memory>& coefficients,
                        const View<const std::type_identity_t<T>, 1, Memory>& of_positives,
                        const View<T, 2, Memory>& du) {
    return detail::nt_xent_backward(*this, shared_->threads, u.data, u.extent(0), u.extent(1), inverse_temperature(0),
                                    only_negatives, log_sum_exp.data, coefficients.data, of_positives.data, du.data);
  }
  static std::size_t nt_xent_halves(const Extents<2>&) { return 0; }  ///< words that are kept between the two

  /// A context over the same threads and pool; on the CPU everything is done when the call returns.
  Cpu fork() const { return *this; }
  void wait(const Cpu&) {}

  /// The step itself: there is nothing to record.
  template <class F>
  F record(F step) {
    return step;
  }

 private:
  struct Shared {
    explicit Shared(const CpuOptions& options)
        : threads(checked(options.threads)),
          poison(options.poison_allocations),
          algorithms{options.winograd, options.bf16_products} {}
    static int checked(int threads) {
      constexpr int most = 1024;
      if (threads < 0 || threads > most)
        throw ConfigError("Cpu: threads must be in [0, " + std::to_string(most) + "], got " + std::to_string(threads));
      return threads;
    }
    Pool<Resource> pool;
    detail::Threads threads;
    bool poison;
    detail::ConvolutionAlgorithms algorithms;
  };

  std::shared_ptr<Shared> shared_;
};

}  // namespace lotar
