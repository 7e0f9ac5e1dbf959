#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/winograd.hpp>
#include <lotar/backend/cpu/winograd_gradient.hpp>
#include <lotar/core/backend.hpp>

/// Direct convolution: images are copied once into a padded scratch, where the elements that meet one row of a filter
/// are contiguous, and tiles of pixels by output channels are summed in registers. Nothing is unfolded in memory.
namespace lotar::detail {

/// Which ways of convolving, besides the direct one in Accum<T>, may be taken.
struct ConvolutionWays {
  bool winograd = true, bf16_products = true;
};

/// Lines of P::Element, rows of a padded image whose border is zeros.
/// @param copy  (line of the image, to): its elements
template <class Element, class F>
void pad_image(const Mapping& m, Element* padded, const F& copy) {
  std::memset(padded, 0, m.padded_size() * sizeof(Element));
  for (std::size_t r = 0; r < m.h; ++r) copy(r, padded + ((m.top + r) * m.padded_w + m.left) * m.c);
}

/// The convolution that `m` describes, its channels counted in elements: out = conv(source, packed) + beta out.
/// @param packed  for each panel of output channels, each tap in the phases' order, each source channel: one row of
///                P::cols elements, zeros past the last channel
template <class P>
void run_convolution(Threads& threads, const Mapping& m, std::size_t n, const typename P::Stored* source,
                     const typename P::Element* packed, double beta, typename P::Stored* out) {
  using Element = typename P::Element;
  using A = Accum<typename P::Stored>;
  const std::size_t group = images_together(n, m.rows * m.cols);
  const std::size_t panels = (m.k + P::cols - 1) / P::cols;
  std::size_t most = 0;
  for (const Phase& p : m.phases) most = max(most, p.rows * p.cols);
  threads.parallel((n + group - 1) / group, 1, [&](std::size_t g) {
    const std::size_t first = g * group, images = min(group, n - first);
    const std::size_t padded_bytes = scratch_size<Element>(group * m.padded_size());
    const std::size_t table_bytes = scratch_size<std::size_t>(group * most + P::rows);
    std::byte* scratch = thread_scratch(padded_bytes + 2 * table_bytes);
    auto* padded = reinterpret_cast<Element*>(scratch);
    auto* from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    auto* to = reinterpret_cast<std::size_t*>(scratch + padded_bytes + table_bytes);
    const std::size_t line = m.w * m.c;
    for (std::size_t i = 0; i < images; ++i)
      pad_image(m, padded + i * m.padded_size(), [&](std::size_t r, Element* row) {
        P::copy(source + ((first + i) * m.h + r) * line * P::together, line, row);
      });
    for (const Phase& phase : m.phases) {
      std::size_t pixels = 0;
      for (std::size_t i = 0; i < images; ++i)
        for (std::size_t r = 0; r < phase.rows; ++r)
          for (std::size_t q = 0; q < phase.cols; ++q, ++pixels) {
            from[pixels] = i * m.padded_size() + (r * m.in_step * m.padded_w + q * m.in_step) * m.c;
            to[pixels] =
                (((first + i) * m.rows + phase.out_row + r * m.out_step) * m.cols + phase.out_col + q * m.out_step) *
                m.k;
          }
      for (std::size_t extra = 0; extra < P::rows; ++extra) from[pixels + extra] = from[pixels - 1];
      for (std::size_t panel = 0; panel < panels; ++panel) {
        const Element* filter = packed + (panel * m.taps() + phase.first_tap) * m.c * P::cols;
        const std::size_t channel = panel * P::cols, cols = min(P::cols, m.k - channel);
        for (std::size_t pixel = 0; pixel < pixels; pixel += P::rows)
          P::with_tile(cols, [&](auto& tile) {
            const Element* b = filter;
            for (const Run& run : phase.runs) {
              const Element* row[P::rows];
              for (int i = 0; i < P::rows; ++i)
                row[i] = padded + static_cast<std::ptrdiff_t>(from[pixel + static_cast<std::size_t>(i)]) + run.offset;
              tile.multiply(
                  run.length, [&](int i, std::size_t k) { return row[i][k]; }, b, P::cols);
              b += run.length * P::cols;
            }
            const int valid = static_cast<int>(min<std::size_t>(P::rows, pixels - pixel));
            for (int i = 0; i < valid; ++i)
              tile.store_row(i, cols, A(1), static_cast<A>(beta),
                             out + to[pixel + static_cast<std::size_t>(i)] + channel);
          });
      }
    }
  });
}

/// Packs a filter and runs the convolution.
/// @param value  (k, tap, c): the filter's element for output channel k and source channel c
template <class P, class B, class F>
void convolve(B& b, Threads& threads, const Mapping& m, std::size_t n, const typename P::Stored* source, const F& value,
              double beta, typename P::Stored* out) {
  using Element = typename P::Element;
  const std::size_t panels = (m.k + P::cols - 1) / P::cols, taps = m.taps();
  const auto packed = b.template allocate<Element>(panels * P::cols * taps * m.c);
  std::vector<Tap> order;
  for (const Phase& phase : m.phases) order.insert(order.end(), phase.taps.begin(), phase.taps.end());
  threads.parallel(panels * taps, 1, [&](std::size_t i) {
    const std::size_t first = i / taps * P::cols, count = min(P::cols, m.k - first);
    const Tap tap = order[i % taps];
    Element* to = packed.get() + i * m.c * P::cols;
    for (std::size_t c = 0; c < m.c; ++c, to += P::cols) {
      for (std::size_t j = 0; j < count; ++j)
        to[j] = P::element([&](std::size_t of) { return value(first + j, tap, of); }, c);
      for (std::size_t j = count; j < P::cols; ++j) to[j] = Element(0);
    }
  });
  run_convolution<P>(threads, m, n, source, packed.get(), beta, out);
}

/// Extents [N, H, W, C] with channels counted in elements.
template <class P>
Extents<4> in_elements(Extents<4> e) {
  e[3] /= P::together;
  return e;
}

/// Whether Winograd's algorithm is to be taken.
/// @param wide  channels from which it beats direct convolution by PairProducts too, measured
template <class T>
bool by_winograd(ConvolutionWays ways, const Extents<4>& filter, Conv2d conv, const WinogradShape& s,
                 std::size_t wide) {
  const bool pairs = std::is_same_v<T, bf16> && ways.bf16_products && has_bf16_products();
  return ways.winograd && winograd_takes(filter, conv) && winograd_wins(s) && (!pairs || min(s.c, s.k) >= wide);
}

/// f(products): PairProducts where T, the processor and the number of channels that are summed over allow, else
/// SingleProducts<T>.
template <class T, class F>
void with_products(ConvolutionWays ways, bool even, const F& f) {
  if constexpr (std::is_same_v<T, bf16>)
    if (ways.bf16_products && even && has_bf16_products()) return f(PairProducts());
  f(SingleProducts<T>());
}

template <class T, class B>
void conv2d_forward(B& b, Threads& threads, ConvolutionWays ways, const In<T, 4, B>& x, const In<T, 4, B>& filter,
                    Conv2d conv, const Out<T, 4, B>& y) {
  check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  if (y.size() == 0) return;
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_forward(x.extents, y.extents, conv.padding);
    if (by_winograd<T>(ways, filter.extents, conv, s, 128)) {
      const std::size_t c = x.extent(3);
      winograd(b, threads, s, x.data, WinogradFilter<T>{filter.data, 9 * c, c, 1, false}, 0, y.data);
      return;
    }
  }
  with_products<T>(ways, x.extent(3) % 2 == 0, [&]<class P>(P) {
    const Mapping m = forward_mapping(in_elements<P>(x.extents), in_elements<P>(filter.extents), conv);
    convolve<P>(
        b, threads, m, x.extent(0), x.data,
        [&](std::size_t k, const Tap& t, std::size_t c) { return filter(k, t.r, t.s, c); }, 0, y.data);
  });
}

