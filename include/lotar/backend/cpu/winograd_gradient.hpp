#pragma once

#include <cstddef>
#include <cstring>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/backend/cpu/winograd.hpp>
#include <lotar/backend/cpu/winograd_transform.hpp>
#include <lotar/core/backend.hpp>

/// The gradient of a 3x3 filter by F(4x4, 3x3): dg = G' [sum over tiles (A dy A') . (B' d B)] G.
namespace lotar::detail {

/// A dy A' of tile `tile`, to row `row` of m.
/// @param zeros  k of them: what lies outside of the images
template <class T, std::size_t Bytes = simd_bytes>
void winograd_output_gradient(const WinogradShape& s, const T* dy, const T* zeros, std::size_t tile,
                              const WinogradPlanes& m, std::size_t row) {
  using Vector = typename Simd<float, Bytes>::type;
  const T* pixel[winograd_outputs][winograd_outputs];
  const WinogradPlace at(s, tile);
  for (std::size_t i = 0; i < winograd_outputs; ++i)
    for (std::size_t j = 0; j < winograd_outputs; ++j)
      pixel[i][j] = at.row + i < s.rows && at.col + j < s.cols
                        ? dy + ((at.image * s.rows + at.row + i) * s.cols + at.col + j) * s.k
                        : zeros;
  for_each_vector(
      s.k, [&](std::size_t k, std::size_t n, auto all) __attribute__((always_inline)) {
        float* const to = m.at(0, k, row);
        const std::size_t stride = m.stride();
        winograd_transform<typename WinogradMatrices<Bytes>::OutputGradient>(
            [&](int i, int j, Vector& y) __attribute__((always_inline)) { load_channels<all>(pixel[i][j] + k, n, y); },
            [&](int i, int j, const Vector& value) __attribute__((always_inline)) {
              std::memcpy(to + static_cast<std::size_t>(i * winograd_inputs + j) * stride, &value, sizeof(Vector));
            });
      });
}

/// Block `block` of source channels of one product, summed over rows [row, row + rows): du = v' m, or du += v' m.
template <std::size_t Bytes = simd_bytes>
void winograd_sum(const WinogradPlanes& v, const WinogradPlanes& m, std::size_t row, std::size_t rows,
                  std::size_t product, std::size_t block, bool add, const WinogradPlanes& du) {
  constexpr std::size_t width = tile_cols<float>;
  const std::size_t first = block * v.step, last = min(first + v.step, v.channels), stride = v.step;
  for (std::size_t k = 0; k < m.channels; k += width)
    for (std::size_t c = first; c < last; c += tile_rows)
      with_tile<float>(
          min(width, m.channels - k), [&](auto& tile) __attribute__((always_inline)) {
            const float* const a = v.at(product, c, row);
            tile.multiply(
                rows, [&](int i, std::size_t r) { return a[r * stride + static_cast<std::size_t>(i)]; },
                m.at(product, k, row), m.step);
            if (add)
              tile.add_to(du.at(product, k, c), width);
            else
              tile.store(du.at(product, k, c), width);
          });
}

/// G' du G of source channels [c, c + count) and a panel of output channels, count <= 16:
/// dfilter [K, 3, 3, C] = that + beta dfilter.
template <std::size_t Bytes = simd_bytes>
void winograd_filter_gradient(const WinogradShape& s, const WinogradPlanes& du, std::size_t k, std::size_t c,
                              std::size_t count, float beta, float* dfilter) {
  using Vector = typename Simd<float, Bytes>::type;
  constexpr std::size_t width = tile_cols<float>, most = 16;
  float g[9][most][width];
  const std::size_t cols = min(width, s.k - k), stride = du.stride();
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < cols; j += Simd<float, Bytes>::width) {
      const float* const from = du.at(0, k + j, c + i);
      winograd_transform<typename WinogradMatrices<Bytes>::FilterGradient>(
          [&](int p, int q, Vector& u) __attribute__((always_inline)) {
            std::memcpy(&u, from + static_cast<std::size_t>(p * winograd_inputs + q) * stride, sizeof(Vector));
          },
          [&](int r, int q, const Vector& tap)
              __attribute__((always_inline)) { std::memcpy(g[r * 3 + q][i] + j, &tap, sizeof(Vector)); });
    }
  for (std::size_t j = 0; j < cols; ++j)
    for (std::size_t tap = 0; tap < 9; ++tap) {
      float* const out = dfilter + ((k + j) * 9 + tap) * s.c + c;
      if (beta == 0)
        for (std::size_t i = 0; i < count; ++i) out[i] = g[tap][i][j];
      else
        for (std::size_t i = 0; i < count; ++i) out[i] = g[tap][i][j] + beta * out[i];
    }
}

/// dfilter = the gradient of the filter of the forward convolution that `s` describes + beta dfilter. Tiles are
/// transformed, then summed product by product in pieces, whose sums are added in order.
/// @cost  72 C K flops a tile of 4x4 pixels, of 288; scratch: four times the filter, and the pieces at work
template <class T, class B, std::size_t Bytes = simd_bytes>
void winograd_gradient(B& b, Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& x, const T* dy,
                       double beta, float* dfilter) {
  constexpr std::size_t width = tile_cols<float>, vector = Simd<float, Bytes>::width;
  constexpr std::size_t piece = 128;     // tiles; sets the order of the sums
  constexpr std::size_t most_step = 48;  // channels: a multiple of every tile_rows and of every vector's width
  // More pieces at a time for more threads, to pay for the start of loops. This changes no bit.
  const std::size_t together =
      min(max<std::size_t>(1, static_cast<std::size_t>(threads.count()) / 4), max<std::size_t>(1, 1024 / (s.c + s.k)));
  const std::size_t tiles = s.tiles(), most_rows = min(tiles, together * piece), most = max(s.c, s.k);
  WinogradPlanes v{nullptr, most_rows, s.c, min(most_step, rounded_up(s.c, vector))};
  WinogradPlanes m{nullptr, most_rows, s.k, min(width, rounded_up(s.k, vector))};
  WinogradPlanes du{nullptr, rounded_up(s.c, tile_rows), s.k, width};
  const auto memory = b.template allocate<float>(v.size() + m.size() + du.size() + most);
  v.data = memory.get();
  m.data = v.data + v.size();
  du.data = m.data + m.size();
  T* const zeros = reinterpret_cast<T*>(du.data + du.size());
  std::memset(zeros, 0, most * sizeof(T));

  const std::size_t blocks = (s.c + v.step - 1) / v.step;
  for (std::size_t first = 0; first < tiles; first += most_rows) {
    v.rows = m.rows = min(most_rows, tiles - first);
    threads.parallel(v.rows, 4, [&](std::size_t row) {
      winograd_input(s, x, zeros, first + row, 1, v, row);
      winograd_output_gradient(s, dy, zeros, first + row, m, row);
    });
    threads.parallel(winograd_products * blocks, 1, [&](std::size_t item) {
      for (std::size_t row = 0; row < v.rows; row += piece)
        winograd_sum(v, m, row, min(piece, v.rows - row), item / blocks, item % blocks, first + row > 0, du);
    });
  }
  constexpr std::size_t strip = 16;  // source channels
  const std::size_t strips = (s.c + strip - 1) / strip, panels = (s.k + width - 1) / width;
  threads.parallel(panels * strips, 1, [&](std::size_t item) {
    const std::size_t c = item % strips * strip;
    winograd_filter_gradient(s, du, item / strips * width, c, min(strip, s.c - c), static_cast<float>(beta), dfilter);
  });
}

}  // namespace lotar::detail
