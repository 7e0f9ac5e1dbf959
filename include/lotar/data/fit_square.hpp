#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {
namespace detail {

/// How pixels begin .. begin + count of an axis that is stretched from `in` to `out` pixels are made of those there
/// were: with a triangle, widened where the axis shrinks. Weights are of 2^-22, from integers alone.
struct StretchedAxis {
  static constexpr int weight_bits = 22;  // 255 times their sum, 2^22, fits 32 bits

  struct Pixel {
    std::size_t first;   ///< of the old pixels
    std::size_t weight;  ///< index of its weight; the next follow
    std::size_t taps;
  };
  std::vector<Pixel> pixels;
  std::vector<std::uint32_t> weights;

  StretchedAxis(std::uint64_t in, std::uint64_t out, std::uint64_t begin, std::uint64_t count) {
    // distances in units of 1 / (2 out) of an old pixel
    const std::uint64_t support = 2 * std::max(in, out);
    std::vector<std::uint64_t> triangle;
    for (std::uint64_t i = begin; i < begin + count; ++i) {
      const std::uint64_t center = (2 * i + 1) * in;
      const std::uint64_t first = center > support ? ((center - support) / out + 1) / 2 : 0;
      std::uint64_t sum = 0;
      triangle.clear();
      for (std::uint64_t x = first; x < in && (2 * x + 1) * out < center + support; ++x) {
        const std::uint64_t at = (2 * x + 1) * out, distance = at > center ? at - center : center - at;
        triangle.push_back(support - distance);
        sum += support - distance;
      }
      pixels.push_back({static_cast<std::size_t>(first), weights.size(), triangle.size()});
      for (const std::uint64_t w : triangle)
        weights.push_back(static_cast<std::uint32_t>(((w << weight_bits) + sum / 2) / sum));
    }
  }

  std::size_t first() const { return pixels.front().first; }
  std::size_t end() const { return pixels.back().first + pixels.back().taps; }

  /// Rounds a weighted sum that started at `half`.
  static constexpr std::uint32_t half = 1u << (weight_bits - 1);
  static std::uint8_t round(std::uint32_t sum) {
    return static_cast<std::uint8_t>(std::min<std::uint32_t>(sum >> weight_bits, 255));
  }
};

}  // namespace detail

/// Makes a square of an image: its shorter side is resampled to `size`, bilinear with antialiasing, and the middle of
/// the longer one is kept; where the margins cannot be equal, the top or left one is the smaller.
///
/// PIL's resize(BILINEAR) to the same lengths, to the bit, in integers.
/// @param image   u8 [height, width, 3].
/// @param size    pixels, >= 1.
/// @param square  out: [size, size, 3].
/// @throws ShapeError if the image or the square is of another shape.
/// @cost   2 multiplications a channel and old pixel, or 2 a new one; scratch of old height x size pixels.
inline void fit_square(const RawArray& image, std::size_t size, std::span<std::uint8_t> square) {
  using detail::StretchedAxis;
  if (image.type != DType::u8 || image.shape.size() != 3 || image.shape[2] != 3 || image.bytes.empty() ||
      image.bytes.size() != image.shape[0] * image.shape[1] * 3)
    throw ShapeError(std::string("fit_square: image must be u8 [height, width, 3], got ") + info(image.type).name +
                     " " + shape_text(image.shape) + " of " + std::to_string(image.bytes.size()) + " bytes");
  if (size < 1 || square.size() != size * size * 3)
    throw ShapeError("fit_square: square must have size x size x 3 values with size >= 1, got size " +
                     std::to_string(size) + " and " + std::to_string(square.size()) + " values");

  const std::size_t height = image.shape[0], width = image.shape[1], shorter = std::min(height, width);
  const std::size_t tall = height * size / shorter, wide = width * size / shorter;
  const StretchedAxis rows(height, tall, (tall - size) / 2, size), columns(width, wide, (wide - size) / 2, size);

  Bytes between((rows.end() - rows.first()) * size * 3);  // the rows that are needed, at their final width
  std::uint8_t* to = between.data();
  for (std::size_t y = rows.first(); y < rows.end(); ++y)
    for (const StretchedAxis::Pixel& pixel : columns.pixels) {
      const std::uint8_t* from = image.bytes.data() + (y * width + pixel.first) * 3;
      const std::uint32_t* const weight = columns.weights.data() + pixel.weight;
      std::uint32_t sum[3] = {StretchedAxis::half, StretchedAxis::half, StretchedAxis::half};
      for (std::size_t k = 0; k < pixel.taps; ++k, from += 3)
        for (std::size_t c = 0; c < 3; ++c) sum[c] += weight[k] * from[c];
      for (const std::uint32_t s : sum) *to++ = StretchedAxis::round(s);
    }

  to = square.data();
  std::vector<std::uint32_t> sum(size * 3);
  for (const StretchedAxis::Pixel& pixel : rows.pixels) {
    std::fill(sum.begin(), sum.end(), StretchedAxis::half);
    for (std::size_t k = 0; k < pixel.taps; ++k) {
      const std::uint8_t* const from = between.data() + (pixel.first + k - rows.first()) * sum.size();
      const std::uint32_t weight = rows.weights[pixel.weight + k];
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weight * from[i];
    }
    to = std::transform(sum.begin(), sum.end(), to, StretchedAxis::round);
  }
}

}  // namespace lotar
