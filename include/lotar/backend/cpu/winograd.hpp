#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/prefetch.hpp>
#include <lotar/backend/cpu/result_moments.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/backend/cpu/winograd_transform.hpp>
#include <lotar/core/backend.hpp>

/// Convolutions of 3x3 filters and stride 1 by F(4x4, 3x3). The gradient of the input is the convolution of that of the
/// output with the filter turned by 180 degrees, so it is computed as one.
namespace lotar::detail {

/// What maps source images [n, h, w, c] to output images [n, rows, cols, k]: output pixel (p, q) reads source pixels
/// from (p - padding, q - padding) on.
struct WinogradShape {
  std::size_t n, h, w, c, rows, cols, k;
  std::ptrdiff_t padding;

  std::size_t down() const { return (rows + winograd_outputs - 1) / winograd_outputs; }
  std::size_t across() const { return (cols + winograd_outputs - 1) / winograd_outputs; }
  std::size_t tiles() const { return n * down() * across(); }
};

/// Of the forward convolution of x to y.
inline WinogradShape winograd_forward(const Extents<4>& x, const Extents<4>& y, std::size_t padding) {
  return {x[0], x[1], x[2], x[3], y[1], y[2], y[3], static_cast<std::ptrdiff_t>(padding)};
}
/// Of the backward one, of dy to dx.
inline WinogradShape winograd_backward(const Extents<4>& x, const Extents<4>& y, std::size_t padding) {
  return {y[0], y[1], y[2], y[3], x[1], x[2], x[3], 2 - static_cast<std::ptrdiff_t>(padding)};
}
/// Whether F(4x4, 3x3) computes a convolution.
inline bool winograd_takes(const Extents<4>& filter, Conv2d conv) {
  return filter[1] == 3 && filter[2] == 3 && conv.stride == 1;
}

/// The image and the first output pixel of a tile.
struct WinogradPlace {
  std::size_t image, row, col;

  WinogradPlace(const WinogradShape& s, std::size_t tile)
      : image(tile / (s.down() * s.across())),
        row(tile / s.across() % s.down() * winograd_outputs),
        col(tile % s.across() * winograd_outputs) {}
};

/// Where in the images that `s` reads a tile begins, for what is fetched ahead: padding is ignored. It never decreases
/// from tile to tile, and is the images' end for tile == s.tiles().
inline std::size_t winograd_source(const WinogradShape& s, std::size_t tile) {
  const WinogradPlace at(s, tile);
  return (at.image * s.h * s.w + min(at.row * s.w + min(at.col, s.w), s.h * s.w)) * s.c;
}
/// The same in the images that `s` writes.
inline std::size_t winograd_target(const WinogradShape& s, std::size_t tile) {
  const WinogradPlace at(s, tile);
  return ((at.image * s.rows + at.row) * s.cols + at.col) * s.k;
}

/// Values between the 36 planes, so that the same place of all does not fall into one set of a cache.
inline constexpr std::size_t winograd_skew = 16;

/// For each of the 36 products a matrix with a row a tile and a column a channel, cut in blocks of `step` columns,
/// which is a multiple of a vector's width: [36][blocks][rows][step].
struct WinogradPlanes {
  float* data;
  std::size_t rows, channels, step;

