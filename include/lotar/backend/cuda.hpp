#pragma once

#if !defined(__CUDACC__)
#error "lotar: backend/cuda.hpp is for nvcc: compile this source as CUDA (a .cu file) and link lotar::cuda"
#else

#include <cuda_runtime_api.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include <lotar/backend/cuda/block.hpp>
#include <lotar/backend/cuda/convolution.hpp>
#include <lotar/backend/cuda/device.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/gemm.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/nt_xent.hpp>
#include <lotar/backend/cuda/recording.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/pool.hpp>

namespace lotar {

/// The tag of views that lie in a CUDA device's memory.
struct CudaMemory {};

namespace detail {

template <class T>
struct Fill {
  T* data;
  T value;
  LOTAR_FN void operator()(std::size_t i) const { data[i] = value; }
};

}  // namespace detail

/// The backend of one CUDA device: kernels on a stream, products by cuBLAS, convolutions by cuDNN and by kernels of our
/// own for compute capability 9.0a (CMake: CMAKE_CUDA_ARCHITECTURES=90a-real, and others besides).
///
/// Calls return before their work is done; it runs in the order of the calls. What fails on the device shows up in a
/// later call, at the latest in sync(). Results are the same bits in every run on the same kind of device, with the
/// same libraries. Copies are the same stream. Not to be used by two threads at once; fork() for that.
///
/// Memory freed on the host may be handed out by the stream that allocated it, whose later work then overwrites it: let
/// that stream wait() for others that still read it.
class Cuda {
 public:
  using Memory = CudaMemory;
  using Block = CudaBlock;
  using Resource = detail::CudaResource;
  static constexpr const char* name = "cuda";
  static constexpr bool runs_packs = true;

  /// @throws CudaError if there is no device or the driver is too old, ConfigError if there is none of this number.
  explicit Cuda(const CudaOptions& options = {})
      : Cuda(std::make_shared<detail::CudaStream>(std::make_shared<detail::CudaDevice>(options))) {}

  Pool<Resource>& pool() { return stream_->device().pool; }
  /// For work of one's own between that of the backend.
  cudaStream_t stream() const { return stream_->get(); }

  /// Memory for n values from the pool, aligned to 256 bytes; its contents are unspecified.
  /// @throws CudaError if the device has no more, std::bad_alloc for more than SIZE_MAX / 2 bytes.
  template <class T>
  std::shared_ptr<T[]> allocate(std::size_t n) {
    return stream_->allocate<T>(n);
  }

  /// Copies all elements of one view to another of the same extents, which does not overlap it.
  /// @throws ShapeError if the extents differ.
  template <class T, std::size_t N>
  void copy(const std::type_identity_t<View<const T, N, Memory>>& from, const View<T, N, Memory>& to) {
    check_shape("copy", "to", from.extents, to.extents);
    if (from.size() == 0) return;
    stream_->activate();
    detail::check(cudaMemcpyAsync(to.data, from.data, from.size() * sizeof(T), cudaMemcpyDeviceToDevice, stream()),
                  "copy");
  }

  /// Sets every element to the value.
  template <class T, std::size_t N>
  void fill(const View<T, N, Memory>& to, std::type_identity_t<T> value) {
    constexpr std::byte zeros[sizeof(T)] = {};
    if (std::memcmp(&value, zeros, sizeof(T)) == 0) return clear(to.data, to.size() * sizeof(T));
    for_each(to.size(), detail::Fill<T>{to.data, value});
  }

  /// Copies the host's values to all elements; the host's memory may change on return.
  /// @throws ShapeError if the number of values differs from that of the view's elements, CudaError while recording.
  template <class T>
  void upload(std::span<const std::type_identity_t<T>> host, const View<T, 1, Memory>& to) {
    check_shape("upload", "to", Extents<1>{{host.size()}}, to.extents);
    refuse_recording("upload");
    if (host.empty()) return;
    stream_->activate();
    stream_->upload(host.data(), to.data, host.size_bytes());
  }
  /// Copies all elements to the host and waits for them.
  /// @throws ShapeError if the numbers of values differ, CudaError while recording or with what the work so far met.
  template <class T>
  void download(const View<T, 1, Memory>& from, std::span<std::remove_const_t<T>> host) {
    check_shape("download", "from", Extents<1>{{host.size()}}, from.extents);
    refuse_recording("download");
    stream_->activate();
    if (!host.empty())
      detail::check(cudaMemcpyAsync(host.data(), from.data, host.size_bytes(), cudaMemcpyDeviceToHost, stream()),
                    "download");
    sync();
  }
  /// @throws CudaError with what the work so far met.
  void sync() {
    refuse_recording("sync");
    stream_->activate();
    detail::check(cudaStreamSynchronize(stream()), "sync");
  }

