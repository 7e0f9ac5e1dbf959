#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/direct_convolution.hpp>
#include <lotar/backend/cpu/filter_gradient.hpp>
#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/result_moments.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/winograd.hpp>
#include <lotar/backend/cpu/winograd_gradient.hpp>
#include <lotar/core/backend.hpp>

/// Convolutions by whichever algorithm is the fastest.
namespace lotar::detail {

/// Which algorithms may be taken besides the direct one in Accum<T>: see CpuOptions.
struct ConvolutionAlgorithms {
  bool winograd, bf16_products;
};

/// Extents [N, H, W, C] with channels counted in elements.
template <class P>
Extents<4> in_elements(Extents<4> e) {
  e[3] /= P::together;
  return e;
}

/// Whether Winograd's algorithm is to be taken.
/// @param wide  channels from which it beats PairProducts as well, measured with registers of 64 bytes; with smaller
///              ones it does not, since the dot products' are as large as ever
template <std::size_t Bytes = simd_bytes>
bool by_winograd(ConvolutionAlgorithms allowed, const Extents<4>& filter, Conv2d conv, const WinogradShape& s,
                 bool pairs, std::size_t wide) {
  return allowed.winograd && winograd_takes(filter, conv) && winograd_wins<Bytes>(s) &&
         (!pairs || (Bytes == 64 && min(s.c, s.k) >= wide));
}

/// What the algorithms read; refuses a norm that does not fit.
template <class T, class Memory>
ConvolutionSource<T> source_of(const char* call, const ConvInput<T, Memory>& x) {
  if (x.norm.data != nullptr) check_shape(call, "norm", Extents<2>{{3, x.x.extent(3)}}, x.norm.extents);
  return {x.x.data, x.norm.data};
}

template <class T, class B>
void conv2d_forward(B& b, Threads& threads, ConvolutionAlgorithms allowed,
                    const ConvInput<T, typename B::Memory>& input, const In<T, 4, B>& filter, Conv2d conv,
                    const Out<T, 4, B>& y, const ResultMoments<T>& moments = {}) {
  const In<T, 4, B>& x = input.x;
  const ConvolutionSource<T> source = source_of("conv2d_forward", input);
  check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  if (y.size() == 0) return;
  const bool pairs = by_pairs<T>(allowed.bf16_products, x.extent(3) % 2 == 0);
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_forward(x.extents, y.extents, conv.padding);
    if (by_winograd(allowed, filter.extents, conv, s, pairs, 128)) {
      const std::size_t c = x.extent(3);
      winograd(b, threads, s, source, WinogradFilter<T>{filter.data, 9 * c, c, 1, false}, 0, y.data, moments);
      return;
    }
  }
  with_products<T>(pairs, [&]<class P>(P) {
    const Mapping m = forward_mapping(in_elements<P>(x.extents), in_elements<P>(filter.extents), conv);
    convolve<P>(
        b, threads, m, x.extent(0), source,
        [&](std::size_t k, const Tap& t, std::size_t c) { return filter(k, t.r, t.s, c); }, 0, y.data, moments);
  });
}

/// The same with the moments of y.
template <class T, class B>
void conv2d_forward(B& b, Threads& threads, ConvolutionAlgorithms allowed, const ConvInput<T, typename B::Memory>& x,
                    const In<T, 4, B>& filter, Conv2d conv, const Out<T, 4, B>& y,
                    const ColumnMoments<Accum<T>, typename B::Memory>& moments) {
  const std::size_t cols = y.extent(3), rows = y.extent(0) * y.extent(1) * y.extent(2), height = moment_rows(cols);
  const Extents<2> parts{{moment_parts(y.extents), cols}};
  check_shape("conv2d_forward", "moments.mean", parts, moments.mean.extents);
  check_shape("conv2d_forward", "moments.squares", parts, moments.squares.extents);
  check_shape("conv2d_forward", "moments.counts", Extents<1>{{parts[0]}}, moments.counts.extents);
  for (std::size_t part = 0; part < parts[0]; ++part)
    moments.counts(part) = static_cast<Accum<T>>(min(height, rows - part * height));
  const auto finished = b.template allocate<std::uint32_t>(parts[0]);
  std::memset(finished.get(), 0, parts[0] * sizeof(std::uint32_t));
  conv2d_forward<T>(
      b, threads, allowed, x, filter, conv, y,
      ResultMoments<T>{y.data, rows, cols, height, moments.mean.data, moments.squares.data, finished.get()});
}

template <class T, class B>
void conv2d_backward_data(B& b, Threads& threads, ConvolutionAlgorithms allowed, const In<T, 4, B>& dy,
                          const In<T, 4, B>& filter, Conv2d conv, double beta, const Out<T, 4, B>& dx) {
  check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  if (dx.size() == 0) return;
  const bool pairs = by_pairs<T>(allowed.bf16_products, dy.extent(3) % 2 == 0);
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_backward(dx.extents, dy.extents, conv.padding);
    if (by_winograd(allowed, filter.extents, conv, s, pairs, 128)) {
      const std::size_t c = dx.extent(3);
      winograd(b, threads, s, {dy.data}, WinogradFilter<T>{filter.data, 1, c, 9 * c, true}, beta, dx.data);
      return;
    }
  }
  with_products<T>(pairs, [&]<class P>(P) {
    const Mapping m = backward_mapping(dx.extents, filter.extents, in_elements<P>(dy.extents), conv);
    convolve<P>(
        b, threads, m, dy.extent(0), {dy.data},
        [&](std::size_t k, const Tap& t, std::size_t c) { return filter(c, t.r, t.s, k); }, beta, dx.data);
  });
}

template <class T, class B>
void conv2d_backward_filter(B& b, Threads& threads, ConvolutionAlgorithms allowed,
                            const ConvInput<T, typename B::Memory>& input, const In<T, 4, B>& dy, Conv2d conv,
                            double beta, const Out<Accum<T>, 4, B>& dfilter) {
  const In<T, 4, B>& x = input.x;
  const ConvolutionSource<T> source = source_of("conv2d_backward_filter", input);
  check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
  const bool pairs = by_pairs<T>(allowed.bf16_products, true);
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_forward(x.extents, dy.extents, conv.padding);
    if (by_winograd(allowed, dfilter.extents, conv, s, pairs, 32)) {
      winograd_gradient(b, threads, s, source, dy.data, beta, dfilter.data);
      return;
    }
  }
  const Mapping m = forward_mapping(x.extents, dfilter.extents, conv);
  with_products<T>(pairs, [&]<class P>(P) {
    run_filter_gradient<P>(b, threads, m, conv.stride, x.extent(0), source, dy.data, beta, dfilter);
  });
}

}  // namespace lotar::detail
