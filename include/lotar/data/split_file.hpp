#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/npy.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// A subset of the images of a data set, and what it takes to know that data set again.
struct Split {
  std::string dataset;                 // its name
  std::string made;                    // how the subset was chosen, one line
  std::size_t images = 0;              // of the data set
  std::string fingerprint;             // label_fingerprint of the data set
  std::vector<std::size_t> counts;     // images of each class in the subset, none 0
  std::vector<std::uint32_t> indices;  // into the data set, each once
};

namespace detail {

inline constexpr std::size_t max_split_bytes = std::size_t{1} << 28;

/// What is wrong with indices that are to be unique and below `images`, or "".
inline std::string index_fault(std::span<const std::uint32_t> indices, std::size_t images) {
  std::vector<std::uint32_t> sorted(indices.begin(), indices.end());
  std::sort(sorted.begin(), sorted.end());
  if (sorted.empty()) return "wanted at least one index";
  if (sorted.back() >= images)
    return "wanted indices below " + std::to_string(images) + ", got " + std::to_string(sorted.back());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  return twice == sorted.end() ? "" : "index " + std::to_string(*twice) + " comes twice";
}

/// Whether a text is a SHA-256 in hexadecimal digits.
inline bool is_sha256(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Reads the text of a split file, strictly in the order and form in which write_split writes it.
class SplitText {
 public:
  SplitText(const std::string& path, std::string_view text) : path_(path), text_(text) {}

  /// The rest of the line, which must start with the key and a space.
  std::string_view line(std::string_view key) {
    const std::size_t start = at_, end = text_.find('\n', at_);
    if (end == std::string_view::npos) fail(at_, "wanted a line \"" + std::string(key) + " ...\"");
    const std::string_view whole = text_.substr(start, end - start);
    if (!whole.starts_with(key) || whole.substr(key.size(), 1) != " ")
      fail(at_, "wanted a line \"" + std::string(key) + " ...\"");
    at_ = end + 1;
    return whole.substr(key.size() + 1);
  }

  /// All numbers in the text, which is a part of the file, separated by single spaces or line ends; `most` at most.
  std::vector<std::uint32_t> numbers(std::string_view text, std::size_t most) const {
    std::vector<std::uint32_t> values;
    const char *at = text.data(), *end = at + text.size();
    while (at != end) {
      std::uint32_t value = 0;
      const auto [next, error] = std::from_chars(at, end, value);
      const auto offset = static_cast<std::size_t>(at - text_.data());
      if (error == std::errc::result_out_of_range) fail(offset, "number too large");
      if (error != std::errc() || (next != end && *next != ' ' && *next != '\n')) fail(offset, "wanted a number");
      if (values.size() == most) fail(offset, "wanted no more numbers than " + std::to_string(most));
      values.push_back(value);
      at = next == end ? end : next + 1;
    }
    return values;
  }

  std::string_view rest() const { return text_.substr(at_); }
  [[noreturn]] void fail(std::size_t offset, const std::string& what) const { throw IoError(path_, offset, what); }

 private:
  const std::string& path_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// A split of these indices.
///
/// @param made  how they were chosen, one line.
/// @throws ShapeError for an index that is not below dataset.size().
inline Split make_split(const Dataset& dataset, std::vector<std::uint32_t> indices, std::string made) {
  std::vector<std::int32_t> labels;
  labels.reserve(indices.size());
  for (const std::uint32_t index : indices) {
    if (index >= dataset.size())
      throw ShapeError("make_split: index " + std::to_string(index) + " of " + std::to_string(dataset.size()) +
                       " images");
    labels.push_back(dataset.labels[index]);
  }
  return {dataset.name,
          std::move(made),
          dataset.size(),
          label_fingerprint(dataset.labels),
          count_classes(labels, dataset.classes.size()),
          std::move(indices)};
}

/// The text of a split file.
inline std::string split_text(const Split& split) {
  std::string text = "lotar-split 1\ndataset " + split.dataset + "\nmade " + split.made + "\nlabels " +
                     std::to_string(split.images) + " " + split.fingerprint + "\ncounts";
  for (const std::size_t count : split.counts) text += " " + std::to_string(count);
  text += "\nindices " + std::to_string(split.indices.size()) + "\n";
  for (std::size_t i = 0; i < split.indices.size(); ++i)
    text += std::to_string(split.indices[i]) + (i % 16 == 15 || i + 1 == split.indices.size() ? "\n" : " ");
  return text;
}

/// Writes a split file, whole or not at all.
///
/// @throws ConfigError for a split that the reader would refuse: an index twice or out of range, an empty class, counts
///         that are not the number of indices, 2^32 images or more, a name or a note with a line end, a text of more
///         than 256 MiB.
/// @throws IoError if the file cannot be written.
inline void write_split(const std::string& path, const Split& split) {
  const auto require = [](bool sound, const std::string& fault) {
    if (!sound) throw ConfigError("write_split: " + fault);
  };
  require((split.dataset + split.made).find('\n') == std::string::npos, "wanted a name and a note of one line each");
  require(detail::is_sha256(split.fingerprint), "wanted a fingerprint of 64 hexadecimal digits");
  require(split.images <= 0xFFFFFFFF, "wanted fewer than 2^32 images, got " + std::to_string(split.images));
  const std::string fault = detail::index_fault(split.indices, split.images);
  require(fault.empty(), fault);
  const auto empty = std::find(split.counts.begin(), split.counts.end(), 0u);
  require(empty == split.counts.end(), "class " + std::to_string(empty - split.counts.begin()) + " without images");
  const std::size_t total = std::accumulate(split.counts.begin(), split.counts.end(), std::size_t{0});
  require(total == split.indices.size(),
          "counts of " + std::to_string(total) + " images, got " + std::to_string(split.indices.size()) + " indices");
  const std::string text = split_text(split);
  require(text.size() <= detail::max_split_bytes, "a text of " + std::to_string(text.size()) + " bytes is too long");
  write_file_atomically(path, text);
}

/// Reads a split file.
///
/// @throws IoError if it is missing, damaged, larger than 256 MiB, or contradicts itself: an index twice or out of
///         range, counts that are not the number of indices, an empty class.
inline Split read_split(const std::string& path) {
  const Bytes bytes = read_file(path, detail::max_split_bytes);
  const std::string_view whole(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  detail::SplitText text(path, whole);
  if (!whole.starts_with("lotar-split ")) throw IoError(path, 0, "not a split file");
  if (text.line("lotar-split") != "1") throw IoError(path, 0, "a split file of another version, wanted 1");
  Split split;
  split.dataset = text.line("dataset");
  split.made = text.line("made");
  const std::string_view labels = text.line("labels");
  const std::size_t space = std::min(labels.find(' '), labels.size());
  const auto images = text.numbers(labels.substr(0, space), 1);
  split.fingerprint = labels.substr(std::min(space + 1, labels.size()));
  const auto offset = [&](std::string_view part) { return static_cast<std::size_t>(part.data() - whole.data()); };
  if (images.size() != 1 || !detail::is_sha256(split.fingerprint))
    text.fail(offset(labels), "wanted the number of labels and their SHA-256");
  split.images = images[0];

  const std::string_view counts = text.line("counts");
  // a class takes 4 bytes at least: " 1" here and "0 " there
  const auto classes = text.numbers(counts, std::min(split.images, bytes.size() / 4));
  split.counts.assign(classes.begin(), classes.end());
  std::size_t total = 0;
  for (const std::size_t count : split.counts) {
    if (count == 0) text.fail(offset(counts), "a class without images");
    total += count;
  }
  const std::string_view size = text.line("indices");
  const auto sizes = text.numbers(size, 1);
  if (sizes.size() != 1 || sizes[0] != total)
    text.fail(offset(size), "wanted the sum of the counts, " + std::to_string(total));
  const std::string_view rest = text.rest();
  if (!rest.ends_with('\n')) text.fail(bytes.size(), "wanted the end of a line, the file ends here");
  split.indices = text.numbers(rest, total);
  if (split.indices.size() != total)
    text.fail(offset(rest),
              "wanted " + std::to_string(total) + " indices, got " + std::to_string(split.indices.size()));
  const std::string fault = detail::index_fault(split.indices, split.images);
  if (!fault.empty()) throw IoError(path, fault);
  return split;
}

/// Reads a subset of this data set: a split file, or an npy file of indices as SDCLR and BCL publish them.
///
/// @throws IoError if the file is damaged, or a split file was made for other labels than the data set's, or its counts
///         are not those of its indices.
inline Split load_split(const std::string& path, const Dataset& dataset) {
  std::uint8_t start[6] = {};
  InputFile file(path);
  file.read(start, std::min<std::uint64_t>(file.size(), sizeof(start)));
  if (start[0] == 0x93) {
    const RawArray array = read_npy(path, detail::max_split_bytes);
    if (array.shape.size() != 1 || array.shape[0] > dataset.size())
      throw IoError(path, "wanted a list of at most " + std::to_string(dataset.size()) + " indices, got " +
                              shape_text(array.shape));
    std::vector<std::uint32_t> indices;
    for (const std::int64_t index : array.integers(path)) {
      if (index < 0 || static_cast<std::uint64_t>(index) >= dataset.size())
        throw IoError(path,
                      "wanted indices below " + std::to_string(dataset.size()) + ", got " + std::to_string(index));
      indices.push_back(static_cast<std::uint32_t>(index));
    }
    const std::string fault = detail::index_fault(indices, dataset.size());
    if (!fault.empty()) throw IoError(path, fault);
    Split split = make_split(dataset, std::move(indices), "read from an npy file");
    const auto empty = std::find(split.counts.begin(), split.counts.end(), 0u);
    if (empty != split.counts.end())
      throw IoError(path, "class " + std::to_string(empty - split.counts.begin()) + " without images");
    return split;
  }
  Split split = read_split(path);
  const std::string fingerprint = label_fingerprint(dataset.labels);
  if (split.fingerprint != fingerprint || split.images != dataset.size())
    throw IoError(path, "made for " + std::to_string(split.images) + " labels of fingerprint " + split.fingerprint +
                            " (" + split.dataset + "), but " + dataset.name + " has " + std::to_string(dataset.size()) +
                            " of " + fingerprint);
  if (make_split(dataset, split.indices, "").counts != split.counts)
    throw IoError(path, "its counts are not those of its indices' labels");
  return split;
}

}  // namespace lotar
