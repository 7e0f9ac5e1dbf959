#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/direct_convolution.hpp>
#include <lotar/backend/cpu/mapping.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/core/backend.hpp>

namespace lotar::detail {

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
  constexpr std::size_t most_partials = 16, partial_bytes = std::size_t{16} << 20;
  const std::size_t partials =
      max<std::size_t>(1, min(groups, min(most_partials, partial_bytes / (dfilter.size() * sizeof(A)))));
  const auto memory = b.template allocate<A>(partials * dfilter.size());  // [partials, R, S C, K]
  A* const partial = memory.get();
  if (groups == 0) std::memset(partial, 0, dfilter.size() * sizeof(A));

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
    std::byte* scratch =
        thread_scratch(padded_bytes + table_bytes + scratch_size<Element>(group * m.rows * steps * P::cols));
    auto* padded = reinterpret_cast<Element*>(scratch);
    auto* from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    auto* tail = reinterpret_cast<Element*>(scratch + padded_bytes + table_bytes);
    std::memset(padded + group * m.padded_size(), 0, P::rows * sizeof(Element));  // read by tiles past the last element
    for (std::size_t i = 0, k = 0; i < group; ++i)
      for (std::size_t p = 0; p < m.rows; ++p)
        for (std::size_t q = 0; q < steps; ++q, ++k)
          from[k] = i * m.padded_size() + (p * step * m.padded_w + q * P::together * step) * m.c;
    for (std::size_t g = groups * part / partials; g < groups * (part + 1) / partials; ++g) {
      const std::size_t first = g * group, images = min(group, n - first), depth = images * m.rows * steps;
      for (std::size_t i = 0; i < images; ++i)
        pad_image(m, padded + i * m.padded_size(), [&](std::size_t line, Element* row) {
          P::copy_pixels(x + ((first + i) * m.h + line) * m.w * m.c, m.w, m.left, step, m.c, row);
        });
      for (std::size_t k = first_k; k < last_k; k += P::cols) {
        const std::size_t cols = min(P::cols, m.k - k);
        const T* from_dy = dy + first * pixels * m.k + k;
        const Element* gradient = tail;
        std::size_t stride = P::cols;
        if constexpr (std::is_same_v<T, Element>)  // in place, if no columns past the last one are read
          if (cols % Simd<A>::width == 0) gradient = from_dy, stride = m.k;
        if (gradient == tail) {
          if (cols < P::cols) std::memset(tail, 0, depth * P::cols * sizeof(Element));
          for (std::size_t at = 0, line = 0; line < images * m.rows; ++line)
            for (std::size_t q = 0; q < m.cols; q += P::together, ++at)
              P::copy_columns(from_dy + (line * m.cols + q) * m.k, min(P::together, m.cols - q), m.k, cols,
                              tail + at * P::cols);
        }
        const A add = g == groups * part / partials ? A(0) : A(1);
        for (std::size_t r = 0; r < rows; ++r)
          for (std::size_t row = 0; row < span; row += P::rows)
            P::with_tile(
                cols, [&](auto& tile) __attribute__((always_inline)) {
                  const Element* const origin = padded + r * m.padded_w * m.c + row;
                  tile.multiply(
                      depth, [&](int i, std::size_t p) { return origin[from[p] + static_cast<std::size_t>(i)]; },
                      gradient, stride);
                  const int valid = static_cast<int>(min<std::size_t>(P::rows, span - row));
                  for (int i = 0; i < valid; ++i)
                    tile.store_row(i, cols, A(1), add, sum + (r * span + row + static_cast<std::size_t>(i)) * m.k + k);
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

}  // namespace lotar::detail
