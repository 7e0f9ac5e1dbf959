#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/host_array.hpp>
#include <lotar/io/raw_array.hpp>
#include <lotar/io/sha256.hpp>

namespace lotar {

/// Which of its parts a data set is read from.
enum class Part { train, test };

/// Labelled images, all of one size, in the host's memory.
struct Dataset {
  std::string name;
  /// The name of each class; labels index it.
  std::vector<std::string> classes;
  /// [N, height, width, channels], 0 to 255.
  HostArray<std::uint8_t, 4> images;
  /// N labels, 0 <= label < classes.size().
  std::vector<std::int32_t> labels;

  std::size_t size() const { return labels.size(); }
};

namespace detail {

/// The labels that an array read from `path` holds.
/// @throws IoError for a label that is not below `classes`.
inline std::vector<std::int32_t> read_labels(const RawArray& array, const std::string& path, std::size_t classes) {
  std::vector<std::int32_t> labels;
  for (const std::int64_t label : array.integers(path)) {
    if (label < 0 || label >= static_cast<std::int64_t>(classes))
      throw array.error(path, labels.size(),
                        "label of image " + std::to_string(labels.size()) + ": wanted below " +
                            std::to_string(classes) + ", got " + std::to_string(label));
    labels.push_back(static_cast<std::int32_t>(label));
  }
  return labels;
}

}  // namespace detail

/// How many images each class has.
///
/// @param labels   0 <= label < classes.
/// @throws ShapeError for a label out of that range.
inline std::vector<std::size_t> count_classes(std::span<const std::int32_t> labels, std::size_t classes) {
  std::vector<std::size_t> counts(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= classes)
      throw ShapeError("label " + std::to_string(labels[i]) + " of image " + std::to_string(i) + " is not one of the " +
                       std::to_string(classes) + " classes");
    ++counts[static_cast<std::size_t>(labels[i])];
  }
  return counts;
}

/// Tells label lists apart: the SHA-256 of the labels in order, each a little-endian 32-bit integer.
///
/// In NumPy: hashlib.sha256(labels.astype('<i4').tobytes()).hexdigest().
inline std::string label_fingerprint(std::span<const std::int32_t> labels) {
  Sha256 digest;
  for (const std::int32_t label : labels) {
    const auto bits = static_cast<std::uint32_t>(label);
    const std::array<std::uint8_t, 4> bytes{static_cast<std::uint8_t>(bits), static_cast<std::uint8_t>(bits >> 8),
                                            static_cast<std::uint8_t>(bits >> 16),
                                            static_cast<std::uint8_t>(bits >> 24)};
    digest.update(bytes);
  }
  return digest.hex();
}

/// The images at the indices, in their order, copied.
///
/// @throws ShapeError for an index that is not below dataset.size(), or if there are not as many images as labels.
inline Dataset subset(const Dataset& dataset, std::span<const std::uint32_t> indices) {
  const auto& shape = dataset.images.shape();
  if (shape[0] != dataset.size())
    throw ShapeError("subset: " + std::to_string(shape[0]) + " images have " + std::to_string(dataset.size()) +
                     " labels");
  Dataset part{dataset.name,
               dataset.classes,
               make_host_array<std::uint8_t, 4>({indices.size(), shape[1], shape[2], shape[3]}),
               {}};
  part.labels.reserve(indices.size());
  const std::size_t bytes = shape[1] * shape[2] * shape[3];
  std::uint8_t* to = part.images.data();
  for (const std::uint32_t index : indices) {
    if (index >= dataset.size())
      throw ShapeError("subset: index " + std::to_string(index) + " of " + std::to_string(dataset.size()) + " images");
    to = std::copy_n(dataset.images.data() + index * bytes, bytes, to);
    part.labels.push_back(dataset.labels[index]);
  }
  return part;
}

}  // namespace lotar
