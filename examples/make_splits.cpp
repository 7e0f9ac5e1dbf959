// Chooses a long-tailed subset of a data set and writes the indices of its images to a split file.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/groups.hpp>
#include <lotar/data/image_list.hpp>
#include <lotar/data/load.hpp>
#include <lotar/data/long_tail.hpp>
#include <lotar/data/split_file.hpp>
#include <lotar/io/file.hpp>

#include "program.hpp"

namespace {

struct Options {
  std::string data = "data", dataset = "cifar10", profile = "exp", order = "shuffled", generator = "philox", out;
  double ratio = 100;
  std::uint64_t seed = 1;
  bool force = false;
};

std::string default_name(const Options& options) {
  if (options.profile == "all") return options.dataset + "_all.txt";
  return options.dataset + "_" + options.profile + lotar::number_text(options.ratio) + "_" + options.order + "_" +
         options.generator + "_seed" + std::to_string(options.seed) + ".txt";
}

void print(const lotar::Dataset& dataset, const lotar::Split& split, const std::vector<lotar::Group>& groups) {
  std::printf("%5s  %-16s %7s  %s\n", "class", "name", "images", "group");
  for (std::size_t c = 0; c < split.counts.size(); ++c)
    std::printf("%5zu  %-16s %7zu  %s\n", c, dataset.classes[c].c_str(), split.counts[c], lotar::group_name(groups[c]));
  std::printf("%5s  %-16s %7zu\n", "", "all", split.indices.size());
}

/// The labels of the training part, which are all that a subset depends on; images of one's own are not read.
lotar::Dataset load_labels(const Options& options) {
  if (options.dataset != "folder") return lotar::load_dataset(options.dataset, options.data, lotar::Part::train);
  lotar::ImageList list = lotar::list_images(options.data, lotar::Part::train);
  return {options.dataset, std::move(list.classes), {}, std::move(list.labels)};
}

void make_splits(const Options& options) {
  const lotar::LongTailOptions long_tail{.profile = lotar::parse_profile(options.profile),
                                         .ratio = options.ratio,
                                         .order = lotar::parse_class_order(options.order),
                                         .generator = lotar::parse_split_generator(options.generator),
                                         .seed = options.seed};
  const lotar::Dataset dataset = load_labels(options);
  const lotar::Split split =
      lotar::make_split(dataset, lotar::long_tail_indices(dataset.labels, dataset.classes.size(), long_tail),
                        lotar::long_tail_text(long_tail));
  const std::vector<lotar::Group> groups = lotar::group_classes(split.counts);
  const std::string out = options.out.empty() ? default_name(options) : options.out;
  if (!options.force && std::filesystem::exists(out)) {
    const std::string text = lotar::split_text(split);
    if (lotar::read_file(out, std::uint64_t{1} << 30) != lotar::Bytes(text.begin(), text.end()))
      throw lotar::IoError(out, "exists and is another split; --force overwrites it");
  }
  lotar::write_split(out, split);
  print(dataset, split, groups);
  std::printf("%s: %s\n", out.c_str(), split.made.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Choose a long-tailed subset of a data set and write it to a split file.", "make_splits");
  app.option_defaults()->always_capture_default();
  app.add_option("--data", options.data, "Folder of the data set's files, or its parent");
  app.add_option("--dataset", options.dataset,
                 "cifar10, cifar100, fashion_mnist, synthetic, or folder for images of one's own");
  app.add_option("--profile", options.profile, "Images of the classes, from head to tail: exp, step or pareto; or all");
  app.add_option("--ratio", options.ratio, "Images of the head over images of the tail, at least 1");
  app.add_option("--seed", options.seed, "Another seed, another subset")->check(not_negative());
  app.add_option("--order", options.order,
                 "Which classes are the head: shuffled, or identity for the order of their ids");
  app.add_option("--generator", options.generator, "philox, or numpy to repeat numpy.random.seed and shuffle");
  app.add_option("--out", options.out, "File to write; empty for a name made of the options");
  app.add_flag("--force", options.force, "Overwrite another split");
  return run_program(app, argc, argv, [&] { make_splits(options); });
}
