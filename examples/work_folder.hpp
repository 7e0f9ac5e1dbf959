#pragma once

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>

/// Folders that one process at a time works in, and what those that were killed left there.
namespace examples {

/// A folder that no other process locks, where its file system has locks. Children inherit the lock: it lasts until the
/// last of them has ended.
class FolderLock {
 public:
  /// @throws lotar::ConfigError if another process holds it; lotar::IoError if the folder cannot be written.
  explicit FolderLock(const std::string& folder)
      : file_(::open((folder + "/" + file_name).c_str(), O_RDWR | O_CREAT, 0666)) {
    if (file_.get() < 0) throw lotar::detail::system_error(folder, "cannot write there");
    if (::flock(file_.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
      throw lotar::ConfigError(folder + ": another process is at work there");
  }

  static constexpr const char* file_name = ".lock";

 private:
  lotar::detail::Descriptor file_;
};

namespace detail {

inline std::vector<std::filesystem::path> files_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(folder, missing)) files.push_back(entry.path());
  return files;
}

}  // namespace detail

/// The name of a file in a folder, neither its lock nor one that is being written; "" if there is none.
inline std::string content_of(const std::filesystem::path& folder) {
  for (const auto& file : detail::files_of(folder))
    if (file.filename() != FolderLock::file_name && !lotar::is_temporary(file.filename().string()))
      return file.filename().string();
  return "";
}

/// Removes what processes that were killed while they wrote left in a folder.
inline void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code unimportant;
  for (const auto& file : detail::files_of(folder))
    if (lotar::is_temporary(file.filename().string()) && std::filesystem::is_regular_file(file, unimportant))
      std::filesystem::remove(file, unimportant);
}

}  // namespace examples
