#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/host_array.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

/// Where the images of a CIFAR data set lie: files of records, each its label bytes and then the red, green and blue
/// planes of 32 x 32 pixels.
struct CifarFormat {
  std::string name;
  std::vector<std::string> classes;
  /// The folder that the archive unpacks to.
  std::string folder;
  std::vector<std::string> train_files, test_files;
  std::size_t train_records, test_records;  // in each file
  /// How many coarser classes each of the label bytes before the label's own tells apart.
  std::vector<std::size_t> coarse_classes;
  /// What the last sentence of a message about missing files says.
  std::string source;
};

/// CIFAR-10 in its official binary version.
/// @source Krizhevsky: Learning multiple layers of features from tiny images, 2009.
inline CifarFormat cifar10_format() {
  return {"cifar10",
          {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
          "cifar-10-batches-bin",
          {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
          {"test_batch.bin"},
          10000,
          10000,
          {},
          "cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530, sha256 "
          "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd)"};
}

/// CIFAR-100 in its official binary version, with the 100 fine labels; the 20 coarse ones are checked only.
inline CifarFormat cifar100_format() {
  return {"cifar100",
          {"apple",      "aquarium_fish", "baby",         "bear",       "beaver",      "bed",         "bee",
           "beetle",     "bicycle",       "bottle",       "bowl",       "boy",         "bridge",      "bus",
           "butterfly",  "camel",         "can",          "castle",     "caterpillar", "cattle",      "chair",
           "chimpanzee", "clock",         "cloud",        "cockroach",  "couch",       "crab",        "crocodile",
           "cup",        "dinosaur",      "dolphin",      "elephant",   "flatfish",    "forest",      "fox",
           "girl",       "hamster",       "house",        "kangaroo",   "keyboard",    "lamp",        "lawn_mower",
           "leopard",    "lion",          "lizard",       "lobster",    "man",         "maple_tree",  "motorcycle",
           "mountain",   "mouse",         "mushroom",     "oak_tree",   "orange",      "orchid",      "otter",
           "palm_tree",  "pear",          "pickup_truck", "pine_tree",  "plain",       "plate",       "poppy",
           "porcupine",  "possum",        "rabbit",       "raccoon",    "ray",         "road",        "rocket",
           "rose",       "sea",           "seal",         "shark",      "shrew",       "skunk",       "skyscraper",
           "snail",      "snake",         "spider",       "squirrel",   "streetcar",   "sunflower",   "sweet_pepper",
           "table",      "tank",          "telephone",    "television", "tiger",       "tractor",     "train",
           "trout",      "tulip",         "turtle",       "wardrobe",   "whale",       "willow_tree", "wolf",
           "woman",      "worm"},
          "cifar-100-binary",
          {"train.bin"},
          {"test.bin"},
          50000,
          10000,
          {20},
          "cifar-100-binary.tar.gz (md5 03b5dce01913d631647c71ecec9e9cb8)"};
}

namespace detail {

inline constexpr std::size_t cifar_side = 32, cifar_pixels = cifar_side * cifar_side;

/// The folder that has all of the files: dir or dir/format.folder.
inline std::filesystem::path cifar_folder(const std::string& dir, const CifarFormat& format,
                                          const std::vector<std::string>& files) {
  for (const std::filesystem::path& folder : {std::filesystem::path(dir), std::filesystem::path(dir) / format.folder}) {
    std::error_code ignored;
    std::size_t found = 0;
    for (const std::string& file : files) found += std::filesystem::exists(folder / file, ignored) ? 1 : 0;
    if (found == files.size()) return folder;
  }
  std::string wanted;
  for (const std::string& file : files) wanted += (wanted.empty() ? "" : ", ") + file;
  throw IoError(dir, "no " + format.name + " here: wanted " + wanted + " in this folder or in its " + format.folder +
                         "; they come in " + format.source + " from the CIFAR page of the University of Toronto");
}

}  // namespace detail

/// Reads one part of a CIFAR data set.
///
/// @param dir     the folder of the files, or its parent.
/// @throws IoError if a file is missing, not of the size of its records, or has a label out of range.
inline Dataset load_cifar(const std::string& dir, Part part, const CifarFormat& format) {
  using detail::cifar_pixels, detail::cifar_side;
  const auto& files = part == Part::train ? format.train_files : format.test_files;
  const std::size_t records = part == Part::train ? format.train_records : format.test_records;
  std::vector<std::size_t> limits = format.coarse_classes;  // of the label bytes
  limits.push_back(format.classes.size());
  const std::size_t record_bytes = limits.size() + 3 * cifar_pixels;
  const std::filesystem::path folder = detail::cifar_folder(dir, format, files);
  Dataset dataset{format.name,
                  format.classes,
                  make_host_array<std::uint8_t, 4>({files.size() * records, cifar_side, cifar_side, 3}),
                  {}};
  dataset.labels.reserve(files.size() * records);
  std::uint8_t* image = dataset.images.data();
  Bytes record(record_bytes);
  for (const std::string& name : files) {
    InputFile file((folder / name).string());
    if (file.size() != records * record_bytes)
      throw IoError(file.path(), "wanted " + std::to_string(records) + " records of " + std::to_string(record_bytes) +
                                     " bytes, got " + std::to_string(file.size()) + " bytes");
    for (std::size_t r = 0; r < records; ++r) {
      file.read(record.data(), record_bytes);
      for (std::size_t i = 0; i < limits.size(); ++i)
        if (record[i] >= limits[i])
          throw IoError(file.path(), r * record_bytes + i,
                        "record " + std::to_string(r) + ": wanted a label below " + std::to_string(limits[i]) +
                            ", got " + std::to_string(record[i]));
      dataset.labels.push_back(record[limits.size() - 1]);
      const std::uint8_t* planes = record.data() + limits.size();
      for (std::size_t pixel = 0; pixel < cifar_pixels; ++pixel)
        for (std::size_t channel = 0; channel < 3; ++channel) *image++ = planes[channel * cifar_pixels + pixel];
    }
  }
  return dataset;
}

}  // namespace lotar
