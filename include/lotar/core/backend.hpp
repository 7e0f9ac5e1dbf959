#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/view.hpp>

/// What a backend is: the context that computes. Everything above is written once over these concepts.
namespace lotar {

/// What a function reads and what it writes. Element types are deduced from what is written.
template <class T, std::size_t N, class B>
using In = View<const std::type_identity_t<T>, N, typename B::Memory>;
template <class T, std::size_t N, class B>
using Out = View<T, N, typename B::Memory>;

/// How a matrix enters a product.
enum class Op { none, transpose };

/// A matrix, or a batch of them, for gemm: row r of matrix i begins at data + i * batch_stride + r * row_stride.
template <class T, class Memory>
struct Matrix {
  using Element = T;

  T* data = nullptr;
  std::size_t rows = 0, cols = 0, row_stride = 0;
  std::size_t batches = 1, batch_stride = 0;

  Matrix() = default;
  Matrix(T* data_, std::size_t rows_, std::size_t cols_, std::size_t row_stride_)
      : data(data_), rows(rows_), cols(cols_), row_stride(row_stride_) {}
  template <class U>
  requires(std::is_same_v<T, const U>) Matrix(const Matrix<U, Memory>& m)
      : data(m.data),
        rows(m.rows),
        cols(m.cols),
        row_stride(m.row_stride),
        batches(m.batches),
        batch_stride(m.batch_stride) {}
  /// All of a view: [rows, cols], or [batches, rows, cols].
  template <class U>
  requires(std::is_convertible_v<U*, T*>) Matrix(const View<U, 2, Memory>& v)
      : data(v.data), rows(v.extent(0)), cols(v.extent(1)), row_stride(v.extent(1)) {}
  template <class U>
  requires(std::is_convertible_v<U*, T*>) Matrix(const View<U, 3, Memory>& v)
      : data(v.data),
        rows(v.extent(1)),
        cols(v.extent(2)),
        row_stride(v.extent(2)),
        batches(v.extent(0)),
        batch_stride(v.extent(1) * v.extent(2)) {}
};

/// Throws ShapeError unless op_a(a) [M, K] times op_b(b) [K, N] is c [M, N], in as many batches.
template <class A, class B, class C>
void check_gemm(Op op_a, Op op_b, const A& a, const B& b, const C& c) {
  const Extents<3> ea{a.batches, op_a == Op::none ? a.rows : a.cols, op_a == Op::none ? a.cols : a.rows};
  const Extents<3> eb{b.batches, op_b == Op::none ? b.rows : b.cols, op_b == Op::none ? b.cols : b.rows};
  const Extents<3> ec{c.batches, c.rows, c.cols};
  if (ea[0] != ec[0] || eb[0] != ec[0] || ea[1] != ec[1] || ea[2] != eb[1] || eb[2] != ec[2])
    throw ShapeError("gemm: [batches, M, K] times [batches, K, N] must be [batches, M, N], got " + to_string(ea) +
                     " times " + to_string(eb) + " for " + to_string(ec));
}

/// What the threads of one work item of for_each_block share: about how many items it loops over, which decides the
/// number of threads, and the bytes that scratch() may hand out. A kernel that a GPU runs faster by small blocks, as
/// where each thread needs many registers, says so by a constant most_threads, a power of two from 64 on; one whose
/// scratch may be more than the shared memory of a GPU's block, 99 to 227 KiB by model, by a constant
/// large_scratch = true.
struct Work {
  std::size_t items = 1;
  std::size_t scratch_bytes = 0;
};

/// The bytes that Block::scratch<T>(n) takes from Work::scratch_bytes.
template <class T>
LOTAR_FN constexpr std::size_t scratch_size(std::size_t n) {
  return (n * sizeof(T) + 63) / 64 * 64;
}

namespace detail {

/// Stand-ins with which the concepts ask their questions.
struct ProbeItem {
  LOTAR_FN void operator()(std::size_t) const {}
};
struct ProbeItem2 {
  LOTAR_FN void operator()(std::size_t, std::size_t) const {}
};
struct ProbeValue {
  LOTAR_FN float operator()(std::size_t) const { return 0; }
};
struct ProbeValue2 {
  LOTAR_FN float operator()(std::size_t, std::size_t) const { return 0; }
};
struct ProbePair2 {
  LOTAR_FN Pair<float> operator()(std::size_t, std::size_t) const { return {}; }
};
struct ProbeSum {
  LOTAR_FN float operator()(float a, float b) const { return a + b; }
};
struct ProbeKernel {
  template <class Block>
  LOTAR_FN void operator()(Block&, std::size_t) const {}
};
struct ProbeStep {
  void operator()() const {}
};

}  // namespace detail

// clang-format off: each line's comment is what a reader of the compiler's message sees

/// The threads that share one work item. All of them call for_each, reduce and sum_columns, which end in a barrier, and
/// scratch, which does not; any of them calls add and leader.
template <class Block>
concept BlockOf = requires(Block& block, std::size_t n, float* out, std::uint32_t* counter) {
  block.for_each(n, detail::ProbeItem{});      // f(i) for i < n, independent
  block.for_each(n, n, detail::ProbeItem2{});  // f(r, c), c contiguous
  {
    block.reduce(n, 0.f, detail::ProbeValue{}, detail::ProbeSum{})
    } -> std::same_as<float>;  // op over g(i), i < n, in one order; 0.f is op's neutral element; for all threads
  block.sum_columns(n, n, detail::ProbeValue2{}, out);           // out[c] = sum over r of g(r, c), in one order
  block.sum_columns(n, n, detail::ProbePair2{}, out, out);       // the same of two values; g is called once for each
  { block.template scratch<float>(n) } -> std::same_as<float*>;  // memory the threads share while the work item lasts
  block.add(counter,
            std::uint32_t{1});  // atomic, by any thread, no barrier; integers only, so that the order does not matter
  { block.leader() } -> std::convertible_to<bool>;  // true in exactly one thread
};

/// The context that computes: a stream of work in order, a pool of memory, library handles.
///
/// No operation waits for its result but download and sync. Results do not depend on the number of threads.
///
/// A recorded step does the same work each time it is called, and may do it by replay. It uses the context that records
/// it, and forks: each waits for the context first, and the context for each before the step ends. While it runs,
/// upload, download, sync, fork and to wait for a context that is not part of it are refused where replay could not do
/// them.
template <class B>
concept Backend = requires(B& b, std::size_t n, View<float, 1, typename B::Memory> v,
                           View<const float, 1, typename B::Memory> cv, std::span<float> host,
                           std::span<const float> const_host, Matrix<float, typename B::Memory> m,
                           Matrix<const float, typename B::Memory> cm) {
  typename B::Memory;                               // a tag type: views of other backends do not convert
  { B::name } -> std::convertible_to<const char*>;  // "cpu", "cuda", ...
  {
    b.template allocate<float>(n)
    } -> std::same_as<
        std::shared_ptr<float[]>>;     // from the pool: 256-byte aligned, contents unspecified; freed in stream order
  b.copy(cv, v);                       // from, to
  b.fill(v, 0.f);                      // every element
  b.upload(const_host, v);             // host to backend; the host's memory may change on return
  b.download(cv, host);                // backend to host; waits
  b.sync();                            // waits for all work so far; throws what it met
  b.for_each(n, detail::ProbeItem{});  // f(i) for i < n, independent
  b.for_each(n, n, detail::ProbeItem2{});                // f(r, c), c contiguous
  b.for_each_block(n, Work{}, detail::ProbeKernel{});    // f(block, i): a block of threads shares work item i
  b.gemm(Op::none, Op::transpose, 1.0, cm, cm, 0.0, m);  // c = alpha op(a) op(b) + beta c; views serve as matrices
  { b.fork() } -> std::same_as<B>;                       // another stream of the same pool
  b.wait(b);                                             // later work here follows the other's work so far
  b.record(detail::ProbeStep{})();                       // a step to call again and again
};

// clang-format on

/// A backend whose for_each(rows, cols, f) does run a WideKernel by packs wherever it may: so that f.columns(c) may
/// have what f(r, c) has not, such as a byte for each pack.
template <class B>
concept RunsPacks = Backend<B> && B::runs_packs;

/// How a filter moves over an image: the same in both directions.
struct Conv2d {
  std::size_t stride = 1;
  std::size_t padding = 0;

