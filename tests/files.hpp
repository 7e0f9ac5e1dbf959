#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include <lotar/core/error.hpp>

// Help for the tests of readers and writers.

/// A folder of its own for a test, which goes away with it.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lotar_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no scratch folder");
    path_ = name;
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() { std::filesystem::remove_all(path_); }

  /// The path of a file in it.
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

inline void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// True if load(path) ends well or throws an IoError; any other exception escapes and fails the test.
template <class Load>
bool loads(const std::string& path, Load load) {
  try {
    load(path);
    return true;
  } catch (const lotar::IoError&) {
    return false;
  }
}

/// Every file cut short and every file with a byte too many must be refused by an IoError.
template <class Load>
void check_truncations(const std::string& valid, Load load) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, valid);
  CHECK(loads(path, load));
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < valid.size(); ++size) {
    write_bytes(path, valid.substr(0, size));
    accepted += loads(path, load) ? 1 : 0;
  }
  CHECK(accepted == 0);
  for (const char more : {'\x01', '\0'}) {
    write_bytes(path, valid + more);
    CHECK_FALSE(loads(path, load));
  }
}

/// A file with one byte changed must load or be refused by an IoError, nothing else.
/// @return how many of the changed files were refused.
template <class Load>
std::size_t check_mutations(const std::string& valid, Load load) {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  std::size_t refused = 0;
  for (std::size_t at = 0; at < valid.size(); ++at)
    for (const int change : {0x01, 0x10, 0x80, 0xff}) {
      std::string bytes = valid;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      write_bytes(path, bytes);
      refused += loads(path, load) ? 0 : 1;
    }
  CHECK(refused > 0);
  return refused;
}
