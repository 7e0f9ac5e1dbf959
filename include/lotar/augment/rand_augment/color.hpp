#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/rand_augment/bytes.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

/// Pillow's operations on colours, to the byte.
namespace lotar::detail {

/// Each byte v becomes f(v).
template <class Block, class F>
LOTAR_FN void map_bytes(Block& block, const ByteImage& image, const F& f) {
  std::uint8_t* const p = image.pixels;
  block.for_each(3 * image.size.pixels(), [=](std::size_t i) { p[i] = static_cast<std::uint8_t>(f(p[i])); });
}

template <class Block>
LOTAR_FN void invert(Block& block, const ByteImage& image) {
  map_bytes(block, image, [](int v) { return 255 - v; });
}

/// Inverts what is not below the threshold.
template <class Block>
LOTAR_FN void solarize(Block& block, const ByteImage& image, float threshold) {
  map_bytes(block, image, [=](int v) { return static_cast<float>(v) < threshold ? v : 255 - v; });
}

/// Keeps the highest bits, 1 to 8 of them.
template <class Block>
LOTAR_FN void posterize(Block& block, const ByteImage& image, int bits) {
  const int mask = 0xFF << (8 - clamp(bits, 1, 8));
  map_bytes(block, image, [=](int v) { return v & mask; });
}

/// A channel's byte v becomes table(counts)[v], where counts[v] is how often the channel has v: table rewrites them.
/// @param counts  scratch [3, 256]
template <class Block, class Table>
LOTAR_FN void map_by_histogram(Block& block, const ByteImage& image, std::uint32_t* counts, const Table& table) {
  const std::size_t n = image.size.pixels();
  std::uint8_t* const p = image.pixels;
  block.for_each(3 * 256, [=](std::size_t i) { counts[i] = 0; });
  block.for_each(3, n, [=, &block](std::size_t c, std::size_t i) { block.add(counts + c * 256 + p[c * n + i], 1u); });
  block.for_each(3, [=](std::size_t c) { table(counts + c * 256); });
  block.for_each(3, n, [=](std::size_t c, std::size_t i) {
    p[c * n + i] = static_cast<std::uint8_t>(counts[c * 256 + p[c * n + i]]);
  });
}

/// Stretches each channel to [0, 255].
template <class Block>
LOTAR_FN void auto_contrast(Block& block, const ByteImage& image, std::uint32_t* counts) {
  map_by_histogram(block, image, counts, [](std::uint32_t* table) {
    std::uint32_t low = 0, high = 255;
    while (table[low] == 0) ++low;
    while (table[high] == 0) --high;
    const double scale = high > low ? 255. / (high - low) : 1,
                 shift = high > low ? product(static_cast<double>(low), scale) : 0;
    for (std::uint32_t v = low; v <= high; ++v)  // cut off, as Pillow does: high may become 254
      table[v] = static_cast<std::uint32_t>(max(product(static_cast<double>(v), scale) - shift, 0.));
  });
}

/// Spreads each channel's values evenly.
template <class Block>
LOTAR_FN void equalize(Block& block, const ByteImage& image, std::uint32_t* counts) {
  const auto n = static_cast<std::uint32_t>(image.size.pixels());
  map_by_histogram(block, image, counts, [=](std::uint32_t* table) {
    std::uint32_t high = 255;
    while (table[high] == 0) --high;
    const std::uint32_t step = (n - table[high]) / 255;
    std::uint32_t below = step / 2;
    for (std::uint32_t v = 0; v < 256; ++v) {
      const std::uint32_t count = table[v];
      table[v] = step == 0 ? v : min(below / step, 255u);
      below += count;
    }
  });
}

/// from + factor (to - from), limited and cut off: with a rounding after the product and one after the sum.
LOTAR_FN inline std::uint8_t blend(int from, int to, float factor) {
  const float moved = static_cast<float>(from) + product(factor, static_cast<float>(to - from));
  return static_cast<std::uint8_t>(clamp(moved, 0.f, 255.f));
}

/// The brightness of a colour (ITU-R 601-2).
LOTAR_FN inline int luma_byte(int r, int g, int b) { return (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16; }

/// Away from black (factor > 1) or towards it.
/// @param factor  >= 0, like the three below
template <class Block>
LOTAR_FN void enhance_brightness(Block& block, const ByteImage& image, float factor) {
  map_bytes(block, image, [=](int v) { return blend(0, v, factor); });
}

/// Away from the mean brightness, rounded, or towards it.
template <class Block>
LOTAR_FN void enhance_contrast(Block& block, const ByteImage& image, float factor) {
  const std::uint8_t *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  const std::uint64_t n = image.size.pixels();
  const auto sum = block.reduce(
      n, std::uint64_t{0}, [=](std::size_t i) { return static_cast<std::uint64_t>(luma_byte(r[i], g[i], b[i])); },
      [](std::uint64_t x, std::uint64_t y) { return x + y; });
  const auto mean = static_cast<int>((2 * sum + n) / (2 * n));
  map_bytes(block, image, [=](int v) { return blend(mean, v, factor); });
}

/// Away from grey or towards it.
template <class Block>
LOTAR_FN void enhance_color(Block& block, const ByteImage& image, float factor) {
  std::uint8_t *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  block.for_each(image.size.pixels(), [=](std::size_t i) {
    const int grey = luma_byte(r[i], g[i], b[i]);
    r[i] = blend(grey, r[i], factor);
    g[i] = blend(grey, g[i], factor);
    b[i] = blend(grey, b[i], factor);
  });
}

/// Away from the smoothed image, where a pixel's weight is 5 and each of its eight neighbours' 1, or towards it. The
/// border stays.
template <class Block>
LOTAR_FN void enhance_sharpness(Block& block, ByteImage& image, float factor) {
  const std::size_t height = image.size.height, width = image.size.width;
  if (height < 3 || width < 3) return;
  const std::uint8_t* const old = image.pixels;
  std::uint8_t* const sharpened = image.spare;
  block.for_each(3 * image.size.pixels(), [=](std::size_t i) { sharpened[i] = old[i]; });
  for (std::size_t c = 0; c < 3; ++c) {
    const std::uint8_t* const from = image.plane(c);
    std::uint8_t* const to = image.spare + c * image.size.pixels();
    block.for_each(height - 2, width - 2, [=](std::size_t y, std::size_t x) {
      const std::size_t i = (y + 1) * width + x + 1;
      const auto row = [=](std::size_t at) { return from[at - 1] + from[at] + from[at + 1]; };
      const int sum = row(i - width) + row(i) + row(i + width) + 4 * from[i];
      to[i] = blend((2 * sum + 13) / 26, from[i], factor);  // the sum's 13th part, rounded
    });
  }
  image.take_spare();
}

}  // namespace lotar::detail