  /// f(i) for every i < n, independently; f is a kernel: trivially copyable, with a const call operator.
  template <class F>
  void for_each(std::size_t n, const F& f) {
    stream_->activate();
    detail::launch_loop(stream(), n, f);
  }

  /// f(r, c) for every r < rows and c < cols, independently; neighbours in c run side by side.
  template <class F>
  void for_each(std::size_t rows, std::size_t cols, const F& f) {
    stream_->activate();
    detail::launch_loop(stream(), rows, cols, f);
  }

  /// f(block, i) for every i < n: the threads of a thread block work on each together. Scratch lies in shared memory;
  /// what does not fit there, if f has large_scratch, in memory from the pool, for at most two blocks a multiprocessor
  /// and in 1 GiB, or for one block.
  /// @throws CudaError if scratch does not fit and f has no large_scratch, or the device has no memory for it,
  ///         std::bad_alloc if it is more than SIZE_MAX / 2 bytes.
  template <class F>
  void for_each_block(std::size_t n, Work work, const F& f) {
    stream_->activate();
    detail::launch_blocks(*stream_, n, work, f);
  }

  /// c = alpha op_a(a) op_b(b) + beta c, batch by batch; beta = 0 does not read c, which overlaps neither operand.
  /// @tparam A, B, C  Matrix, View or Tensor, of T, T and T or Accum<T>
  /// @throws ShapeError if the shapes do not fit.
  template <class A, class B, class C>
  void gemm(Op op_a, Op op_b, double alpha, const A& a, const B& b, double beta, const C& c) {
    using T = std::remove_const_t<typename A::Element>;
    using Out = typename C::Element;
    const Matrix<const T, Memory> ma(a), mb(b);
    const Matrix<Out, Memory> mc(c);
    check_gemm(op_a, op_b, ma, mb, mc);
    if (mc.batches * mc.rows * mc.cols == 0) return;
    if ((op_a == Op::none ? ma.cols : ma.rows) == 0)
      return for_each(mc.batches * mc.rows, mc.cols, detail::ScaleMatrix<Out, Memory>{mc, beta});
    stream_->activate();
    detail::blas_gemm(stream_->blas(), op_a, op_b, alpha, ma, mb, beta, mc);
  }

  /// y = the convolution of x [N, H, W, C] with filter [K, R, S, C]; y [N, P, Q, K] (see conv2d_output).
  ///
  /// 3x3 convolutions of bf16 with stride and padding 1 from 64 or up to 8 channels to 64 are by kernels of our own
  /// where the code is for compute capability 9.0a and the images are not too wide for a multiprocessor's memory (from
  /// 64 channels 74 pixels, for the gradient of the filter 42). All others are by cuDNN.
  /// @param x  an array, or one that is normalized as it is read: see ConvInput
  /// @throws ShapeError if the shapes do not fit, ConfigError for a norm where conv2d_normalizes says no or x is not 16
  ///         bytes aligned.
  /// @throws CudaError if it has no plan and something is amiss with cuDNN, such as a part of it that is missing.
  /// @cost 2 N P Q K R S C flops; scratch: for bf16 of fewer than 8 channels copies of x and the filter with 8. By
  /// cuDNN: what its plan wants, at most 1 GiB; the first call of a shape looks for a plan; without determinism it
  /// times some, and waits; scratch then: as much as the result besides.
  template <class T>
  void conv2d_forward(const ConvInput<std::type_identity_t<T>, Memory>& x,
                      const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y) {
    stream_->activate();
    detail::conv2d_forward<T, Memory>(*stream_, x, filter, conv, y);
  }

