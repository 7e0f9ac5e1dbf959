#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/backend/cpu/winograd.hpp>
#include <lotar/backend/cpu/winograd_gradient.hpp>
#include <lotar/core/backend.hpp>

/// Direct convolution: images are copied once into a padded scratch, where the elements that meet one row of a filter
/// are contiguous, and tiles of pixels by output channels are summed in registers. Nothing is unfolded in memory. T is
/// how arrays are stored; the scratch, the packed filter and all sums are Accum<T>.
namespace lotar::detail {

/// A run of elements, contiguous in the padded image and in the packed filter, that every output pixel sums over.
struct Run {
  std::ptrdiff_t offset;  ///< from the pixel's own place in the padded image
  std::size_t length;
};

/// One filter position (r, s).
struct Tap {
  std::ptrdiff_t offset;  ///< of its channels, from the pixel's place in the padded image
  std::size_t r, s;
};

/// Output pixels that sum over the same taps: all of them going forward; going backward over a stride, those whose
/// coordinates leave the same remainder.
struct Phase {
  std::size_t rows, cols;        ///< pixels
  std::size_t out_row, out_col;  ///< the first pixel's place
  std::vector<Tap> taps;         ///< by rising offset
  std::vector<Run> runs;         ///< the taps, neighbours joined
  std::size_t first_tap = 0;     ///< how many taps earlier phases have
};

/// How a convolution, forward or backward, maps a source image [h, w, c] to an output image [rows, cols, k].
struct Mapping {
  std::size_t h, w, c;                        ///< source
  std::size_t top, left, padded_h, padded_w;  ///< its place in the padded image
  std::size_t in_step;                        ///< between neighbouring output pixels, in the padded image
  std::size_t rows, cols, k, out_step;        ///< output; between neighbours of one phase
  std::vector<Phase> phases;

  std::size_t padded_size() const { return padded_h * padded_w * c; }
  std::size_t taps() const { return phases.back().first_tap + phases.back().taps.size(); }

