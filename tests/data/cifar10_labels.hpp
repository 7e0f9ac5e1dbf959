#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "../files.hpp"

/// The 50,000 labels of CIFAR-10's training images in their official order, from a file of two labels a byte, the lower
/// four bits first.
inline std::vector<std::int32_t> cifar10_train_labels() {
  const auto path = std::filesystem::path(__FILE__).parent_path() / "cifar10_train_labels.bin";
  std::vector<std::int32_t> labels;
  for (const char byte : read_bytes(path.string())) {
    labels.push_back(byte & 15);
    labels.push_back(byte >> 4 & 15);
  }
  if (labels.size() != 50000) throw std::runtime_error("cannot read " + path.string());
  return labels;
}