  std::size_t stride() const { return (channels + step - 1) / step * rows * step + winograd_skew; }
  std::size_t size() const { return winograd_products * stride(); }
  float* at(std::size_t product, std::size_t channel, std::size_t row) const {
    return data + product * stride() + (channel / step * rows + row) * step + channel % step;
  }
};

inline std::size_t rounded_up(std::size_t n, std::size_t step) { return (n + step - 1) / step * step; }

/// Channels of a block of the transformed source: a tile reads tile_rows rows of it in one stretch.
inline constexpr std::size_t winograd_step = 64;

/// B' d B of `count` tiles from tile `first` on, to the rows of v from `row` on.
/// @param zeros  c of them: what lies outside of the images
template <class T, std::size_t Bytes = simd_bytes>
void winograd_input(const WinogradShape& s, const ConvolutionSource<T>& source, const T* zeros, std::size_t first,
                    std::size_t count, const WinogradPlanes& v, std::size_t row) {
  using Vector = typename Simd<float, Bytes>::type;
  const T* pixel[winograd_products];
  for (std::size_t tile = 0; tile < count; ++tile) {
    const WinogradPlace at(s, first + tile);
    for (std::size_t i = 0; i < winograd_inputs; ++i)
      for (std::size_t j = 0; j < winograd_inputs; ++j) {
        const auto p = static_cast<std::ptrdiff_t>(at.row + i) - s.padding;
        const auto q = static_cast<std::ptrdiff_t>(at.col + j) - s.padding;
        const bool inside =
            p >= 0 && q >= 0 && p < static_cast<std::ptrdiff_t>(s.h) && q < static_cast<std::ptrdiff_t>(s.w);
        pixel[i * winograd_inputs + j] =
            inside ? source.data +
                         ((at.image * s.h + static_cast<std::size_t>(p)) * s.w + static_cast<std::size_t>(q)) * s.c
                   : zeros;
      }
    const std::size_t ahead = at.col + winograd_outputs < s.cols ? winograd_outputs * s.c * sizeof(T) : 0;
    for_each_vector(
        s.c, [&](std::size_t c, std::size_t n, auto all) __attribute__((always_inline)) {
          for (std::size_t i = 2; i < winograd_inputs; ++i)  // what the next tile does not share with this one
            for (std::size_t j = 2; j < winograd_inputs; ++j)
              __builtin_prefetch(reinterpret_cast<const void*>(
                  reinterpret_cast<std::uintptr_t>(pixel[i * winograd_inputs + j] + c) + ahead));
          float* const to = v.at(0, c, row + tile);
          const std::size_t stride = v.stride();
          Vector mean{}, factor{}, beta{};
          if (source.norm != nullptr) {
            load_channels<all>(source.norm + c, n, mean);
            load_channels<all>(source.norm + s.c + c, n, factor);
            load_channels<all>(source.norm + 2 * s.c + c, n, beta);
          }
          winograd_transform<typename WinogradMatrices<Bytes>::Input>(
              [&](int i, int j, Vector& d) __attribute__((always_inline)) {
                load_channels<all>(pixel[i * winograd_inputs + j] + c, n, d);
                if (source.norm == nullptr || pixel[i * winograd_inputs + j] == zeros) return;
                d = (d - mean) * factor + beta;  // norm_value, where the compiler fuses
                d = d < 0.f ? Vector{} : d;      // NaN stays
              },
              [&](int i, int j, const Vector& value) __attribute__((always_inline)) {
                std::memcpy(to + static_cast<std::size_t>(i * winograd_inputs + j) * stride, &value, sizeof(Vector));
              });
        });
  }
}

/// Zeros in the rows of v from `row` on.
inline void clear_rows(const WinogradPlanes& v, std::size_t row) {
  for (std::size_t product = 0; product < winograd_products; ++product)
    for (std::size_t c = 0; c < v.channels; c += v.step)
      std::memset(v.at(product, c, row), 0, (v.rows - row) * v.step * sizeof(float));
}

/// Output channels [k, k + cols) of `count` tiles from tile `first` on: out = A' m A + beta out, of the columns of m.
template <class T, std::size_t Bytes = simd_bytes>
void winograd_output(const WinogradShape& s, const WinogradPlanes& m, std::size_t first, std::size_t count,
                     std::size_t k, std::size_t cols, float beta, T* out) {
  using Vector = typename Simd<float, Bytes>::type;
  T* pixel[winograd_outputs][winograd_outputs];
  for (std::size_t tile = 0; tile < count; ++tile) {
    const WinogradPlace at(s, first + tile);
    for (std::size_t i = 0; i < winograd_outputs; ++i)
      for (std::size_t j = 0; j < winograd_outputs; ++j)
        pixel[i][j] = at.row + i < s.rows && at.col + j < s.cols
                          ? out + ((at.image * s.rows + at.row + i) * s.cols + at.col + j) * s.k + k
                          : nullptr;
    for_each_vector(
        cols, [&](std::size_t c, std::size_t n, auto all) __attribute__((always_inline)) {
          const float* const from = m.at(0, c, tile);
          const std::size_t stride = m.stride();
          winograd_transform<typename WinogradMatrices<Bytes>::Output>(
              [&](int i, int j, Vector& product) __attribute__((always_inline)) {
                std::memcpy(&product, from + static_cast<std::size_t>(i * winograd_inputs + j) * stride,
                            sizeof(Vector));
              },
              [&](int i, int j, const Vector& y) __attribute__((always_inline)) {
                if (pixel[i][j] != nullptr) store_channels<all>(y, n, beta, pixel[i][j] + c);
              });
        });
  }
}

/// All channels of `count` tiles from tile `first` on are written.
template <class T>
void winograd_finish(const WinogradShape& s, std::size_t first, std::size_t count, const ResultMoments<T>& moments) {
  const std::size_t last = first + count;
  for (std::size_t tile = first, next; tile < last; tile = next) {  // neighbours of one row of tiles
    next = min(last, (tile / s.across() + 1) * s.across());
    const WinogradPlace at(s, tile);
    const std::size_t pixels = min((next - tile) * winograd_outputs, s.cols - at.col);
    for (std::size_t row = at.row; row < min<std::size_t>(s.rows, at.row + winograd_outputs); ++row) {
      const std::size_t pixel = (at.image * s.rows + row) * s.cols + at.col;
      moments.finish(pixel, pixel + pixels);
    }
  }
}

/// A filter [K, 3, 3, C] as a convolution of `k` output and `c` source channels sees it.
template <class T>
struct WinogradFilter {
  const T* data;
  std::size_t k_stride, tap_stride, c_stride;  ///< k_stride or c_stride is 1
  bool turned;                                 ///< by 180 degrees

