#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/random.hpp>
#include <lotar/data/dataset.hpp>

namespace lotar {

/// How many images of each class a few-shot evaluation is given: "50" or "50-shot" of every class, "1%" of each class'
/// own, rounded down.
///
/// @param counts  the images that each class has
/// @throws ConfigError for another name, and if a class would have none or has too few.
inline std::vector<std::size_t> few_shot_sizes(const std::string& name, std::span<const std::size_t> counts) {
  std::size_t number = 0;
  const char* const end = name.data() + name.size();
  const auto [rest, error] = std::from_chars(name.data(), end, number);
  const std::string unit(rest, end);
  const bool percent = unit == "%";
  if (error != std::errc() || number == 0 || (percent ? number > 100 : !unit.empty() && unit != "-shot"))
    throw ConfigError("few-shot \"" + name +
                      "\": wanted a number of images a class such as 50 or 50-shot, or 1% to 100%");
  std::vector<std::size_t> sizes;
  for (std::size_t c = 0; c < counts.size(); ++c) {
    sizes.push_back(percent ? counts[c] * number / 100 : number);
    if (sizes[c] == 0 || sizes[c] > counts[c])
      throw ConfigError("few-shot \"" + name + "\": class " + std::to_string(c) + " has " + std::to_string(counts[c]) +
                        " images, wanted at least " + std::to_string(percent ? (99 + number) / number : number));
  }
  return sizes;
}

/// Chooses so many images of each class, at random: their indices, in ascending order.
///
/// Of one seed the smaller choice lies within the larger, class by class.
/// @param labels  0 <= label < C
/// @param sizes   [C] images wanted of each class
/// @throws ShapeError for a label out of range.
/// @throws ConfigError if a class has fewer images.
inline std::vector<std::uint32_t> few_shot_indices(std::span<const std::int32_t> labels,
                                                   std::span<const std::size_t> sizes, std::uint64_t seed) {
  if (labels.size() > 0xFFFFFFFF) throw ConfigError("few_shot_indices: wanted at most 2^32 - 1 images");
  const std::vector<std::size_t> counts = count_classes(labels, sizes.size());
  std::vector<std::vector<std::uint32_t>> images(sizes.size());
  for (std::size_t i = 0; i < labels.size(); ++i)
    images[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::uint32_t>(i));
  std::vector<std::uint32_t> indices;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    if (sizes[c] > counts[c])
      throw ConfigError("few_shot_indices: wanted " + std::to_string(sizes[c]) + " images of class " +
                        std::to_string(c) + ", which has " + std::to_string(counts[c]));
    Random random(seed, 0, static_cast<std::uint32_t>(c), 0, operation::few_shot);
    shuffle(std::span(images[c]), random);
    indices.insert(indices.end(), images[c].begin(), images[c].begin() + static_cast<std::ptrdiff_t>(sizes[c]));
  }
  std::sort(indices.begin(), indices.end());
  return indices;
}

}  // namespace lotar
