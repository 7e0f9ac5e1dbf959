#include <lotar/data/split_file.hpp>

#include <lotar/data/long_tail.hpp>

#include "../files.hpp"
#include "../test.hpp"
#include "cifar10_labels.hpp"

using namespace lotar;

/// Labels 0 1 2 0 1 2 ... without images.
static Dataset labelled(std::size_t images = 12) {
  Dataset dataset{"small", {"a", "b", "c"}, {}, {}};
  for (std::size_t i = 0; i < images; ++i) dataset.labels.push_back(static_cast<std::int32_t>(i % 3));
  return dataset;
}

static const std::string fingerprint = label_fingerprint(labelled().labels);
static const std::string valid =
    "lotar-split 1\ndataset small\nmade by hand\nlabels 12 " + fingerprint + "\ncounts 2 1 1\nindices 4\n9 4 0 11\n";

TEST_CASE("a split comes back as it was written") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const Split split = make_split(labelled(), {9, 4, 0, 11}, "by hand");
  CHECK(split.counts == std::vector<std::size_t>{2, 1, 1});
  write_split(path, split);
  CHECK(read_bytes(path) == valid);
  const Split read = load_split(path, labelled());
  CHECK(read.dataset == "small");
  CHECK(read.made == "by hand");
  CHECK(read.images == 12);
  CHECK(read.fingerprint == fingerprint);
  CHECK(read.counts == split.counts);
  CHECK(read.indices == split.indices);

  std::vector<std::uint32_t> many(100);  // several lines
  for (std::uint32_t i = 0; i < 100; ++i) many[i] = 199 - i;
  write_split(path, make_split(labelled(200), many, "x"));
  CHECK(load_split(path, labelled(200)).indices == many);
}

TEST_CASE("a split of other labels is refused, naming both fingerprints") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, valid);
  Dataset other = labelled();
  other.name = "other";
  std::swap(other.labels[3], other.labels[4]);
  CHECK_THROWS_WITH_AS(load_split(path, other),
                       (path + ": made for 12 labels of fingerprint " + fingerprint + " (small), but other has 12 of " +
                        label_fingerprint(other.labels))
                           .c_str(),
                       IoError);
}

TEST_CASE("damaged splits are refused") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const auto refusal = [&](const std::string& from, const std::string& to) -> std::string {
    std::string text = valid;
    text.replace(text.find(from), from.size(), to);
    write_bytes(path, text);
    try {
      load_split(path, labelled());
    } catch (const IoError& error) {
      return std::string(error.what()).substr(path.size());
    }
    return "read";
  };
  CHECK(refusal("hand", "feet") == "read");
  CHECK(refusal("lotar", "ratol") == ": at byte 0: not a split file");
  CHECK(refusal("split 1", "split 2") == ": at byte 0: a split file of another version, wanted 1");
  CHECK(refusal("dataset", "data") == ": at byte 14: wanted a line \"dataset ...\"");
  CHECK(refusal("made by hand\n", "") == ": at byte 28: wanted a line \"made ...\"");
  CHECK(refusal("labels 12 ", "labels 12") == ": at byte 48: wanted a number");
  CHECK(refusal("labels 12", "labels x") == ": at byte 48: wanted a number");
  CHECK(refusal(fingerprint, "00") == ": at byte 48: wanted the number of labels and their SHA-256");
  CHECK(refusal("2 1 1", "2 0 2") == ": at byte 123: a class without images");
  CHECK(refusal("2 1 1", "2  1") == ": at byte 125: wanted a number");
  CHECK(refusal("2 1 1", "1 2 1") == ": its counts are not those of its indices' labels");
  CHECK(refusal("2 1 1", "2 1 1 1") == ": at byte 139: wanted the sum of the counts, 5");
  CHECK(refusal("2 1 1", "2 1 4294967296") == ": at byte 127: number too large");
  CHECK(refusal("2 1 1", "1 1 1 1 1 1 1 1 1 1 1 1 x") == ": at byte 147: wanted a number");
  CHECK(refusal("2 1 1", "1 1 1 1 1 1 1 1 1 1 1 1 1 x") == ": at byte 147: wanted no more numbers than 12");
  CHECK(refusal("indices 4", "indices 4 4 x") == ": at byte 139: wanted no more numbers than 1");
  CHECK(refusal("indices 4", "indices 5") == ": at byte 137: wanted the sum of the counts, 4");
  CHECK(refusal("9 4 0 11", "9 4 0") == ": at byte 139: wanted 4 indices, got 3");
  CHECK(refusal("9 4 0 11", "9 4 0 11 1 x") == ": at byte 148: wanted no more numbers than 4");
  CHECK(refusal("9 4 0 11", "9 4 0 9") == ": index 9 comes twice");
  CHECK(refusal("9 4 0 11", "9 4 0 12") == ": wanted indices below 12, got 12");
  CHECK(refusal("9 4 0 11", "9 4 0 -1") == ": at byte 145: wanted a number");
  CHECK(refusal("9 4 0 11\n", "9 4 0 11\r\n") == ": at byte 145: wanted a number");
  CHECK(refusal("9 4 0 11\n", "9 4 0 11") == ": at byte 147: wanted the end of a line, the file ends here");
  CHECK(refusal("9 4 0 11\n", "9 4 0 11\n\n") == ": at byte 148: wanted a number");
  std::filesystem::resize_file(path, (std::size_t{1} << 28) + 1);
  CHECK_THROWS_WITH_AS(read_split(path), (path + ": wanted at most 268435456 bytes, got 268435457").c_str(), IoError);
}

