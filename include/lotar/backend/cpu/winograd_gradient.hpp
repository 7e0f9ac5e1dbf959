#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include <lotar/backend/cpu/convolution_source.hpp>
#include <lotar/backend/cpu/prefetch.hpp>
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
                  std::size_t product, std::size_t block, bool add, const WinogradPlanes& du,
                  std::span<Prefetch> ahead) {
  constexpr std::size_t width = tile_cols<float>;
  const std::size_t first = block * v.step, last = min(first + v.step, v.channels), stride = v.step;
  for (std::size_t k = 0; k < m.channels; k += width)
    for (std::size_t c = first; c < last; c += tile_rows)
      with_tile<float>(
          last - c, min(width, m.channels - k), [&](auto& tile) __attribute__((always_inline)) {
            const float* const a = v.at(product, c, row);
            float* const sums = du.at(product, k, c);
            fetch(ahead);
            if (add) prefetch_written(sums, static_cast<std::size_t>(tile.rows) * width);
            tile.multiply(
                rows, [&](int i, std::size_t r) { return a[r * stride + static_cast<std::size_t>(i)]; },
                m.at(product, k, row), m.step);
            if (add)
              tile.add_to(sums, width);
            else
              tile.store(sums, width);
          });
}

/// du = the sum over tiles [first, last) of (B' d B)' (A dy A'), product by product, of `piece` tiles at a time.
/// The number of threads changes no bit, nor do the rows of v and m.
/// @param v, m  scratch for as many tiles as there are rows: a multiple of `piece`, or all tiles
template <class T, std::size_t Bytes = simd_bytes>
void winograd_sums(Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& x, const T* dy, const T* zeros,
                   std::size_t first, std::size_t last, std::size_t piece, WinogradPlanes v, WinogradPlanes m,
                   const WinogradPlanes& du) {
  const std::size_t blocks = (s.c + v.step - 1) / v.step, items = winograd_products * blocks, most_rows = v.rows;
  const std::size_t panels = (s.k + tile_cols<float> - 1) / tile_cols<float>;
  for (std::size_t tile = first; tile < last; tile += most_rows) {
    v.rows = m.rows = min(most_rows, last - tile);
    threads.parallel(v.rows, 4, [&](std::size_t row) {
      winograd_input(s, x, zeros, tile + row, 1, v, row);
      winograd_output_gradient(s, dy, zeros, tile + row, m, row);
    });
    const std::size_t next = tile + v.rows, after = min(next + most_rows, last), pieces = (v.rows + piece - 1) / piece;
    threads.parallel(items, 1, [&](std::size_t item) {
      const std::size_t product = item / blocks, block = item % blocks, channels = min(v.step, s.c - block * v.step);
      const std::size_t fetches = pieces * panels * ((channels + tile_rows - 1) / tile_rows);
      const auto share = [&](const T* images, std::size_t from, std::size_t to) {  // of the tiles that come next
        const std::size_t begin = (to - from) * item / items, end = (to - from) * (item + 1) / items;
        return Prefetch(images + from + begin, end - begin, fetches);
      };
      Prefetch pixels[] = {share(x.data, winograd_source(s, next), winograd_source(s, after)),
                           share(dy, winograd_target(s, next), winograd_target(s, after))};
      for (std::size_t row = 0; row < v.rows; row += piece)
        winograd_sum(v, m, row, min(piece, v.rows - row), product, block, tile + row > first, du, pixels);
    });
  }
}

