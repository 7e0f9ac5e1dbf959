#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/direct_convolution.hpp>
#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/panels.hpp>
#include <lotar/backend/cpu/prefetch.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>

namespace lotar::detail {

/// Channels [first, last) of lines of pixels that are summed over, as panels [panels][lines][steps][P::cols], zeros
/// past the last channel.
/// @param c  channels of a pixel
template <class P>
void pack_lines(const typename P::Stored* from, std::size_t lines, std::size_t pixels, std::size_t c, std::size_t first,
                std::size_t last, typename P::Element* to) {
  const std::size_t steps = (pixels + P::together - 1) / P::together;
  for (std::size_t k = first; k < last; k += P::cols)
    for (std::size_t line = 0; line < lines; ++line, to += steps * P::cols)
      pack_panels<P, P::cols>(from + line * pixels * c + k, false, c, min(P::cols, last - k), pixels, to);
}

/// A piece of the sums of one row of a filter: out = sum over steps p of origin[from[p] + row] dy[p][k] + add out, for
/// rows < span and k < channels.
/// @param dy  see pack_lines
/// @param stride  between rows of out
template <class P>
void sum_pixels(std::size_t span, std::size_t depth, const typename P::Element* origin, const std::size_t* from,
                const typename P::Element* dy, std::size_t channels, Accum<typename P::Stored> add, std::size_t stride,
                Accum<typename P::Stored>* out) {
  using A = Accum<typename P::Stored>;
  for (std::size_t row = 0; row < span; row += P::rows) {
    // A tile ends with the last row, if there are enough: the rows before are summed again, but not stored.
    const std::size_t begin = span < P::rows ? 0 : min(row, span - P::rows), end = min(begin + P::rows, span);
    const typename P::Element* const source = origin + begin;
    for (std::size_t k = 0; k < channels; k += P::cols)
      P::with_tile(
          min(P::cols, channels - k), [&](auto& tile) __attribute__((always_inline)) {
            if (add != A(0))
              for (std::size_t r = row; r < end; ++r)
                prefetch_written(out + r * stride + k, min(P::cols, channels - k));
            tile.multiply(
                depth, [&](int i, std::size_t p) { return source[from[p] + static_cast<std::size_t>(i)]; },
                dy + k * depth, P::cols);
            for (std::size_t r = row; r < end; ++r)
              tile.store_row(static_cast<int>(r - begin), min(P::cols, channels - k), A(1), add, out + r * stride + k);
          });
  }
}

/// The gradient of the filter is, for each row r of it, a product over all pixels of the (s, c) that are contiguous in
/// the padded image with the channels of dy. Images are dealt to a fixed number of partial sums, added in order.
/// @param m  forward_mapping
template <class P, class B>
void run_filter_gradient(B& b, Threads& threads, const Mapping& m, std::size_t step, std::size_t n,
                         const ConvolutionSource<typename P::Stored>& x, const typename P::Stored* dy, double beta,
                         const View<Accum<typename P::Stored>, 4, typename B::Memory>& dfilter) {
  using T = typename P::Stored;
  using A = Accum<T>;
  using Element = typename P::Element;
  const std::size_t rows = dfilter.extent(1), span = dfilter.extent(2) * m.c;
  constexpr std::size_t piece = 256;  // steps that are summed in registers, or a line
  const std::size_t pixels = m.rows * m.cols, group = images_together(n, pixels, piece);
  const std::size_t steps = (m.cols + P::together - 1) / P::together;  // of the sum, along a line
  const std::size_t groups = group == 0 ? 0 : (n + group - 1) / group;
  // Partial sums: some, each of so many pixels that adding them up takes little; of ResNet-18's largest 3x3 filter that
  // is convolved so, of 4.5 MiB, four.
  constexpr std::size_t most_partials = 16, partial_bytes = std::size_t{20} << 20, partial_pixels = 512;
  const std::size_t partials = max<std::size_t>(
      1,
      min(min(groups, n * pixels / partial_pixels), min(most_partials, partial_bytes / (dfilter.size() * sizeof(A)))));
  const auto memory = b.template allocate<A>(partials * dfilter.size());  // [partials, R, S C, K]
  A* const partial = memory.get();
  if (groups == 0) std::memset(partial, 0, dfilter.size() * sizeof(A));

  const std::size_t lines = max<std::size_t>(1, piece / max<std::size_t>(1, steps));
  // Where partial sums are few, threads share them by output channels, each padding the images for itself.
  const std::size_t panels = (m.k + P::cols - 1) / P::cols;
  const std::size_t splits = max<std::size_t>(1, min(panels, 4 * static_cast<std::size_t>(threads.count()) / partials));
  threads.parallel(groups == 0 ? 0 : partials * splits, 1, [&](std::size_t item) {
    const std::size_t part = item / splits, split = item % splits;
    const std::size_t first_k = panels * split / splits * P::cols;
    const std::size_t last_k = min(m.k, panels * (split + 1) / splits * P::cols);
    A* const sum = partial + part * dfilter.size();
    const std::size_t padded_bytes = scratch_size<Element>(group * m.padded_size() + P::rows);
    const std::size_t table_bytes = scratch_size<std::size_t>(group * m.rows * steps);
    const std::size_t gradient_bytes = scratch_size<Element>((last_k - first_k + P::cols) * lines * steps);
    std::byte* const scratch = thread_scratch(padded_bytes + table_bytes + gradient_bytes + scratch_size<T>(m.w * m.c));
    auto* const copy = reinterpret_cast<Element*>(scratch);
    auto* const from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    auto* const gradient = reinterpret_cast<Element*>(scratch + padded_bytes + table_bytes);
    auto* const buffer = reinterpret_cast<T*>(scratch + padded_bytes + table_bytes + gradient_bytes);
    std::memset(copy + group * m.padded_size(), 0, P::rows * sizeof(Element));  // read by tiles past the last element
    for (std::size_t i = 0, k = 0; i < group; ++i)
      for (std::size_t p = 0; p < m.rows; ++p)
        for (std::size_t q = 0; q < steps; ++q, ++k)
          from[k] = i * m.padded_size() + (p * step * m.padded_w + q * P::together * step) * m.c;
    const std::size_t first_group = groups * part / partials;
    for (std::size_t g = first_group; g < groups * (part + 1) / partials; ++g) {
      const std::size_t first = g * group, images = min(group, n - first);
      const Element* padded = nullptr;
      if constexpr (std::is_same_v<T, Element>)  // there is no border, nor anything read past the last element
        if (m.padded_size() == m.h * m.w * m.c && span >= P::rows && x.norm == nullptr)
          padded = x.data + first * m.padded_size();
      if (padded == nullptr) {
        for (std::size_t i = 0; i < images; ++i)
          pad_image(m, copy + i * m.padded_size(), [&](std::size_t line, Element* row) {
            P::copy_pixels(x.line(((first + i) * m.h + line) * m.w, m.w, m.c, buffer), m.w, m.left, step, m.c, row);
          });
        padded = copy;
      }
      for (std::size_t line = 0; line < images * m.rows; line += lines) {
        const std::size_t count = min(lines, images * m.rows - line), depth = count * steps;
        pack_lines<P>(dy + (first * m.rows + line) * m.cols * m.k, count, m.cols, m.k, first_k, last_k, gradient);
        const A add = g == first_group && line == 0 ? A(0) : A(1);
        for (std::size_t r = 0; r < rows; ++r)
          sum_pixels<P>(span, depth, padded + r * m.padded_w * m.c, from + line * steps, gradient, last_k - first_k,
                        add, m.k, sum + r * span * m.k + first_k);
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

}  // namespace lotar::detail