  /// Source channels [c, c + count) and output channels [k, k + cols) as g[9][count][tile_cols], zeros past the last.
  template <std::size_t Bytes = simd_bytes>
  void gather(std::size_t k, std::size_t cols, std::size_t c, std::size_t count, float* g) const {
    constexpr std::size_t width = tile_cols<float>;
    if (cols < width) std::memset(g, 0, 9 * count * width * sizeof(float));
    for (std::size_t tap = 0; tap < 9; ++tap, g += count * width) {
      const T* const from = data + k * k_stride + (turned ? 8 - tap : tap) * tap_stride + c * c_stride;
      if (c_stride == 1)
        for (std::size_t j = 0; j < cols; ++j)
          for (std::size_t i = 0; i < count; ++i) g[i * width + j] = static_cast<float>(from[j * k_stride + i]);
      else
        for (std::size_t i = 0; i < count; ++i)
          for (std::size_t j = 0; j < cols; ++j) g[i * width + j] = static_cast<float>(from[i * c_stride + j]);
    }
  }
};

/// Row `row` of G g G', of g [3][3][size] to u, whose six products lie u_stride apart.
template <std::size_t Bytes = simd_bytes>
void winograd_filter(const float* g, std::size_t size, std::size_t row, float* u, std::size_t u_stride) {
  using Vector = typename Simd<float, Bytes>::type;
  using Matrices = WinogradMatrices<Bytes>;
  const auto& factor = Matrices::filter[row];
  for (std::size_t at = 0; at < size; at += Simd<float, Bytes>::width) {
    Vector half[3], all[6];
    unrolled<3>([&](auto s) __attribute__((always_inline)) {
      Vector tap[3];
      unrolled<3>([&](auto r) __attribute__((always_inline)) {
        std::memcpy(&tap[r], g + static_cast<std::size_t>(r * 3 + s) * size + at, sizeof(Vector));
      });
      half[s] = factor[0] * tap[0] + factor[1] * tap[1] + factor[2] * tap[2];
    });
    Matrices::Filter::apply(half, all);
    unrolled<6>([&](auto i) __attribute__((always_inline)) {
      std::memcpy(u + static_cast<std::size_t>(i) * u_stride + at, &all[i], sizeof(Vector));
    });
  }
}

/// How often winograd_multiply fetches what is used soon.
template <std::size_t Bytes = simd_bytes>
std::size_t winograd_fetches(const WinogradPlanes& v) {
  return (v.rows + tile_rows - 1) / tile_rows * ((v.channels + winograd_step - 1) / winograd_step);
}

/// One product of all rows of v with a panel [c][tile_cols], to the block of m that begins with column `channel`.
template <std::size_t Bytes = simd_bytes>
void winograd_multiply(const WinogradPlanes& v, std::size_t product, const float* u, std::size_t cols,
                       const WinogradPlanes& m, std::size_t channel, std::span<Prefetch> ahead = {}) {
  for (std::size_t row = 0; row < v.rows; row += tile_rows)
    with_tile<float>(
        cols, [&](auto& tile) __attribute__((always_inline)) {
          for (std::size_t c = 0; c < v.channels; c += winograd_step) {
            fetch(ahead);
            const float* const a = v.at(product, c, row);
            tile.multiply(
                min(winograd_step, v.channels - c),
                [&](int i, std::size_t k) { return a[static_cast<std::size_t>(i) * winograd_step + k]; },
                u + c * tile_cols<float>, tile_cols<float>);
          }
          tile.store(m.at(product, channel, row), tile_cols<float>);
        });
}

/// out = the convolution that `s` describes + beta out. Blocks of tiles, so small that what is transformed stays in a
/// core's cache.
template <class T, class B, std::size_t Bytes = simd_bytes>
void winograd_by_tiles(B& b, Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& source,
                       const WinogradFilter<T>& filter, float beta, T* out, const ResultMoments<T>& moments = {}) {
  constexpr std::size_t width = tile_cols<float>, together = 16;
  const std::size_t panels = (s.k + width - 1) / width, panel_size = s.c * width;
  const std::size_t plane = panels * panel_size + winograd_skew;
  const auto memory = b.template allocate<float>(winograd_products * plane);
  float* const u = memory.get();  // [36][panels][c][width]
  const std::size_t strips = (s.c + together - 1) / together;
  threads.parallel(panels * strips, 1, [&](std::size_t item) {
    const std::size_t panel = item / strips, c = item % strips * together, count = min(together, s.c - c);
    float g[9 * together * width];
    filter.gather(panel * width, min(width, s.k - panel * width), c, count, g);
    for (std::size_t row = 0; row < winograd_inputs; ++row)
      winograd_filter(g, count * width, row, u + row * winograd_inputs * plane + panel * panel_size + c * width, plane);
  });
  // Neither the sizes of blocks nor the threads that these depend on change a bit of the result.
  constexpr std::size_t cache = std::size_t{3} << 18;
  const bool large = s.c * s.k >= std::size_t{1} << 17;  // a filter that comes from memory and not from a cache
  const std::size_t least = large ? 96 : 24;             // tiles for which it is read once
  const std::size_t block = max(least, cache / (winograd_products * sizeof(float) * (s.c + s.k)));
  const std::size_t workers = static_cast<std::size_t>(threads.count());
  const std::size_t blocks = rounded_up((s.tiles() + block - 1) / block, workers);
  const std::size_t units = (s.tiles() + tile_rows - 1) / tile_rows;  // a block has whole tiles of registers
  threads.parallel(blocks, 1, [&](std::size_t item) {
    const std::size_t first = units * item / blocks * tile_rows;
    const std::size_t count = min(units * (item + 1) / blocks * tile_rows, s.tiles()) - first;
    if (count == 0) return;
    WinogradPlanes v{nullptr, rounded_up(count, tile_rows), s.c, winograd_step};
    WinogradPlanes m{nullptr, v.rows, s.k, width};
    const std::size_t v_bytes = scratch_size<float>(v.size()), m_bytes = scratch_size<float>(m.size());
    std::byte* const scratch = thread_scratch(v_bytes + m_bytes + scratch_size<T>(s.c));
    v.data = reinterpret_cast<float*>(scratch);
    m.data = reinterpret_cast<float*>(scratch + v_bytes);
    T* const zeros = reinterpret_cast<T*>(scratch + v_bytes + m_bytes);
    std::memset(zeros, 0, s.c * sizeof(T));
    winograd_input(s, source, zeros, first, count, v, 0);
    clear_rows(v, count);
    // Fetched ahead: of a large filter the next panel, else the next block's source and the pixels to be written.
    const std::size_t last = first + count, after = min(last + count, s.tiles()), fetches = winograd_fetches(v);
    const std::size_t read = winograd_source(s, last), write = winograd_target(s, first);
    const std::size_t all = winograd_products * panels * fetches;
    Prefetch pixels[] = {{source.data + read, winograd_source(s, after) - read, all},
                         {out + write, winograd_target(s, last) - write, all, true}};
    for (std::size_t product = 0; product < winograd_products; ++product)
      for (std::size_t panel = 0; panel < panels; ++panel) {
        const std::size_t at = product * plane + panel * panel_size;
        const std::size_t next = panel + 1 < panels ? at + panel_size : (product + 1) * plane;
        Prefetch panel_ahead[] = {{u + next, min(panel_size, winograd_products * plane - next), fetches}};
        winograd_multiply(v, product, u + at, min(width, s.k - panel * width), m, panel * width,
                          large ? std::span<Prefetch>(panel_ahead) : std::span<Prefetch>(pixels));
      }
    winograd_output(s, m, first, count, 0, s.k, beta, out);
    winograd_finish(s, first, count, moments);
  });
}

/// The most tiles for which winograd_by_panels is the faster way, and the least filter, source times output channels.
inline constexpr std::size_t winograd_few_tiles = 192, winograd_large_filter = std::size_t{1} << 16;

/// The same where the filter is large and tiles are few. A panel of the filter is transformed, a row of products at a
/// time, and used at once for all tiles: all of it would be four times the filter, and be written and read once.
template <class T, class B, std::size_t Bytes = simd_bytes>
void winograd_by_panels(B& b, Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& source,
                        const WinogradFilter<T>& filter, float beta, T* out, const ResultMoments<T>& moments = {}) {
  constexpr std::size_t width = tile_cols<float>;
  const std::size_t tiles = s.tiles(), panels = (s.k + width - 1) / width, panel_size = s.c * width;
  WinogradPlanes v{nullptr, rounded_up(tiles, tile_rows), s.c, winograd_step};
  const auto memory = b.template allocate<float>(v.size() + s.c);
  v.data = memory.get();
  T* const zeros = reinterpret_cast<T*>(v.data + v.size());
  std::memset(zeros, 0, s.c * sizeof(T));
  clear_rows(v, tiles);
  threads.parallel(tiles, 4, [&](std::size_t tile) { winograd_input(s, source, zeros, tile, 1, v, tile); });
  threads.parallel(panels, 1, [&](std::size_t panel) {
    const std::size_t k = panel * width, cols = min(width, s.k - k);
    WinogradPlanes m{nullptr, v.rows, width, width};
    const std::size_t m_bytes = scratch_size<float>(m.size());
    std::byte* const scratch = thread_scratch(m_bytes + scratch_size<float>(15 * panel_size));
    m.data = reinterpret_cast<float*>(scratch);
    float* const g = reinterpret_cast<float*>(scratch + m_bytes);  // [3][3][c][width]
    float* const u = g + 9 * panel_size;                           // [6][c][width]
    filter.gather(k, cols, 0, s.c, g);
    for (std::size_t row = 0; row < winograd_inputs; ++row) {
      winograd_filter(g, panel_size, row, u, panel_size);
      for (std::size_t j = 0; j < winograd_inputs; ++j)
        winograd_multiply(v, row * winograd_inputs + j, u + j * panel_size, cols, m, 0);
    }
    winograd_output(s, m, 0, tiles, k, cols, beta, out);
    for (std::size_t part = 0; part < moments.parts(); ++part) moments.take(part, k, cols);
  });
}

/// out = the convolution that `s` describes + beta out, and its moments if wanted.
/// @cost  72 C K flops a tile of 4x4 pixels, of 288; scratch: four times the filter, and a block of tiles a thread; or
///        for few tiles 2.25 times the source, and the products of all tiles with some 15 filters a thread
template <class T, class B, std::size_t Bytes = simd_bytes>
void winograd(B& b, Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& source,
              const WinogradFilter<T>& filter, double beta, T* out, const ResultMoments<T>& moments = {}) {
  // Both give the same bits.
  const bool few = s.tiles() <= winograd_few_tiles && s.c * s.k >= winograd_large_filter;
  if (few && s.k >= static_cast<std::size_t>(threads.count()) * tile_cols<float>)
    winograd_by_panels(b, threads, s, source, filter, static_cast<float>(beta), out, moments);
  else
    winograd_by_tiles(b, threads, s, source, filter, static_cast<float>(beta), out, moments);
}

/// Whether F(4x4, 3x3) beats the direct convolution, in each of the three operations, of 12 tiles or more, which are
/// the time that the transform of the filter takes. Measured with registers of 16, 32 and 64 bytes: tiles must be
/// filled to 7 of 16 pixels, a pixel of the source must fill a register, and with fewer channels the transforms take
/// more than the products save. The number of images does not count, if there are any: an image's result does not
/// depend on those beside it.
template <std::size_t Bytes = simd_bytes>
bool winograd_wins(const WinogradShape& s) {
  return s.n > 0 && s.rows * s.cols >= 7 * s.down() * s.across() && s.c >= max<std::size_t>(8, Bytes / sizeof(float)) &&
         s.k >= 8 && max(s.c, s.k) >= 16;
}

}  // namespace lotar::detail
