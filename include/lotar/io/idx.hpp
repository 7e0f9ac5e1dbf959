#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/gzip.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// Reads an IDX file of unsigned bytes, the format of MNIST and its kin, plain or gzipped.
///
/// @param rank       the number of dimensions wanted, 1 to 4.
/// @param max_bytes  bounds the file and what it unpacks to.
/// @throws IoError if the file is missing, has another type or rank, or its size is not what its dimensions say; with
///         the byte offset, if it is not packed.
/// @source LeCun, Cortes, Burges: the MNIST database.
inline RawArray read_idx(const std::string& path, std::size_t rank, std::size_t max_bytes = std::size_t{1} << 30) {
  Bytes file = read_file(path, max_bytes);
  const bool packed = is_gzip(file);
  if (packed) file = gunzip(file, max_bytes, path);
  const auto error = [&](std::size_t at, const std::string& message) {
    return packed ? IoError(path, message) : IoError(path, at, message);
  };
  const std::size_t header = 4 + 4 * rank;
  if (file.size() < header)
    throw error(file.size(), "wanted an IDX header of " + std::to_string(header) + " bytes, the file ends here");
  const auto word = [&](std::size_t at) {
    return std::uint32_t{file[at]} << 24 | std::uint32_t{file[at + 1]} << 16 | std::uint32_t{file[at + 2]} << 8 |
           std::uint32_t{file[at + 3]};
  };
  constexpr std::uint32_t unsigned_bytes = 0x800;
  const auto magic = static_cast<std::uint32_t>(unsigned_bytes + rank);
  if (word(0) != magic)
    throw error(0, "wanted the IDX magic number " + std::to_string(magic) + ", got " + std::to_string(word(0)));
  RawArray array;
  for (std::size_t i = 0; i < rank; ++i) array.shape.push_back(word(4 + 4 * i));
  std::size_t wanted = 0;
  if (!detail::array_bytes(array.shape, 1, wanted) || wanted != file.size() - header)
    throw error(header, "wanted the values of " + shape_text(array.shape) + ", got " +
                            std::to_string(file.size() - header) + " bytes");
  file.erase(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(header));
  array.bytes = std::move(file);
  if (!packed) array.offset = header;
  return array;
}

}  // namespace lotar
