#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

/// A file that appears whole or not at all.
///
/// What is written goes to a temporary file in the same folder; commit() puts it in the place of the path. Until then,
/// and after any error or crash, what was at the path is untouched. The temporary file goes away with the object.
class AtomicFile {
 public:
  /// @throws IoError if no file can be created in the path's folder.
  explicit AtomicFile(const std::string& path) : path_(path), file_(create()) {}
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() {
    if (!committed_) ::unlink(temporary_.c_str());
  }

  /// Appends bytes.
  void write(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const ssize_t put = ::write(file_.get(), bytes.data(), std::min<std::size_t>(bytes.size(), std::size_t{1} << 30));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) throw detail::system_error(path_, "cannot write");
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
  }

  /// Makes the file durable and puts it in place; call it once, last.
  ///
  /// @throws IoError, with the old file in place; or with the new one, if only the folder cannot be flushed: a crash of
  ///         the system may then bring the old one back.
  void commit() {
    if (::fsync(file_.get()) != 0) throw detail::system_error(path_, "cannot flush");
    const std::size_t slash = path_.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
    const detail::Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() < 0) throw detail::system_error(folder, "cannot open the folder");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) throw detail::system_error(path_, "cannot put in place");
    committed_ = true;
    // file systems that cannot flush a folder say EINVAL
    if (::fsync(descriptor.get()) != 0 && errno != EINVAL)
      throw detail::system_error(folder, "cannot flush the folder");
  }

 private:
  detail::Descriptor create() {
    for (int attempt = 0;; ++attempt) {
      temporary_ = path_ + ".tmp" + std::to_string(::getpid()) + "." + std::to_string(attempt);
      const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (fd >= 0) return detail::Descriptor(fd);
      if (errno != EEXIST || attempt == 1000) throw detail::system_error(path_, "cannot create");
    }
  }

  std::string path_;
  std::string temporary_;
  detail::Descriptor file_;
  bool committed_ = false;
};

/// Whether a file of this name is an AtomicFile that is not yet committed, or was left by a process that was killed:
/// PATH.tmp<process>.<number>.
inline bool is_temporary(std::string_view name) {
  const std::size_t mark = name.rfind(".tmp");
  if (mark == std::string_view::npos || mark == 0) return false;
  const char* const end = name.data() + name.size();
  unsigned process = 0, number = 0;
  const auto first = std::from_chars(name.data() + mark + 4, end, process);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '.') return false;
  const auto second = std::from_chars(first.ptr + 1, end, number);
  return second.ec == std::errc() && second.ptr == end;
}

/// Replaces the file at the path by one of these bytes, or throws and leaves it as it was.
///
/// @throws IoError if the folder is missing, not readable or not writable, or the disk is full; with the new file in
///         place only if the folder cannot be flushed.
inline void write_file_atomically(const std::string& path, std::span<const std::uint8_t> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

inline void write_file_atomically(const std::string& path, std::string_view text) {
  write_file_atomically(path, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

}  // namespace lotar
