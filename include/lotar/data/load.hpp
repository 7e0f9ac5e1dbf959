#pragma once

#include <string>

#include <lotar/core/error.hpp>
#include <lotar/data/cifar.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/fashion_mnist.hpp>
#include <lotar/data/image_list.hpp>
#include <lotar/data/load_images.hpp>
#include <lotar/data/synthetic.hpp>

namespace lotar {

/// Reads a data set by its name.
///
/// @param kind     cifar10, cifar100, fashion_mnist, synthetic, or folder: images of one's own (image_list.hpp).
/// @param dir      the folder of its files, or its parent, but for folder; synthetic needs none.
/// @param options  of folder.
/// @throws ConfigError for another name or options out of range; IoError for files that are missing or damaged.
inline Dataset load_dataset(const std::string& kind, const std::string& dir, Part part,
                            const LoadOptions& options = {}) {
  if (kind == "cifar10") return load_cifar(dir, part, cifar10_format());
  if (kind == "cifar100") return load_cifar(dir, part, cifar100_format());
  if (kind == "fashion_mnist") return load_fashion_mnist(dir, part);
  if (kind == "synthetic") return make_synthetic(part);
  if (kind == "folder") return load_images(list_images(dir, part), kind, options);
  throw ConfigError("data set \"" + kind + "\": wanted cifar10, cifar100, fashion_mnist, synthetic or folder");
}

}  // namespace lotar
