#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>

/// Direct convolution: images are copied once into a padded scratch, where the elements that meet one row of a filter
/// are contiguous, and tiles of pixels by output channels are summed in registers. Nothing is unfolded in memory.
///
/// P is SingleProducts or PairProducts.
namespace lotar::detail {

/// Copies an image into the middle of a padded one whose border is zeros.
/// @param copy  (line of the image, to): copies its elements
template <class Element, class F>
void pad_image(const Mapping& m, Element* padded, const F& copy) {
  const std::size_t line = m.padded_w * m.c, before = m.left * m.c, after = line - before - m.w * m.c;
  std::memset(padded, 0, m.top * line * sizeof(Element));
  padded += m.top * line;
  for (std::size_t r = 0; r < m.h; ++r, padded += line) {
    std::memset(padded, 0, before * sizeof(Element));
    copy(r, padded + before);
    std::memset(padded + line - after, 0, after * sizeof(Element));
  }
  std::memset(padded, 0, (m.padded_h - m.top - m.h) * line * sizeof(Element));
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
          P::with_tile(
              cols, [&](auto& tile) __attribute__((always_inline)) {
                const Element* b = filter;
                for (const Run& run : phase.runs) {
                  const Element* row[P::rows];
                  for (int i = 0; i < P::rows; ++i)
                    row[i] =
                        padded + static_cast<std::ptrdiff_t>(from[pixel + static_cast<std::size_t>(i)]) + run.offset;
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

}  // namespace lotar::detail
