#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/host_array.hpp>
#include <lotar/io/idx.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

namespace detail {

/// The file, or its gzipped form, in dir or dir/fashion-mnist.
inline std::string fashion_mnist_file(const std::string& dir, const std::string& file) {
  const std::filesystem::path parent(dir);
  for (const std::filesystem::path& folder : {parent, parent / "fashion-mnist"})
    for (const char* ending : {"", ".gz"}) {
      const std::string path = (folder / (file + ending)).string();
      std::error_code ignored;
      if (std::filesystem::exists(path, ignored)) return path;
    }
  throw IoError(dir, "no Fashion-MNIST here: wanted " + file + " or " + file +
                         ".gz in this folder or in its fashion-mnist; Debian's package dataset-fashion-mnist puts them "
                         "in /usr/share/datasets/fashion-mnist (md5 of train-images-idx3-ubyte, unpacked: "
                         "f4a8712d7a061bf5bd6d2ca38dc4d50a)");
}

}  // namespace detail

/// Reads one part of Fashion-MNIST: 28 x 28 pixels, their gray value in each of three channels.
///
/// Data sets of the same files, as MNIST, are read too; any number of images is.
/// @param dir  the folder of the four IDX files, gzipped or not, or its parent.
/// @throws IoError if a file is missing, damaged, of other images, or has a label out of range.
/// @source Xiao, Rasul, Vollgraf: Fashion-MNIST, arXiv:1708.07747.
inline Dataset load_fashion_mnist(const std::string& dir, Part part) {
  constexpr std::size_t side = 28;
  const std::string start = part == Part::train ? "train" : "t10k";
  const std::string image_path = detail::fashion_mnist_file(dir, start + "-images-idx3-ubyte");
  const std::string label_path = detail::fashion_mnist_file(dir, start + "-labels-idx1-ubyte");
  const RawArray gray = read_idx(image_path, 3), labels = read_idx(label_path, 1);
  if (gray.shape[0] == 0 || gray.shape[1] != side || gray.shape[2] != side)
    throw IoError(image_path, "wanted images of 28 x 28, got " + shape_text(gray.shape));
  if (labels.shape[0] != gray.shape[0])
    throw IoError(label_path, "wanted " + std::to_string(gray.shape[0]) + " labels, one an image, got " +
                                  std::to_string(labels.shape[0]));
  Dataset dataset{
      "fashion_mnist",
      {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
      make_host_array<std::uint8_t, 4>({gray.shape[0], side, side, 3}),
      {}};
  std::uint8_t* image = dataset.images.data();
  for (const std::uint8_t value : gray.bytes)
    for (int channel = 0; channel < 3; ++channel) *image++ = value;
  dataset.labels = detail::read_labels(labels, label_path, dataset.classes.size());
  return dataset;
}

}  // namespace lotar