  /// Of how many parts of y, as [N P Q, K], conv2d_forward takes the moments as it convolves: some where the
  /// convolution is by kernels of our own, whose number depends on that of the device's multiprocessors, else 0.
  /// @throws ShapeError if the shapes do not fit.
  template <class T>
  std::size_t conv2d_moment_parts(const View<const std::type_identity_t<T>, 4, Memory>& x,
                                  const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                                  const View<T, 4, Memory>& y) const {
    return detail::conv2d_moment_parts<T, Memory>(*stream_, x, filter, conv, y);
  }
  /// Whether convolutions by this filter, forward and to it, normalize an x of these extents, 16 bytes aligned, as they
  /// read it: from 64 channels to 64 by kernels of our own.
  /// @throws ShapeError if the shapes do not fit.
  template <class X, class T = std::remove_const_t<X>>
  bool conv2d_normalizes(const Extents<4>& x, const View<X, 4, Memory>& filter, Conv2d conv) const {
    return detail::conv2d_normalizes<T, Memory>(*stream_, x, filter, conv);
  }
  /// The same as conv2d_forward without moments, and those of y as it is stored.
  /// @param moments  out: of conv2d_moment_parts() parts, which may be none
  /// @throws ShapeError if the shapes do not fit, ConfigError and CudaError as without moments.
  template <class T>
  void conv2d_forward(const ConvInput<std::type_identity_t<T>, Memory>& x,
                      const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv,
                      const View<T, 4, Memory>& y, const ColumnMoments<Accum<T>, Memory>& moments) {
    stream_->activate();
    detail::conv2d_forward<T, Memory>(*stream_, x, filter, conv, y, moments);
  }

  /// dx = the gradient of the convolution's input + beta dx. That of a 1x1 filter with a stride is rounded to T before
  /// it is added, for beta = 1. Errors and cost as conv2d_forward's; scratch for such a filter: N P Q C values of T.
  template <class T>
  void conv2d_backward_data(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                            const View<const std::type_identity_t<T>, 4, Memory>& filter, Conv2d conv, double beta,
                            const View<T, 4, Memory>& dx) {
    stream_->activate();
    detail::conv2d_backward_data<T, Memory>(*stream_, dy, filter, conv, beta, dx);
  }

  /// Of how many parts of dx, as [N H W, C], conv2d_backward_data takes NormSums as it convolves: some where the
  /// convolution is by kernels of our own, as for moments, else 0.
  /// @param x  what was convolved, with a norm; 16 bytes aligned, or there are no parts
  /// @throws ShapeError if the shapes do not fit.
  template <class T>
  std::size_t conv2d_norm_sum_parts(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                                    const View<const std::type_identity_t<T>, 4, Memory>& filter,
                                    const ConvInput<std::type_identity_t<T>, Memory>& x, Conv2d conv,
                                    const View<T, 4, Memory>& dx) const {
    return detail::conv2d_norm_sum_parts<T, Memory>(*stream_, dy, filter, x, conv, dx);
  }
  /// dx = the gradient of the convolution's input, and its sums.
  /// @param x     what was convolved, with a norm
  /// @param sums  out: of conv2d_norm_sum_parts() parts, which may be none
  /// @throws ShapeError if the shapes do not fit, CudaError as without sums.
  /// @cost   as without sums, and where they are taken a pass over x
  template <class T>
  void conv2d_backward_data(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                            const View<const std::type_identity_t<T>, 4, Memory>& filter,
                            const ConvInput<std::type_identity_t<T>, Memory>& x, Conv2d conv,
                            const View<T, 4, Memory>& dx, const NormSums<Accum<T>, Memory>& sums) {
    stream_->activate();
    detail::conv2d_backward_data<T, Memory>(*stream_, dy, filter, x, conv, dx, sums);
  }

  /// dfilter = the gradient of the filter + beta dfilter, for x and dy of T and dfilter of Accum<T>. By cuDNN that of
  /// bf16 is summed in float and rounded once to bf16, which changes an element by up to 2^-8 of it, before it is
  /// added: cuDNN is many times slower at a gradient of floats.
  /// @param x  as conv2d_forward's; errors too
  /// @cost as conv2d_forward; scratch of our own kernels: a filter, of at least 8 channels, for each multiprocessor,
  /// and two where it has no more channels than that
  template <class X, class T = std::remove_const_t<X>>
  void conv2d_backward_filter(const ConvInput<std::type_identity_t<T>, Memory>& x, const View<X, 4, Memory>& dy,
                              Conv2d conv, double beta,
                              const View<Accum<std::type_identity_t<T>>, 4, Memory>& dfilter) {
    stream_->activate();
    detail::conv2d_backward_filter<T, Memory>(*stream_, x, dy, conv, beta, dfilter);
  }