  /// The extent of the output over an input of this extent.
  LOTAR_FN constexpr std::size_t output(std::size_t input, std::size_t kernel) const {
    return (input + 2 * padding - kernel) / stride + 1;
  }
};

/// The extents [N, P, Q, K] of the convolution of x [N, H, W, C] with filters [K, R, S, C].
/// @throws ShapeError if the channels differ, the filter exceeds the padded image, the stride is 0, or an image's side
///         or the padding exceeds 2^32.
inline Extents<4> conv2d_output(const Extents<4>& x, const Extents<4>& filter, Conv2d conv) {
  if (x[3] != filter[3])
    throw ShapeError("conv2d: x [N, H, W, C] and filter [K, R, S, C] must agree in C, got " + to_string(x) + " and " +
                     to_string(filter));
  constexpr std::size_t most = std::size_t{1} << 32;  // of an extent and of the padding: so that no sum wraps
  if (conv.stride == 0 || filter.size() == 0 || conv.padding > most || x[1] > most || x[2] > most ||
      x[1] + 2 * conv.padding < filter[1] || x[2] + 2 * conv.padding < filter[2])
    throw ShapeError("conv2d: filter " + to_string(filter) + " with stride " + std::to_string(conv.stride) +
                     " does not fit " + to_string(x) + " padded by " + std::to_string(conv.padding));
  return {x[0], conv.output(x[1], filter[1]), conv.output(x[2], filter[2]), filter[0]};
}

/// A backend that convolves: x [N, H, W, C], filters [K, R, S, C], y [N, P, Q, K] with P = (H + 2 padding - R) / stride
/// + 1.
template <class B>
concept ConvBackend = Backend<B> &&
    requires(B& b, Conv2d conv, double beta, View<float, 4, typename B::Memory> sum,
             View<bf16, 4, typename B::Memory> out, View<const bf16, 4, typename B::Memory> in) {
  b.conv2d_forward(in, in, conv, out);                // x, filter -> y, all of T; sums are Accum<T>
  b.conv2d_backward_data(in, in, conv, beta, out);    // dy, filter -> dx = gradient + beta dx
  b.conv2d_backward_filter(in, in, conv, beta, sum);  // x, dy of T -> dfilter of Accum<T> = gradient + beta dfilter
};

/// Of each column of a matrix [rows, cols] whose rows are shared out in parts: a part's mean, the sum of squares about
/// it, and how many rows it has. The first part has some; one that has none is zeros.
template <class A, class Memory>
struct ColumnMoments {
  View<A, 2, Memory> mean, squares;  ///< [parts, cols]
  View<A, 1, Memory> counts;         ///< [parts]; empty: there are no moments
};

/// A backend that may take the moments of a convolution's result, y as [N P Q, K], while it has that at hand: of y as
/// it is stored, and the same bits for any number of threads.
template <class B>
concept ConvMomentsBackend = ConvBackend<B> &&
    requires(B& b, View<const bf16, 4, typename B::Memory> in, Conv2d conv, View<bf16, 4, typename B::Memory> out,
             ColumnMoments<float, typename B::Memory> moments) {
  {
    b.conv2d_moment_parts(in, in, conv, out)
    } -> std::same_as<std::size_t>;              // of x, filter, y: how many parts, 0 where moments are not taken
  b.conv2d_forward(in, in, conv, out, moments);  // as without, and the moments of so many parts, of Accum<T>
};

/// What batch normalisation makes of a value, gamma times the inverse deviation being one factor.
template <class T, class A>
LOTAR_FN inline A norm_value(T x, A mean, A factor, A beta) {
  return fma(static_cast<A>(x) - mean, factor, beta);
}

/// A convolution's input x [N, H, W, C]; with a norm, one that is normalized as it is read: v in channel c counts as
/// max(0, norm_value(v, mean[c], factor[c], beta[c])), and the padding as 0. Whether that is rounded to T, and where
/// there is no fused multiply-add once more, is the backend's choice.
template <class T, class Memory>
struct ConvInput {
  View<const T, 4, Memory> x;
  View<const Accum<T>, 2, Memory> norm;  ///< empty, or [3, C]: mean, factor, beta

