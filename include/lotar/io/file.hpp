#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>

namespace lotar {

using Bytes = std::vector<std::uint8_t>;

namespace detail {

/// An IoError that ends in the system's own words for the last failed call.
inline IoError system_error(const std::string& path, const std::string& what) {
  return IoError(path, what + ": " + std::generic_category().message(errno));
}

/// An open file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace detail

/// A regular file, open for reading from its start; its size is known before anything is read.
class InputFile {
 public:
  /// @throws IoError if the path cannot be opened or is a folder, a pipe or a device.
  explicit InputFile(const std::string& path)
      : path_(path), file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (file_.get() < 0) throw detail::system_error(path_, "cannot open");
    struct stat status;
    if (::fstat(file_.get(), &status) != 0) throw detail::system_error(path_, "cannot read its size");
    if (!S_ISREG(status.st_mode)) throw IoError(path_, "wanted a regular file");
    size_ = static_cast<std::uint64_t>(status.st_size);
  }

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  /// Bytes read so far.
  std::uint64_t offset() const { return offset_; }

  /// Reads the next `bytes` bytes.
  /// @throws IoError if the file ends before them.
  void read(void* to, std::size_t bytes) {
    auto* out = static_cast<std::uint8_t*>(to);
    while (bytes > 0) {
      const ssize_t got = ::read(file_.get(), out, std::min<std::size_t>(bytes, std::size_t{1} << 30));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw detail::system_error(path_, "cannot read");
      if (got == 0)
        throw IoError(path_, offset_, "wanted " + std::to_string(bytes) + " more bytes, the file ends here");
      out += got;
      offset_ += static_cast<std::uint64_t>(got);
      bytes -= static_cast<std::size_t>(got);
    }
  }

 private:
  std::string path_;
  detail::Descriptor file_;
  std::uint64_t size_ = 0;
  std::uint64_t offset_ = 0;
};

/// The bytes of a regular file.
///
/// @param max_bytes  a larger file is refused before any memory is allocated.
/// @throws IoError if the file is missing, not a regular file or too large.
inline Bytes read_file(const std::string& path, std::uint64_t max_bytes) {
  InputFile file(path);
  if (file.size() > max_bytes)
    throw IoError(path, "wanted at most " + std::to_string(max_bytes) + " bytes, got " + std::to_string(file.size()));
  Bytes bytes(static_cast<std::size_t>(file.size()));
  file.read(bytes.data(), bytes.size());
  return bytes;
}

}  // namespace lotar