  /// NT-Xent's losses and their gradient by the unit rows u [2N, D] (see loss/nt_xent.hpp), by tensor cores: cosines
  /// are off by some 1e-6.
  ///
  /// The order of sums does not depend on the device.
  /// @param halves  [nt_xent_halves] out: a copy of u, for nt_xent_backward
  /// @return        false, and nothing is done, for shapes of which nt_xent_halves is 0
  template <std::same_as<float> T>
  requires(detail::compiled_for_mma) bool nt_xent_forward(
      const View<const std::type_identity_t<T>, 2, Memory>& u,
      const View<const std::type_identity_t<T>, 1, Memory>& inverse_temperature, bool only_negatives,
      const View<std::uint32_t, 1, Memory>& halves, const View<T, 1, Memory>& positives,
      const View<T, 1, Memory>& log_sum_exp, const View<T, 1, Memory>& losses) {
    if (halves.size() == 0) return false;
    stream_->activate();
    detail::nt_xent_forward(*stream_, u, inverse_temperature.data, only_negatives, halves.data, positives.data,
                            log_sum_exp.data, losses.data);
    return true;
  }
  /// @param u   not read
  /// @param du  [2N, D] out
  template <std::same_as<float> T>
  requires(detail::compiled_for_mma) bool nt_xent_backward(
      const View<const std::type_identity_t<T>, 2, Memory>& /*u*/, const View<const std::uint32_t, 1, Memory>& halves,
      const View<const std::type_identity_t<T>, 1, Memory>& inverse_temperature, bool only_negatives,
      const View<const std::type_identity_t<T>, 1, Memory>& log_sum_exp,
      const View<const std::type_identity_t<T>, 1, Memory>& coefficients,
      const View<const std::type_identity_t<T>, 1, Memory>& of_positives, const View<T, 2, Memory>& du) {
    if (halves.size() == 0) return false;
    stream_->activate();
    detail::nt_xent_backward(*stream_, halves.data, inverse_temperature.data, only_negatives, log_sum_exp.data,
                             coefficients.data, of_positives.data, du);
    return true;
  }
  /// The words of halves; 0 where these are not for rows of this shape.
  static std::size_t nt_xent_halves(const Extents<2>& u) { return detail::nt_xent_halves(u[0], u[1]); }

  /// What convolutions of this context and its forks run by: for each that ran and each that use_plans() named, by its
  /// text (what is computed of which types, extents, stride, padding, beta, alignments, compute capability), the number
  /// of cuDNN's engine and the settings of its knobs, "7 2=11 13=64"; "none" where cuDNN has no plan. For a training to
  /// keep, and to go on with by use_plans().
  std::map<std::string, std::string> plans() const { return stream_->device().plans.all(); }
  /// From now on these convolutions run by these plans, whatever cuDNN would choose; a convolution whose plan cuDNN
  /// refuses, as another version may, is a CudaError that names both; a plan for one that is by kernels of our own is
  /// unused. Steps recorded before keep theirs.
  /// @throws ConfigError for text that is no plan; nothing is changed then.
  void use_plans(const std::map<std::string, std::string>& plans) { stream_->device().plans.use(plans); }

  /// A context over another stream of the same device and pool. Memory that it allocates may outlive it; when both are
  /// gone, the device is waited for, once no step is being captured, and the memory serves others.
  /// @throws CudaError while recording.
  Cuda fork() const {
    refuse_recording("fork");
    return Cuda(std::make_shared<detail::CudaStream>(stream_->device().shared_from_this()));
  }
  /// Later work here follows the other's work so far. In a recorded step: a context that waits for one of the step's
  /// takes part in the step until it ends.
  /// @throws CudaError if this one takes part in a recorded step and the other does not.
  void wait(const Cuda& other) {
    if (stream_ == other.stream_) return;
    stream_->activate();
    stream_->wait(*other.stream_);
  }

  /// A step to call again and again: from the third call on, the launch of a CUDA graph. Steps use this context, and
  /// forks that wait for it first and that it waits for at the end; of these none uploads, downloads, syncs or forks.
  template <class F>
  CudaRecording<F> record(F step) {
    return CudaRecording<F>(stream_, std::move(step));
  }

 private:
  explicit Cuda(std::shared_ptr<detail::CudaStream> stream) : stream_(std::move(stream)) {}

  void clear(void* to, std::size_t bytes) {
    if (bytes == 0) return;
    stream_->activate();
    detail::check(cudaMemsetAsync(to, 0, bytes, stream()), "fill");
  }
  void refuse_recording(const char* call) const {
    if (stream_->recording()) throw CudaError(std::string(call) + ": not in a step that is being recorded");
  }

  std::shared_ptr<detail::CudaStream> stream_;
};

}  // namespace lotar

#endif
