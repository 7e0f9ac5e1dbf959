#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/view.hpp>
#include <lotar/data/groups.hpp>
#include <lotar/data/load.hpp>
#include <lotar/data/long_tail.hpp>
#include <lotar/data/split_file.hpp>
#include <lotar/io/json.hpp>

#include "pretrain_options.hpp"

/// The long-tailed training set of a run.
struct TrainingData {
  lotar::Split split;                ///< which images of the data set
  lotar::Dataset images;             ///< these
  std::vector<std::size_t> counts;   ///< of each class in it
  std::vector<lotar::Group> groups;  ///< of each class

  std::span<const std::uint8_t> pixels() const { return {images.images.data(), images.images.size()}; }
  lotar::Extents<4> shape() const {
    const auto& s = images.images.shape();
    return {{s[0], s[1], s[2], s[3]}};
  }
};

/// One part of the run's data set, from `dir`; says on stderr how far a long reading is.
inline lotar::Dataset load_part(const Options& o, const std::string& dir, lotar::Part part) {
  const auto progress = [said = std::size_t{0}](std::size_t done, std::size_t all) mutable {
    if (done < said + 5000) return;
    said = done;
    std::fprintf(stderr, "read %zu of %zu images\n", done, all);
  };
  const auto threads = static_cast<std::size_t>(std::max(o.threads, 0));
  constexpr std::size_t copies = 2;  // here, and the backend's
  return lotar::load_dataset(o.dataset, dir, part,
                             {.image_size = o.image_size, .threads = threads, .copies = copies, .progress = progress});
}

/// The split of the options: that of --split, or one made from --profile, --ratio and --split-seed.
inline lotar::Split choose_split(const Options& o, const lotar::Dataset& dataset) {
  if (!o.split.empty()) return lotar::load_split(o.split, dataset);
  const lotar::LongTailOptions long_tail{
      .profile = lotar::parse_profile(o.profile), .ratio = o.ratio, .seed = o.split_seed};
  return lotar::make_split(dataset, lotar::long_tail_indices(dataset.labels, dataset.classes.size(), long_tail),
                           lotar::long_tail_text(long_tail));
}

inline TrainingData load_training_data(const Options& o) {
  lotar::Dataset images = load_part(o, o.data, lotar::Part::train);
  lotar::Split split = choose_split(o, images);
  const bool everything = split.indices.size() == images.size() && std::ranges::is_sorted(split.indices);
  if (!everything) images = lotar::subset(images, split.indices);
  std::vector<std::size_t> counts = split.counts;
  std::vector<lotar::Group> groups = lotar::group_classes(counts);
  return {std::move(split), std::move(images), std::move(counts), std::move(groups)};
}

/// Where a run's folder has its split.
inline std::string split_path(const std::string& folder) {
  return (std::filesystem::path(folder) / "split.txt").string();
}

/// @throws lotar::IoError if a run's folder has another split.
inline void check_split(const std::string& folder, const lotar::Split& split) {
  const std::string path = split_path(folder);
  if (std::filesystem::exists(path) && lotar::split_text(lotar::read_split(path)) != lotar::split_text(split))
    throw lotar::IoError(path, "the run was trained on other images than those chosen now");
}

/// The means of values of the training images: {"many": ..., "medium": ..., "few": ..., "all": ...}.
inline lotar::Json group_means(std::span<const float> values, const TrainingData& data) {
  double sum[4] = {};
  std::size_t count[4] = {};
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto group = static_cast<std::size_t>(data.groups[static_cast<std::size_t>(data.images.labels[i])]);
    for (const std::size_t g : {group, std::size_t{3}}) sum[g] += static_cast<double>(values[i]), ++count[g];
  }
  const auto mean = [&](std::size_t g) { return sum[g] / static_cast<double>(count[g]); };
  return {{"many", mean(0)}, {"medium", mean(1)}, {"few", mean(2)}, {"all", mean(3)}};
}
