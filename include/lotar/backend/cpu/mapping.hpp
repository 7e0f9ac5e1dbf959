#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <lotar/core/backend.hpp>

/// How a convolution, forward or backward, reads its source: the same description for all kinds of products.
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

/// Images that are worked on together, so that small ones have `enough` pixels.
inline std::size_t images_together(std::size_t n, std::size_t pixels, std::size_t enough) {
  return min(n, max<std::size_t>(1, enough / max<std::size_t>(1, pixels)));
}

}  // namespace lotar::detail
