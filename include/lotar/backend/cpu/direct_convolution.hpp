#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>
#include <vector>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/result_moments.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>

/// Direct convolution: images that want a border are copied once into a padded scratch, where the elements that meet
/// one row of a filter are contiguous, and tiles of pixels by output channels are summed in registers. Nothing is
/// unfolded in memory.
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

/// Where an output pixel of a group of images lies, and the source pixel that the offsets of its taps count from.
struct Place {
  std::size_t from, to;
};

/// The places of the pixels of `group` images: [phases][images][pixels].
inline std::vector<Place> places(const Mapping& m, std::size_t group) {
  std::vector<Place> places;
  for (const Phase& phase : m.phases)
    for (std::size_t i = 0; i < group; ++i)
      for (std::size_t r = 0; r < phase.rows; ++r)
        for (std::size_t q = 0; q < phase.cols; ++q)
          places.push_back(
              {i * m.padded_size() + (r * m.in_step * m.padded_w + q * m.in_step) * m.c,
               ((i * m.rows + phase.out_row + r * m.out_step) * m.cols + phase.out_col + q * m.out_step) * m.k});
  return places;
}

/// Some pixels of one phase: out = conv(padded, packed) + beta out.
template <class P>
[[gnu::always_inline]] inline void convolve_pixels(const Mapping& m, const Phase& phase, const Place* place,
                                                   std::size_t pixels, const typename P::Element* padded,
                                                   const typename P::Element* packed, double beta,
                                                   typename P::Stored* out) {
  using Element = typename P::Element;
  using A = Accum<typename P::Stored>;
  if (phase.runs.empty()) {  // a sum of nothing
    if (beta != 1)
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) scale(m.k, static_cast<A>(beta), out + place[pixel].to);
    return;
  }
  for (std::size_t channel = 0; channel < m.k; channel += P::cols) {
    const Element* filter = packed + (channel / P::cols * m.taps() + phase.first_tap) * m.c * P::cols;
    const std::size_t cols = min(P::cols, m.k - channel);
    for (std::size_t pixel = 0; pixel < pixels; pixel += P::rows)
      P::with_tile(
          cols, [&](auto& tile) __attribute__((always_inline)) {
            const int valid = static_cast<int>(min<std::size_t>(P::rows, pixels - pixel));
            const Element *b = filter, *source[P::rows];
            for (int i = 0; i < P::rows; ++i)
              source[i] = padded + place[pixel + static_cast<std::size_t>(min(i, valid - 1))].from;
            for (const Run& run : phase.runs) {
              const Element* row[P::rows];
              for (int i = 0; i < P::rows; ++i) row[i] = source[i] + run.offset;
              tile.multiply(
                  run.length, [&](int i, std::size_t k) { return row[i][k]; }, b, P::cols);
              b += run.length * P::cols;
            }
            for (int i = 0; i < valid; ++i)
              tile.store_row(i, cols, A(1), static_cast<A>(beta),
                             out + place[pixel + static_cast<std::size_t>(i)].to + channel);
          });
  }
}

/// The convolution that `m` describes, its channels counted in elements: out = conv(source, packed) + beta out, and its
/// moments if wanted.
/// @param packed  for each panel of output channels, each tap in the phases' order, each source channel: one row of
///                P::cols elements, zeros past the last channel
template <class P>
void run_convolution(Threads& threads, const Mapping& m, std::size_t n,
                     const ConvolutionSource<typename P::Stored>& source, const typename P::Element* packed,
                     double beta, typename P::Stored* out, const ResultMoments<typename P::Stored>& moments) {
  using Element = typename P::Element;
  std::size_t most = 0;
  for (const Phase& phase : m.phases) most = max(most, phase.rows * phase.cols);
  constexpr std::size_t enough = 192;  // pixels that fill tiles
  const std::size_t group = images_together(n, most, enough), line = m.w * m.c;
  const std::vector<Place> all = places(m, group);
  threads.parallel((n + group - 1) / group, 1, [&](std::size_t g) {
    const std::size_t first = g * group, images = min(group, n - first);
    const std::size_t pixel = first * m.h * m.w;
    const Element* padded = nullptr;
    if constexpr (std::is_same_v<Element, typename P::Stored>)
      if (m.padded_size() == m.h * line && source.norm == nullptr) padded = source.data + pixel * m.c;
    if (padded == nullptr) {
      const std::size_t copy_bytes = scratch_size<Element>(images * m.padded_size());
      std::byte* const scratch = thread_scratch(copy_bytes + scratch_size<Element>(line));
      auto* const copy = reinterpret_cast<Element*>(scratch);
      auto* const buffer = reinterpret_cast<typename P::Stored*>(scratch + copy_bytes);
      for (std::size_t i = 0; i < images; ++i)
        pad_image(m, copy + i * m.padded_size(), [&](std::size_t r, Element* row) {
          P::copy(source.line(pixel + (i * m.h + r) * m.w, m.w, m.c * P::together, buffer), line, row);
        });
      padded = copy;
    }
    const Place* place = all.data();
    for (const Phase& phase : m.phases) {
      const std::size_t pixels = phase.rows * phase.cols;
      convolve_pixels<P>(m, phase, place, images * pixels, padded, packed, beta, out + first * m.rows * m.cols * m.k);
      place += group * pixels;
    }
    moments.finish(first * m.rows * m.cols, (first + images) * m.rows * m.cols);
  });
}

/// Packs a filter and runs the convolution.
/// @param value  (k, tap, c): the filter's element for output channel k and source channel c
template <class P, class B, class F>
void convolve(B& b, Threads& threads, const Mapping& m, std::size_t n,
              const ConvolutionSource<typename P::Stored>& source, const F& value, double beta, typename P::Stored* out,
              const ResultMoments<typename P::Stored>& moments = {}) {
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
  run_convolution<P>(threads, m, n, source, packed.get(), beta, out, moments);
}

}  // namespace lotar::detail
