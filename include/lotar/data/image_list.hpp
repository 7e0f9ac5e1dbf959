#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/json.hpp>

namespace lotar {

/// Image files and their labels: a data set before any image is read.
struct ImageList {
  std::vector<std::string> classes;
  std::vector<std::string> paths;    // to open
  std::vector<std::int32_t> labels;  // of each path, 0 <= label < classes.size()
};

namespace detail {

namespace fs = std::filesystem;

inline constexpr std::size_t max_listed_images = std::size_t{1} << 24;

/// A folder of images, with all links in its path resolved.
class ImageRoot {
 public:
  explicit ImageRoot(const std::string& dir) {
    std::error_code error;
    root_ = fs::canonical(dir, error);
    if (error || !fs::is_directory(root_, error)) throw IoError(dir, "wanted a folder of images");
  }

  const fs::path& path() const { return root_; }

  /// The file that a path below the root leads to.
  /// @param where  who names the path, for the message.
  /// @throws IoError if it is absolute, contains "..", leads out of the root through a link, or to nothing that
  ///         can be found.
  std::string file(const std::string& where, const fs::path& relative) const {
    const auto refuse = [&](const std::string& what) {
      return IoError(where, "\"" + relative.string() + "\" " + what);
    };
    if (relative.empty() || relative.is_absolute() ||
        std::find(relative.begin(), relative.end(), "..") != relative.end())
      throw refuse("is not a path below the folder of the data set");
    std::error_code error;
    const fs::path real = fs::canonical(root_ / relative, error);
    if (error == std::errc::no_such_file_or_directory) throw refuse("is missing");
    if (error) throw refuse("cannot be found: " + error.message());
    if (std::mismatch(root_.begin(), root_.end(), real.begin(), real.end()).first != root_.end())
      throw refuse("leads out of the folder of the data set");
    return (root_ / relative).string();
  }

 private:
  fs::path root_;
};

/// What a folder holds but for hidden files, in byte order.
inline std::vector<std::string> sorted_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (names.size() == max_listed_images)
      throw IoError(folder.string(), "wanted at most " + std::to_string(max_listed_images) + " files");
    std::string name = at->path().filename().string();
    if (!name.starts_with('.')) names.push_back(std::move(name));
  }
  if (error) throw IoError(folder.string(), "cannot list its files: " + error.message());
  std::sort(names.begin(), names.end());
  return names;
}