TEST_CASE("every cut and every changed byte of a split file is refused or read") {
  const auto load = [](const std::string& path) { load_split(path, labelled()); };
  check_truncations(valid, load);
  check_mutations(valid, load);
}

TEST_CASE("a list of indices in an npy file is a split") {
  const ScratchFolder folder;
  const std::string path = folder / "file.npy";
  const auto refusal = [&](std::vector<std::size_t> shape, const std::vector<std::int64_t>& indices) -> std::string {
    write_npy<std::int64_t>(path, std::move(shape), indices);
    try {
      load_split(path, labelled());
    } catch (const IoError& error) {
      return std::string(error.what()).substr(path.size());
    }
    return "read";
  };
  CHECK(refusal({3}, {2, 4, 0}) == "read");
  const Split split = load_split(path, labelled());
  CHECK(split.indices == std::vector<std::uint32_t>{2, 4, 0});
  CHECK(split.counts == std::vector<std::size_t>{1, 1, 1});
  CHECK(split.fingerprint == fingerprint);
  CHECK(refusal({1, 3}, {2, 4, 0}) == ": wanted a list of at most 12 indices, got [1, 3]");
  CHECK(refusal({13}, std::vector<std::int64_t>(13)) == ": wanted a list of at most 12 indices, got [13]");
  CHECK(refusal({0}, {}) == ": wanted at least one index");
  CHECK(refusal({3}, {2, 4, 12}) == ": wanted indices below 12, got 12");
  CHECK(refusal({3}, {2, 4, -1}) == ": wanted indices below 12, got -1");
  CHECK(refusal({4}, {2, 4, 0, 4}) == ": index 4 comes twice");
  CHECK(refusal({2}, {2, 4}) == ": class 0 without images");
  const std::vector<float> floats{1};
  write_npy<float>(path, {1}, floats);
  CHECK_THROWS_WITH_AS(load_split(path, labelled()), (path + ": wanted integers, got f32").c_str(), IoError);
}

TEST_CASE("write_split refuses what read_split would") {
  const ScratchFolder folder;
  const auto refusal = [&](const Split& split) -> std::string {
    try {
      write_split(folder / "file", split);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "written";
  };
  const Split split = make_split(labelled(), {9, 4, 0, 11}, "by hand");
  const auto changed = [&](auto change) {
    Split copy = split;
    change(copy);
    return refusal(copy);
  };
  CHECK(refusal(make_split(labelled(), {9, 4, 0, 11, 4}, "")) == "write_split: index 4 comes twice");
  CHECK(refusal(make_split(labelled(), {9, 0, 11}, "")) == "write_split: class 1 without images");
  CHECK(refusal(make_split(labelled(), {}, "")) == "write_split: wanted at least one index");
  CHECK(refusal(make_split(labelled(), {9, 4, 11}, "two\nlines")) ==
        "write_split: wanted a name and a note of one line each");
  CHECK(changed([](Split& s) { s.dataset += '\n'; }) == "write_split: wanted a name and a note of one line each");
  CHECK(changed([](Split& s) { s.images = std::size_t{1} << 32; }) ==
        "write_split: wanted fewer than 2^32 images, got 4294967296");
  CHECK(changed([](Split& s) { s.images = 11; }) == "write_split: wanted indices below 11, got 11");
  CHECK(changed([](Split& s) { s.counts[0] = 3; }) == "write_split: counts of 5 images, got 4 indices");
  CHECK(changed([](Split& s) { s.fingerprint = "0"; }) == "write_split: wanted a fingerprint of 64 hexadecimal digits");
  CHECK(folder.files() == 0);
  CHECK(changed([](Split& s) { s.images = 0xFFFFFFFF; }) == "written");
  CHECK(read_split(folder / "file").images == 0xFFFFFFFF);
}

TEST_CASE("make_split refuses an index out of range") {
  CHECK_THROWS_WITH_AS(make_split(labelled(), {12}, ""), "make_split: index 12 of 12 images", ShapeError);
}

TEST_CASE("the project's splits are what the library makes, to the byte, for CIFAR-10's labels") {
  const Dataset dataset{"cifar10", std::vector<std::string>(10), {}, cifar10_train_labels()};
  const auto folder = std::filesystem::path(__FILE__).parent_path() / "../../splits";
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const auto path = folder / ("cifar10_exp100_shuffled_philox_seed" + std::to_string(seed) + ".txt");
    const LongTailOptions options{.seed = seed};
    const Split made = make_split(dataset, long_tail_indices(dataset.labels, 10, options), long_tail_text(options));
    CHECK(split_text(made) == read_bytes(path.string()));
    CHECK(load_split(path.string(), dataset).indices == made.indices);
  }
}
