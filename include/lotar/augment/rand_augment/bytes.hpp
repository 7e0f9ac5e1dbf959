#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

namespace lotar::detail {

/// An RGB image of bytes that a block of threads works on: three planes, and as much room again. Each thread has its
/// own copy of this handle.
struct ByteImage {
  std::uint8_t* pixels;  ///< [3, height, width]
  std::uint8_t* spare;
  ImageSize size;

  LOTAR_FN std::uint8_t* plane(std::size_t channel) const { return pixels + channel * size.pixels(); }
  /// Makes what was written to the spare room the image.
  LOTAR_FN void take_spare() {
    std::uint8_t* const old = pixels;
    pixels = spare;
    spare = old;
  }
};

/// The image in bytes, rounded. They lie in its spare room, which holds twice as many.
template <class Block>
LOTAR_FN ByteImage to_bytes(Block& block, const Image& image) {
  const std::size_t n = 3 * image.size.pixels();
  const float* const from = image.pixels;
  auto* const to = reinterpret_cast<std::uint8_t*>(image.spare);
  block.for_each(n,
                 [=](std::size_t i) { to[i] = static_cast<std::uint8_t>(clamp(255.f * from[i], 0.f, 255.f) + 0.5f); });
  return {to, to + n, image.size};
}

/// Makes the image, whose spare room the bytes lie in, these bytes.
template <class Block>
LOTAR_FN void from_bytes(Block& block, const ByteImage& bytes, const Image& image) {
  constexpr float unit = 1.f / 255.f;
  const std::uint8_t* const from = bytes.pixels;
  float* const to = image.pixels;
  block.for_each(3 * image.size.pixels(), [=](std::size_t i) { to[i] = unit * from[i]; });
}

}  // namespace lotar::detail
