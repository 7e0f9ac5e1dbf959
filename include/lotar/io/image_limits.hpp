#pragma once

#include <cstddef>
#include <string>

#include <lotar/core/error.hpp>

namespace lotar {

/// The largest images that are read, so that no file makes its reader ask for more memory than a photograph needs.
inline constexpr std::size_t max_image_side = std::size_t{1} << 15, max_image_pixels = std::size_t{1} << 27;

/// Refuses images beyond those limits by the size in their header, before anything of that size is allocated.
///
/// @throws IoError "path: wanted an image of at most ..., got height x width".
inline void check_image_limits(const std::string& path, std::size_t height, std::size_t width) {
  if (height < 1 || width < 1 || height > max_image_side || width > max_image_side || height * width > max_image_pixels)
    throw IoError(path, "wanted an image of 1 to " + std::to_string(max_image_side) + " pixels a side and at most " +
                            std::to_string(max_image_pixels) + " pixels, got " + std::to_string(height) + " x " +
                            std::to_string(width));
}

}  // namespace lotar
