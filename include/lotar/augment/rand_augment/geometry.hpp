#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/augment/rand_augment/bytes.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

/// Pillow's operations that move pixels, to the byte: its nearest neighbour, black where there is none.
namespace lotar::detail {

/// Where the pixel (x, y) comes from: (xx x + xy y + x0, yx x + yy y + y0), in 65536ths of a pixel.
struct Affine {
  std::int32_t xx, xy, x0, yx, yy, y0;
};

LOTAR_FN inline std::int32_t to_fixed(double v) { return static_cast<std::int32_t>(floor(65536 * v + 0.5)); }

constexpr std::int32_t fixed_one = 1 << 16, fixed_half = 1 << 15;

/// @param shear  columns a row
LOTAR_FN inline Affine shear_x(double shear) {
  return {fixed_one, to_fixed(shear), to_fixed(0.5 + 0.5 * shear), 0, fixed_one, fixed_half};
}

/// @param shear  rows a column
LOTAR_FN inline Affine shear_y(double shear) {
  return {fixed_one, 0, fixed_half, to_fixed(shear), fixed_one, to_fixed(0.5 + 0.5 * shear)};
}

/// Pixels come from `x` and `y` pixels further right and down. Here Pillow rounds x + 1/2 down, and not to 65536ths.
LOTAR_FN inline Affine translation(double x, double y) {
  const auto whole = [](double v) { return static_cast<std::int32_t>(floor(v + 0.5)) * fixed_one + fixed_half; };
  return {fixed_one, 0, whole(x), 0, fixed_one, whole(y)};
}

/// Counter-clockwise about the centre. Entries are Pillow's unless 65536 times one lies within 1e-8 of a half.
LOTAR_FN inline Affine rotation(double degrees, ImageSize size) {
  double s, c;
  sin_cos(degrees * (3.14159265358979323846 / 180), s, c);
  const double x = 0.5 * static_cast<double>(size.width), y = 0.5 * static_cast<double>(size.height);
  return {to_fixed(c), to_fixed(-s), to_fixed(fma(c, 0.5 - x, fma(-s, 0.5 - y, x))),
          to_fixed(s), to_fixed(c),  to_fixed(fma(s, 0.5 - x, fma(c, 0.5 - y, y)))};
}

/// Coordinates must stay below 2^15 pixels in magnitude.
template <class Block>
LOTAR_FN void transform(Block& block, ByteImage& image, const Affine& a) {
  const auto height = static_cast<std::int32_t>(image.size.height), width = static_cast<std::int32_t>(image.size.width);
  const std::size_t row = image.size.width, plane = image.size.pixels();
  const std::uint8_t* const from = image.pixels;
  std::uint8_t* const to = image.spare;
  block.for_each(image.size.height, row, [=](std::size_t out_y, std::size_t out_x) {
    const auto x = static_cast<std::int32_t>(out_x), y = static_cast<std::int32_t>(out_y);
    const std::int32_t in_x = (a.x0 + a.xy * y + a.xx * x) >> 16, in_y = (a.y0 + a.yy * y + a.yx * x) >> 16;
    const bool inside = in_x >= 0 && in_x < width && in_y >= 0 && in_y < height;
    const std::size_t at = inside ? static_cast<std::size_t>(in_y) * row + static_cast<std::size_t>(in_x) : 0;
    for (std::size_t c = 0; c < 3; ++c)
      to[c * plane + out_y * row + out_x] = inside ? from[c * plane + at] : std::uint8_t{0};
  });
  image.take_spare();
}

/// Covers a square about (x, y), up to the image's border, with a grey.
/// @param side  pixels; 0 changes nothing, and more covers at least a pixel
template <class Block>
LOTAR_FN void cutout(Block& block, const ByteImage& image, double side, double x, double y) {
  if (side <= 0) return;
  const auto first = [=](double center) { return static_cast<std::size_t>(max(center - 0.5 * side, 0.)); };
  const auto last = [=](std::size_t begin, std::size_t end) {
    return min(static_cast<std::size_t>(static_cast<double>(begin) + side), end - 1);
  };
  const std::size_t left = first(x), top = first(y), width = image.size.width;
  if (left >= width || top >= image.size.height) return;
  const std::size_t right = last(left, width), bottom = last(top, image.size.height);
  std::uint8_t *r = image.plane(0), *g = image.plane(1), *b = image.plane(2);
  block.for_each(bottom - top + 1, right - left + 1, [=](std::size_t row, std::size_t column) {
    const std::size_t i = (top + row) * width + left + column;
    r[i] = 125, g[i] = 123, b[i] = 114;
  });
}

}  // namespace lotar::detail