  /// Appends a phase, its taps sorted and joined.
  void add_phase(Phase phase) {
    for (std::size_t i = 1; i < phase.taps.size(); ++i)
      for (std::size_t j = i; j > 0 && phase.taps[j].offset < phase.taps[j - 1].offset; --j)
        std::swap(phase.taps[j], phase.taps[j - 1]);
    for (const Tap& tap : phase.taps)
      if (!phase.runs.empty() &&
          phase.runs.back().offset + static_cast<std::ptrdiff_t>(phase.runs.back().length) == tap.offset)
        phase.runs.back().length += c;
      else
        phase.runs.push_back({tap.offset, c});
    phase.first_tap = phases.empty() ? 0 : taps();
    phases.push_back(std::move(phase));
  }
};

inline Mapping forward_mapping(const Extents<4>& x, const Extents<4>& filter, Conv2d conv) {
  Mapping m{x[1],
            x[2],
            x[3],
            conv.padding,
            conv.padding,
            x[1] + 2 * conv.padding,
            x[2] + 2 * conv.padding,
            conv.stride,
            conv.output(x[1], filter[1]),
            conv.output(x[2], filter[2]),
            filter[0],
            1,
            {}};
  Phase all{m.rows, m.cols, 0, 0, {}, {}};
  for (std::size_t r = 0; r < filter[1]; ++r)
    for (std::size_t s = 0; s < filter[2]; ++s)
      all.taps.push_back({static_cast<std::ptrdiff_t>((r * m.padded_w + s) * m.c), r, s});
  m.add_phase(std::move(all));
  return m;
}

/// dx(h) sums dy(p) over the r with h + padding - r = stride * p; the rows h = phase + stride * i share these r.
inline Mapping backward_mapping(const Extents<4>& x, const Extents<4>& filter, const Extents<4>& y, Conv2d conv) {
  const auto stride = static_cast<std::ptrdiff_t>(conv.stride), padding = static_cast<std::ptrdiff_t>(conv.padding);
  const auto before = [&](std::size_t kernel) {  // how far p goes below 0
    const std::ptrdiff_t reach = static_cast<std::ptrdiff_t>(kernel) - 1 - padding;
    return static_cast<std::size_t>(reach > 0 ? reach / stride : 0);
  };
  const auto after = [&](std::size_t input, std::size_t output) {  // and beyond the last
    const std::size_t last = (input - 1 + conv.padding) / conv.stride;
    return last + 1 > output ? last + 1 - output : 0;
  };
  Mapping m{y[1], y[2], y[3], before(filter[1]), before(filter[2]), 0, 0, 1, x[1], x[2], x[3], conv.stride, {}};
  m.padded_h = m.top + m.h + after(x[1], y[1]);
  m.padded_w = m.left + m.w + after(x[2], y[2]);
  for (std::size_t row = 0; row < min(conv.stride, x[1]); ++row)
    for (std::size_t col = 0; col < min(conv.stride, x[2]); ++col) {
      Phase phase{
          (x[1] - row + conv.stride - 1) / conv.stride, (x[2] - col + conv.stride - 1) / conv.stride, row, col, {}, {}};
      for (std::size_t r = 0; r < filter[1]; ++r)
        for (std::size_t s = 0; s < filter[2]; ++s) {
          const std::ptrdiff_t p = static_cast<std::ptrdiff_t>(row) + padding - static_cast<std::ptrdiff_t>(r);
          const std::ptrdiff_t q = static_cast<std::ptrdiff_t>(col) + padding - static_cast<std::ptrdiff_t>(s);
          if (p % stride != 0 || q % stride != 0) continue;
          const std::ptrdiff_t place_row = p / stride + static_cast<std::ptrdiff_t>(m.top);
          const std::ptrdiff_t place_col = q / stride + static_cast<std::ptrdiff_t>(m.left);
          phase.taps.push_back(
              {(place_row * static_cast<std::ptrdiff_t>(m.padded_w) + place_col) * static_cast<std::ptrdiff_t>(m.c), r,
               s});
        }
      m.add_phase(std::move(phase));
    }
  return m;
}

template <class T>
void copy_values(const T* from, std::size_t n, Accum<T>* to) {
  if constexpr (std::is_same_v<T, Accum<T>>)
    std::memcpy(to, from, n * sizeof(T));
  else
    for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<Accum<T>>(from[i]);
}

/// Copies an image [h, w, c] into the middle of a padded one whose border is zeros.
template <class T>
void copy_padded(const Mapping& m, const T* image, Accum<T>* padded) {
  std::memset(padded, 0, m.padded_size() * sizeof(Accum<T>));
  for (std::size_t r = 0; r < m.h; ++r)
    copy_values(image + r * m.w * m.c, m.w * m.c, padded + ((m.top + r) * m.padded_w + m.left) * m.c);
}

/// Images that are worked on together, so that small ones fill their tiles.
inline std::size_t images_together(std::size_t n, std::size_t pixels) {
  constexpr std::size_t enough = 192;  // pixels
  return min(n, max<std::size_t>(1, enough / max<std::size_t>(1, pixels)));
}

/// The convolution that `m` describes: out = conv(source, packed) + beta out.
/// @param packed  for each panel of output channels, each tap in the phases' order, each source channel: one row of
///                tile_cols<A> values, zeros past the last channel
template <class T, std::size_t Bytes = simd_bytes>
void run_convolution(Threads& threads, const Mapping& m, std::size_t n, const T* source, const Accum<T>* packed,
                     double beta, T* out) {
  using A = Accum<T>;
  const std::size_t group = images_together(n, m.rows * m.cols);
  const std::size_t panels = (m.k + tile_cols<A> - 1) / tile_cols<A>;
  std::size_t most = 0;
  for (const Phase& p : m.phases) most = max(most, p.rows * p.cols);
  threads.parallel((n + group - 1) / group, 1, [&](std::size_t g) {
    const std::size_t first = g * group, images = min(group, n - first);
    const std::size_t padded_bytes = scratch_size<A>(group * m.padded_size());
    const std::size_t table_bytes = scratch_size<std::size_t>(group * most + tile_rows);
    std::byte* scratch = thread_scratch(padded_bytes + 2 * table_bytes);
    A* padded = reinterpret_cast<A*>(scratch);
    auto* from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    auto* to = reinterpret_cast<std::size_t*>(scratch + padded_bytes + table_bytes);
    for (std::size_t i = 0; i < images; ++i)
      copy_padded(m, source + (first + i) * m.h * m.w * m.c, padded + i * m.padded_size());
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
      for (std::size_t extra = 0; extra < tile_rows; ++extra) from[pixels + extra] = from[pixels - 1];
      for (std::size_t panel = 0; panel < panels; ++panel) {
        const A* filter = packed + (panel * m.taps() + phase.first_tap) * m.c * tile_cols<A>;
        const std::size_t channel = panel * tile_cols<A>, cols = min(tile_cols<A>, m.k - channel);
        for (std::size_t pixel = 0; pixel < pixels; pixel += tile_rows)
          with_tile<A>(cols, [&](auto& tile) {
            const A* b = filter;
            for (const Run& run : phase.runs) {
              const A* row[tile_rows];
              for (int i = 0; i < tile_rows; ++i)
                row[i] = padded + static_cast<std::ptrdiff_t>(from[pixel + static_cast<std::size_t>(i)]) + run.offset;
              tile.multiply(
                  run.length, [&](int i, std::size_t k) { return row[i][k]; }, b, tile_cols<A>);
              b += run.length * tile_cols<A>;
            }
            const int valid = static_cast<int>(min<std::size_t>(tile_rows, pixels - pixel));
            for (int i = 0; i < valid; ++i)
              tile.store_row(i, cols, A(1), static_cast<A>(beta),
                             out + to[pixel + static_cast<std::size_t>(i)] + channel);
          });
      }
    }
  });
}

