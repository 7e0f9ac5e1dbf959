#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/host_array.hpp>
#include <lotar/io/npy.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// Reads images and labels from two npy files, as the thesis stores its long-tailed sets (..._data.npy and
/// ..._targets.npy).
///
/// @param images_path  u8 [N, height, width, 3], N >= 1.
/// @param labels_path  integers [N], 0 <= label < classes.size().
/// @throws IoError if a file is missing, damaged, of another shape, or has a label out of range.
inline Dataset load_npy_pair(const std::string& images_path, const std::string& labels_path, std::string name,
                             std::vector<std::string> classes) {
  const RawArray images = read_npy(images_path), labels = read_npy(labels_path);
  const auto& shape = images.shape;
  if (images.type != DType::u8 || shape.size() != 4 || shape[3] != 3 || images.bytes.empty())
    throw IoError(images_path, std::string("wanted u8 images of [N, height, width, 3], got ") + info(images.type).name +
                                   " " + shape_text(shape));
  if (labels.shape.size() != 1 || labels.shape[0] != shape[0])
    throw IoError(labels_path,
                  "wanted " + std::to_string(shape[0]) + " labels, one an image, got " + shape_text(labels.shape));
  Dataset dataset{std::move(name),
                  std::move(classes),
                  make_host_array<std::uint8_t, 4>({shape[0], shape[1], shape[2], shape[3]}),
                  {}};
  std::copy(images.bytes.begin(), images.bytes.end(), dataset.images.data());
  dataset.labels = detail::read_labels(labels, labels_path, dataset.classes.size());
  return dataset;
}

}  // namespace lotar