inline bool has_image_extension(const std::string& name) {
  std::string extension = fs::path(name).extension().string();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

/// The classes of root/part: its folders, in byte order.
inline std::vector<std::string> class_folders(const ImageRoot& root, const std::string& part) {
  const fs::path folder = root.path() / part;
  std::vector<std::string> names = sorted_names(folder);
  if (names.empty()) throw IoError(folder.string(), "wanted a folder for each class, it is empty");
  for (const std::string& name : names) {
    std::error_code ignored;
    if (!fs::is_directory(folder / name, ignored))
      throw IoError((folder / name).string(), "wanted the folder of a class");
    try {
      static_cast<void>(Json(name).dump());
    } catch (const Json::exception&) {
      throw IoError((folder / name).string(), "wanted the name of a class in UTF-8");
    }
  }
  return names;
}

/// The images of root/part/CLASS/.
inline ImageList list_class_folders(const ImageRoot& root, const std::string& part) {
  ImageList list{class_folders(root, "train"), {}, {}};
  if (part != "train") {
    const std::vector<std::string> classes = class_folders(root, part);
    std::vector<std::string> odd;
    std::set_symmetric_difference(classes.begin(), classes.end(), list.classes.begin(), list.classes.end(),
                                  std::back_inserter(odd));
    if (!odd.empty())
      throw IoError((root.path() / part).string(),
                    "wanted the classes of train, but \"" + odd.front() + "\" is in one of the two only");
  }
  for (std::size_t c = 0; c < list.classes.size(); ++c) {
    const fs::path folder = fs::path(part) / list.classes[c];
    const std::string where = (root.path() / folder).string();
    const std::vector<std::string> names = sorted_names(root.path() / folder);
    if (names.empty()) throw IoError(where, "a class without images: wanted .jpg, .jpeg or .png files");
    if (names.size() > max_listed_images - list.paths.size())
      throw IoError(where, "wanted at most " + std::to_string(max_listed_images) + " images in all");
    for (const std::string& name : names) {
      if (!has_image_extension(name)) throw IoError(where + "/" + name, "wanted a .jpg, .jpeg or .png file");
      list.paths.push_back(root.file(where, folder / name));
      list.labels.push_back(static_cast<std::int32_t>(c));
    }
  }
  return list;
}

/// The images of a list file, by lines of a path, a space and a label.
/// @param classes  that the labels are below; 0: as many as there are labels.
inline ImageList read_list_file(const ImageRoot& root, const std::string& name, std::size_t classes) {
  constexpr std::size_t max_line = 4096;
  const std::string path = (root.path() / name).string();
  const Bytes bytes = read_file(path, std::uint64_t{1} << 31);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.ends_with('\n')) text.remove_suffix(1);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (lines > max_listed_images) throw IoError(path, "wanted at most " + std::to_string(max_listed_images) + " lines");
  const std::size_t labels = classes > 0 ? classes : lines;  // each class has a line, so no label reaches `lines`

  ImageList list;
  std::vector<std::size_t> counts;
  for (std::size_t number = 1; number <= lines; ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::string where = path + ": line " + std::to_string(number);
    if (line.size() > max_line)
      throw IoError(where, "wanted at most " + std::to_string(max_line) + " bytes, got " + std::to_string(line.size()));
    const std::size_t space = line.rfind(' ');
    std::int64_t label = 0;
    const char* const end = line.data() + line.size();
    if (space == std::string_view::npos || line.find('\0') != std::string_view::npos)
      throw IoError(where, "wanted a path, a space and a label, got \"" + std::string(line) + "\"");
    const auto [last, error] = std::from_chars(line.data() + space + 1, end, label);
    if (error != std::errc() || last != end)
      throw IoError(where, "wanted a path, a space and a label, got \"" + std::string(line) + "\"");
    if (label < 0 || static_cast<std::uint64_t>(label) >= labels)
      throw IoError(where, "wanted a label of 0 to " + std::to_string(labels - 1) + ", got " + std::to_string(label));
    list.paths.push_back(root.file(where, fs::path(line.substr(0, space))));
    list.labels.push_back(static_cast<std::int32_t>(label));
    if (counts.size() <= static_cast<std::size_t>(label)) counts.resize(static_cast<std::size_t>(label) + 1);
    ++counts[static_cast<std::size_t>(label)];
  }
  if (counts.size() < classes) counts.resize(classes);
  const auto empty = std::find(counts.begin(), counts.end(), std::size_t{0});
  if (empty != counts.end())
    throw IoError(path, "class " + std::to_string(empty - counts.begin()) + " of " + std::to_string(counts.size()) +
                            " has no images");
  for (std::size_t c = 0; c < counts.size(); ++c) list.classes.push_back(std::to_string(c));
  return list;
}

}  // namespace detail

/// Finds the images of one part of a data set of one's own, which lies in a folder in one of two ways:
///
///   list files    DIR/train.txt and DIR/test.txt, or val.txt, with lines "relative/path label" as ImageNet-LT,
///                 Places-LT and iNaturalist have them: the path, from DIR, ends at the line's last space; labels are
///                 0 to C - 1, which are the names of the classes too
///   class folders DIR/train/CLASS/* and DIR/test/CLASS/*, or val: .jpg, .jpeg and .png files; classes and files are
///                 taken in byte order, hidden files are not
///
/// With DIR/train.txt it is the first. Every class has an image in both parts.
/// @throws IoError if files are missing, out of place or not below dir, links followed; for a list's line that is
///         longer than 4096 bytes, has another form or a label out of range; for a class without images; for classes in
///         the test part that the training part has not; for more than 2^24 images.
/// @cost   reads no image.
inline ImageList list_images(const std::string& dir, Part part) {
  const detail::ImageRoot root(dir);
  const auto exists = [&](const std::string& name) {
    std::error_code ignored;
    return detail::fs::exists(root.path() / name, ignored);
  };
  const bool files = exists("train.txt");
  if (!files && !exists("train"))
    throw IoError(dir,
                  "no images here: wanted train/CLASS/*.jpg and test/CLASS/*.jpg (or .png), or train.txt and "
                  "test.txt with lines \"relative/path label\"");
  const std::string ending = files ? ".txt" : "";
  std::string name = part == Part::train ? "train" : "test";
  if (part == Part::test && !exists(name + ending)) name = "val";
  if (!exists(name + ending))
    throw IoError(dir, "no test images here: wanted test" + ending + " or val" + ending + " beside train" + ending);
  if (!files) return detail::list_class_folders(root, name);
  ImageList list = detail::read_list_file(root, "train.txt", 0);
  return part == Part::train ? list : detail::read_list_file(root, name + ".txt", list.classes.size());
}

}  // namespace lotar