/// G' du G of source channels [c, c + count) and a panel of output channels, count <= 16:
/// dfilter [K, 3, 3, C] = that + beta dfilter.
/// @param du  the first of `groups` that follow each other in memory, and are added in order
template <std::size_t Bytes = simd_bytes>
void winograd_filter_gradient(const WinogradShape& s, const WinogradPlanes& du, std::size_t groups, std::size_t k,
                              std::size_t c, std::size_t count, float beta, float* dfilter) {
  using Vector = typename Simd<float, Bytes>::type;
  constexpr std::size_t width = tile_cols<float>, most = 16;
  float g[9][most][width];
  const std::size_t cols = min(width, s.k - k), stride = du.stride();
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < cols; j += Simd<float, Bytes>::width) {
      const float* const from = du.at(0, k + j, c + i);
      winograd_transform<typename WinogradMatrices<Bytes>::FilterGradient>(
          [&](int p, int q, Vector& u) __attribute__((always_inline)) {
            const float* const product = from + static_cast<std::size_t>(p * winograd_inputs + q) * stride;
            std::memcpy(&u, product, sizeof(Vector));
            for (std::size_t group = 1; group < groups; ++group) {
              Vector more;
              std::memcpy(&more, product + group * du.size(), sizeof(Vector));
              u += more;
            }
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

/// dfilter = the gradient of the filter of the forward convolution that `s` describes + beta dfilter. Groups of tiles
/// are summed by one thread each, which transforms some tiles at a time; those that do not share out evenly, by all
/// threads together. Then the groups' sums are added in order.
/// @cost  72 C K flops a tile of 4x4 pixels, of 288; scratch: four times the filter a group, of channels that fill
///        registers' tiles, and some tiles a thread.
///        There is a group for every 512 tiles, but at most 32, and no more than 64 MiB hold, or one.
template <class T, class B, std::size_t Bytes = simd_bytes>
void winograd_gradient(B& b, Threads& threads, const WinogradShape& s, const ConvolutionSource<T>& x, const T* dy,
                       double beta, float* dfilter) {
  constexpr std::size_t width = tile_cols<float>, vector = Simd<float, Bytes>::width;
  constexpr std::size_t most_step = 48;  // channels: a multiple of every tile_rows and of every vector's width
  const std::size_t tiles = s.tiles();
  WinogradPlanes du{nullptr, rounded_up(s.c, tile_rows / 3), s.k, width};
  // These set the order of the sums. Larger sums, which no core's cache holds, are read and written less often.
  constexpr std::size_t group_tiles = 512, most_groups = 32, most_bytes = std::size_t{64} << 20;
  const std::size_t piece = s.c * s.k <= std::size_t{1} << 14 ? 64 : 128, pieces = (tiles + piece - 1) / piece;
  const std::size_t groups =
      max<std::size_t>(1, min(min(tiles / group_tiles, most_groups), most_bytes / (du.size() * sizeof(float))));
  const auto start = [&](std::size_t group) { return min(tiles, pieces * group / groups * piece); };
  // These change no bit: groups for one thread each, and tiles at a time for all threads, to pay for starting loops.
  const std::size_t workers = static_cast<std::size_t>(threads.count()), alone = groups / workers * workers;
  const std::size_t together = 128 * max<std::size_t>(1, min(workers / 4, std::size_t{1024} / (s.c + s.k)));

  WinogradPlanes v{nullptr, min(tiles, together), s.c, min(most_step, rounded_up(s.c, vector))};
  WinogradPlanes m{nullptr, v.rows, s.k, min(width, rounded_up(s.k, vector))};
  WinogradPlanes own_v = v, own_m = m;
  own_v.rows = own_m.rows = min(tiles, piece);
  const std::size_t shared = alone < groups ? v.size() + m.size() : 0, most = max(s.c, s.k);
  const auto memory = b.template allocate<float>(groups * du.size() + shared + most);
  const auto sums = [&](std::size_t group) {
    WinogradPlanes planes = du;
    planes.data = memory.get() + group * du.size();
    return planes;
  };
  T* const zeros = reinterpret_cast<T*>(memory.get() + groups * du.size() + shared);
  std::memset(zeros, 0, most * sizeof(T));

  Threads caller(1);
  threads.parallel(alone, 1, [&](std::size_t group) {
    WinogradPlanes my_v = own_v, my_m = own_m;
    const std::size_t v_bytes = scratch_size<float>(my_v.size());
    std::byte* const scratch = thread_scratch(v_bytes + scratch_size<float>(my_m.size()));
    my_v.data = reinterpret_cast<float*>(scratch);
    my_m.data = reinterpret_cast<float*>(scratch + v_bytes);
    winograd_sums(caller, s, x, dy, zeros, start(group), start(group + 1), piece, my_v, my_m, sums(group));
  });
  for (std::size_t group = alone; group < groups; ++group) {
    v.data = memory.get() + groups * du.size();
    m.data = v.data + v.size();
    winograd_sums(threads, s, x, dy, zeros, start(group), start(group + 1), piece, v, m, sums(group));
  }
  constexpr std::size_t strip = 16;  // source channels
  const std::size_t strips = (s.c + strip - 1) / strip, panels = (s.k + width - 1) / width;
  threads.parallel(panels * strips, 1, [&](std::size_t item) {
    const std::size_t c = item % strips * strip;
    winograd_filter_gradient(s, sums(0), groups, item / strips * width, c, min(strip, s.c - c),
                             static_cast<float>(beta), dfilter);
  });
}

}  // namespace lotar::detail