/// Packs a filter for run_convolution. value(k, tap, c) is its element for output channel k and source channel c.
template <class A, class F, std::size_t Bytes = simd_bytes>
void pack_filter(Threads& threads, const Mapping& m, const F& value, A* packed) {
  const std::size_t panels = (m.k + tile_cols<A> - 1) / tile_cols<A>, taps = m.taps();
  std::vector<Tap> order;
  for (const Phase& phase : m.phases) order.insert(order.end(), phase.taps.begin(), phase.taps.end());
  threads.parallel(panels * taps, 1, [&](std::size_t i) {
    const std::size_t first = i / taps * tile_cols<A>, n = min(tile_cols<A>, m.k - first);
    const Tap tap = order[i % taps];
    A* to = packed + i * m.c * tile_cols<A>;
    for (std::size_t c = 0; c < m.c; ++c, to += tile_cols<A>) {
      for (std::size_t j = 0; j < n; ++j) to[j] = static_cast<A>(value(first + j, tap, c));
      for (std::size_t j = n; j < tile_cols<A>; ++j) to[j] = A(0);
    }
  });
}

template <class T, std::size_t Bytes = simd_bytes>
std::size_t packed_size(const Mapping& m) {
  return (m.k + tile_cols<T> - 1) / tile_cols<T> * tile_cols<T> * m.taps() * m.c;
}

template <class T, class B>
void conv2d_forward(B& b, Threads& threads, bool allow_winograd, const In<T, 4, B>& x, const In<T, 4, B>& filter,
                    Conv2d conv, const Out<T, 4, B>& y) {
  check_shape("conv2d_forward", "y", conv2d_output(x.extents, filter.extents, conv), y.extents);
  if (y.size() == 0) return;
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_forward(x.extents, y.extents, conv.padding);
    if (allow_winograd && winograd_takes(filter.extents, conv) && winograd_wins(s)) {
      const std::size_t c = x.extent(3);
      winograd(b, threads, s, x.data, WinogradFilter<T>{filter.data, 9 * c, c, 1, false}, 0, y.data);
      return;
    }
  }
  const Mapping m = forward_mapping(x.extents, filter.extents, conv);
  const auto packed = b.template allocate<Accum<T>>(packed_size<Accum<T>>(m));
  pack_filter(
      threads, m, [&](std::size_t k, const Tap& t, std::size_t c) { return filter(k, t.r, t.s, c); }, packed.get());
  run_convolution(threads, m, x.extent(0), x.data, packed.get(), 0, y.data);
}

template <class T, class B>
void conv2d_backward_data(B& b, Threads& threads, bool allow_winograd, const In<T, 4, B>& dy, const In<T, 4, B>& filter,
                          Conv2d conv, double beta, const Out<T, 4, B>& dx) {
  check_shape("conv2d_backward_data", "dy", conv2d_output(dx.extents, filter.extents, conv), dy.extents);
  if (dx.size() == 0) return;
  if constexpr (std::is_same_v<Accum<T>, float>) {
    const WinogradShape s = winograd_backward(dx.extents, dy.extents, conv.padding);
    if (allow_winograd && winograd_takes(filter.extents, conv) && winograd_wins(s)) {
      const std::size_t c = dx.extent(3);
      winograd(b, threads, s, dy.data, WinogradFilter<T>{filter.data, 1, c, 9 * c, true}, beta, dx.data);
      return;
    }
  }
  const Mapping m = backward_mapping(dx.extents, filter.extents, dy.extents, conv);
  const auto packed = b.template allocate<Accum<T>>(packed_size<Accum<T>>(m));
  pack_filter(
      threads, m, [&](std::size_t k, const Tap& t, std::size_t c) { return filter(c, t.r, t.s, k); }, packed.get());
  run_convolution(threads, m, dy.extent(0), dy.data, packed.get(), beta, dx.data);
}