  /// Of whatever converts to a view, as a Tensor does.
  template <class X>
  requires(std::is_convertible_v<const X&, View<const T, 4, Memory>>)
      ConvInput(const X& x_, const View<const Accum<T>, 2, Memory>& norm_ = {})
      : x(x_), norm(norm_) {}
};

/// A backend some of whose convolutions normalize what they read; others refuse a norm.
template <class B>
concept ConvInputBackend = ConvBackend<B> &&
    requires(B& b, Conv2d conv, double beta, View<float, 4, typename B::Memory> sum,
             View<bf16, 4, typename B::Memory> out, View<const bf16, 4, typename B::Memory> in,
             ConvInput<bf16, typename B::Memory> x, const Extents<4>& extents) {
  {
    b.conv2d_normalizes(extents, in, conv)
    } -> std::same_as<bool>;           // of x, filter: whether forward and to the filter are among them, for a Tensor x
  b.conv2d_forward(x, in, conv, out);  // and with moments, if the backend takes them
  b.conv2d_backward_filter(x, in, conv, beta, sum);  // x may have a norm
};

/// What batch norm's backward pass sums over all pixels, of the gradient d of a ConvInput with a norm: d where what is
/// normalized is above 0, and that times x - mean; each over parts of the pixels.
template <class A, class Memory>
struct NormSums {
  View<A, 2, Memory> sum, product;  ///< [parts, C]; empty: there are none
};

/// A backend that may take these sums of a convolution's gradient while it has that at hand: of dx as it is stored, and
/// the same bits for any number of threads.
template <class B>
concept ConvNormSumsBackend = ConvInputBackend<B> &&
    requires(B& b, View<const bf16, 4, typename B::Memory> in, Conv2d conv, View<bf16, 4, typename B::Memory> out,
             ConvInput<bf16, typename B::Memory> x, NormSums<float, typename B::Memory> sums) {
  {
    b.conv2d_norm_sum_parts(in, in, x, conv, out)
    } -> std::same_as<std::size_t>;  // of dy, filter, x, dx: how many parts, 0 where sums are not taken
  b.conv2d_backward_data(in, in, x, conv, out, sums);  // dx = gradient, and its sums of so many parts, of Accum<T>
};

}  // namespace lotar