template <class T, class B>
void conv2d_backward_data(B& b, Threads& threads, ConvolutionWays ways, const In<T, 4, B>& dy,
                          const In<T, 4, B>& filter, Conv2d conv, double beta, const Out<T, 4, B>& dx) {
  check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  if (dx.size() == 0) return;
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_backward(dx.extents, dy.extents, conv.padding);
    if (by_winograd<T>(ways, filter.extents, conv, s, 128)) {
      const std::size_t c = dx.extent(3);
      winograd(b, threads, s, dy.data, WinogradFilter<T>{filter.data, 1, c, 9 * c, true}, beta, dx.data);
      return;
    }
  }
  with_products<T>(ways, dy.extent(3) % 2 == 0, [&]<class P>(P) {
    const Mapping m = backward_mapping(dx.extents, filter.extents, in_elements<P>(dy.extents), conv);
    convolve<P>(
        b, threads, m, dy.extent(0), dy.data,
        [&](std::size_t k, const Tap& t, std::size_t c) { return filter(c, t.r, t.s, k); }, beta, dx.data);
  });
}

/// The gradient of the filter is, for each row r of it, a product over all pixels of the (s, c) that are contiguous in
/// the padded image with the channels of dy. Images are dealt to a fixed number of partial sums, added in order.
/// @param m  forward_mapping
template <class P, class B>
void run_filter_gradient(B& b, Threads& threads, const Mapping& m, std::size_t step, std::size_t n,
                         const typename P::Stored* x, const typename P::Stored* dy, double beta,
                         const View<Accum<typename P::Stored>, 4, typename B::Memory>& dfilter) {
  using T = typename P::Stored;
  using A = Accum<T>;
  using Element = typename P::Element;
  const std::size_t rows = dfilter.extent(1), span = dfilter.extent(2) * m.c;
  const std::size_t pixels = m.rows * m.cols, group = images_together(n, pixels);
  const std::size_t steps = (m.cols + P::together - 1) / P::together;  // of the sum, along a line
  const std::size_t groups = group == 0 ? 0 : (n + group - 1) / group;
  constexpr std::size_t most_partials = 16, partial_bytes = std::size_t{64} << 20;
  const std::size_t partials =
      max<std::size_t>(1, min(groups, min(most_partials, partial_bytes / (dfilter.size() * sizeof(A)))));
  const auto memory = b.template allocate<A>(partials * dfilter.size());  // [partials, R, S C, K]
  A* const partial = memory.get();

  threads.parallel(partials * rows, 1, [&](std::size_t item) {
    const std::size_t part = item / rows, r = item % rows;
    A* const sum = partial + (part * rows + r) * span * m.k;
    std::memset(sum, 0, span * m.k * sizeof(A));
    const std::size_t padded_bytes = scratch_size<Element>(group * m.padded_size() + P::rows);
    const std::size_t table_bytes = scratch_size<std::size_t>(group * m.rows * steps);
    std::byte* scratch =
        thread_scratch(padded_bytes + table_bytes + scratch_size<Element>(group * m.rows * steps * P::cols));
    auto* padded = reinterpret_cast<Element*>(scratch);
    auto* from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    auto* tail = reinterpret_cast<Element*>(scratch + padded_bytes + table_bytes);
    std::memset(padded + group * m.padded_size(), 0, P::rows * sizeof(Element));  // read by tiles past the last element
    for (std::size_t i = 0, k = 0; i < group; ++i)
      for (std::size_t p = 0; p < m.rows; ++p)
        for (std::size_t q = 0; q < steps; ++q, ++k)
          from[k] = i * m.padded_size() + ((p * step + r) * m.padded_w + q * P::together * step) * m.c;
    for (std::size_t g = groups * part / partials; g < groups * (part + 1) / partials; ++g) {
      const std::size_t first = g * group, images = min(group, n - first), depth = images * m.rows * steps;
      for (std::size_t i = 0; i < images; ++i)
        pad_image(m, padded + i * m.padded_size(), [&](std::size_t line, Element* row) {
          P::copy_pixels(x + ((first + i) * m.h + line) * m.w * m.c, m.w, m.left, step, m.c, row);
        });
      for (std::size_t k = 0; k < m.k; k += P::cols) {
        const std::size_t cols = min(P::cols, m.k - k);
        const T* from_dy = dy + first * pixels * m.k + k;
        const Element* gradient = tail;
        std::size_t stride = P::cols;
        bool in_place = false;  // where elements are what is stored, and no columns past the last one are read
        if constexpr (std::is_same_v<T, Element>) in_place = cols % Simd<A>::width == 0;
        if constexpr (std::is_same_v<T, Element>)
          if (in_place) gradient = from_dy, stride = m.k;
        if (!in_place) {
          std::memset(tail, 0, depth * P::cols * sizeof(Element));
          for (std::size_t at = 0, line = 0; line < images * m.rows; ++line)
            for (std::size_t q = 0; q < m.cols; q += P::together, ++at)
              P::copy_columns(from_dy + (line * m.cols + q) * m.k, min(P::together, m.cols - q), m.k, cols,
                              tail + at * P::cols);
        }
        for (std::size_t row = 0; row < span; row += P::rows)
          P::with_tile(cols, [&](auto& tile) {
            const Element* origin = padded + row;
            tile.multiply(
                depth, [&](int i, std::size_t p) { return origin[from[p] + static_cast<std::size_t>(i)]; }, gradient,
                stride);
            const int valid = static_cast<int>(min<std::size_t>(P::rows, span - row));
            for (int i = 0; i < valid; ++i)
              tile.store_row(i, cols, A(1), A(1), sum + (row + static_cast<std::size_t>(i)) * m.k + k);
          });
      }
    }
  });

  constexpr std::size_t strip = 64;  // of rows of [R S C, K] that become columns of [K, R S C]
  const std::size_t all = rows * span;
  threads.parallel((all + strip - 1) / strip, 1, [&](std::size_t i) {
    A* const total = reinterpret_cast<A*>(thread_scratch(strip * m.k * sizeof(A)));
    const std::size_t first = i * strip, count = min(strip, all - first);
    std::memcpy(total, partial + first * m.k, count * m.k * sizeof(A));
    for (std::size_t part = 1; part < partials; ++part) {
      const A* from = partial + (part * all + first) * m.k;
      for (std::size_t j = 0; j < count * m.k; ++j) total[j] += from[j];
    }
    for (std::size_t k = 0; k < m.k; ++k) {
      A* out = dfilter.data + k * all + first;
      for (std::size_t j = 0; j < count; ++j)
        out[j] = beta == 0 ? total[j * m.k + k] : total[j * m.k + k] + static_cast<A>(beta) * out[j];
    }
  });
}

template <class T, class B>
void conv2d_backward_filter(B& b, Threads& threads, ConvolutionWays ways, const In<T, 4, B>& x, const In<T, 4, B>& dy,
                            Conv2d conv, double beta, const Out<Accum<T>, 4, B>& dfilter) {
  check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_forward(x.extents, dy.extents, conv.padding);
    if (by_winograd<T>(ways, dfilter.extents, conv, s, 32)) {
      winograd_gradient(b, threads, s, x.data, dy.data, beta, dfilter.data);
      return;
    }
  }
  const Mapping m = forward_mapping(x.extents, dfilter.extents, conv);
  with_products<T>(ways, true, [&]<class P>(P) {
    run_filter_gradient<P>(b, threads, m, conv.stride, x.extent(0), x.data, dy.data, beta, dfilter);
  });
}

}  // namespace lotar::detail