/// The gradient of the filter is, for each row r of it, a product over all pixels of the (s, c) that are contiguous in
/// the padded image with the channels of dy. Images are dealt to a fixed number of partial sums, added in order.
template <class T, class B>
void conv2d_backward_filter(B& b, Threads& threads, bool allow_winograd, const In<T, 4, B>& x, const In<T, 4, B>& dy,
                            Conv2d conv, double beta, const Out<Accum<T>, 4, B>& dfilter) {
  using A = Accum<T>;
  check_shape("conv2d_backward_filter", "dy", conv2d_output(x.extents, dfilter.extents, conv), dy.extents);
  if constexpr (std::is_same_v<A, float>) {
    const WinogradShape s = winograd_forward(x.extents, dy.extents, conv.padding);
    if (allow_winograd && winograd_takes(dfilter.extents, conv) && winograd_wins(s)) {
      winograd_gradient(b, threads, s, x.data, dy.data, beta, dfilter.data);
      return;
    }
  }
  const Mapping m = forward_mapping(x.extents, dfilter.extents, conv);
  const std::size_t n = x.extent(0), rows = dfilter.extent(1), span = dfilter.extent(2) * m.c;
  const std::size_t pixels = m.rows * m.cols, group = images_together(n, pixels);
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
    const std::size_t padded_bytes = scratch_size<A>(group * m.padded_size() + tile_rows);
    const std::size_t table_bytes = scratch_size<std::size_t>(group * pixels);
    std::byte* scratch = thread_scratch(padded_bytes + table_bytes + scratch_size<A>(group * pixels * tile_cols<A>));
    A* padded = reinterpret_cast<A*>(scratch);
    auto* from = reinterpret_cast<std::size_t*>(scratch + padded_bytes);
    A* tail = reinterpret_cast<A*>(scratch + padded_bytes + table_bytes);
    std::memset(padded + group * m.padded_size(), 0, tile_rows * sizeof(A));  // read by tiles past the last element
    for (std::size_t i = 0, pixel = 0; i < group; ++i)
      for (std::size_t p = 0; p < m.rows; ++p)
        for (std::size_t q = 0; q < m.cols; ++q, ++pixel)
          from[pixel] = i * m.padded_size() + ((p * conv.stride + r) * m.padded_w + q * conv.stride) * m.c;
    for (std::size_t g = groups * part / partials; g < groups * (part + 1) / partials; ++g) {
      const std::size_t first = g * group, images = min(group, n - first), depth = images * pixels;
      for (std::size_t i = 0; i < images; ++i)
        copy_padded(m, x.data + (first + i) * m.h * m.w * m.c, padded + i * m.padded_size());
      for (std::size_t k = 0; k < m.k; k += tile_cols<A>) {
        const std::size_t cols = min(tile_cols<A>, m.k - k), width = static_cast<std::size_t>(Simd<A>::width);
        const T* from_dy = dy.data + first * pixels * m.k + k;
        const A* gradient = tail;
        std::size_t stride = tile_cols<A>;
        const auto copy = [&] {
          std::memset(tail, 0, depth * tile_cols<A> * sizeof(A));
          for (std::size_t p = 0; p < depth; ++p) copy_values(from_dy + p * m.k, cols, tail + p * tile_cols<A>);
        };
        if constexpr (!std::is_same_v<T, A>) {
          copy();
        } else if (cols != tile_cols<A> && cols != width) {  // columns past the last one: pad
          copy();
        } else {
          gradient = from_dy;
          stride = m.k;
        }
        for (std::size_t row = 0; row < span; row += tile_rows)
          with_tile<A>(cols, [&](auto& tile) {
            const A* origin = padded + row;
            tile.multiply(
                depth, [&](int i, std::size_t p) { return origin[from[p] + static_cast<std::size_t>(i)]; }, gradient,
                stride);
            const int valid = static_cast<int>(min<std::size_t>(tile_rows, span - row));
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

}  // namespace lotar::detail
