#pragma once

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

/// True of bytes that start as a gzip file does.
inline bool is_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/// Unpacks one gzip member.
///
/// @param bytes      the whole file, read from `path` (for messages).
/// @param max_bytes  more than this is refused, whatever the file claims; memory grows with what was unpacked.
/// @throws IoError if the stream is damaged, cut short, followed by other bytes or too large.
inline Bytes gunzip(std::span<const std::uint8_t> bytes, std::size_t max_bytes, const std::string& path) {
  struct Stream : z_stream {
    Stream() : z_stream{} {}
    ~Stream() { inflateEnd(this); }
  } stream;
  constexpr int gzip_only = 16;
  if (inflateInit2(&stream, MAX_WBITS + gzip_only) != Z_OK) throw IoError(path, "cannot start zlib");

  constexpr std::size_t chunk = std::size_t{1} << 30;  // zlib counts in unsigned int
  std::size_t in = 0, out = 0;
  Bytes unpacked(std::min<std::size_t>(max_bytes, std::max<std::size_t>(4 * bytes.size(), 4096)));
  for (;;) {
    const std::size_t give = std::min(bytes.size() - in, chunk), room = std::min(unpacked.size() - out, chunk);
    std::uint8_t spare;  // zlib must not get null, nor may it report a lack of room as damage
    stream.next_in = const_cast<std::uint8_t*>(bytes.data() + in);
    stream.avail_in = static_cast<uInt>(give);
    stream.next_out = room > 0 ? unpacked.data() + out : &spare;
    stream.avail_out = static_cast<uInt>(room > 0 ? room : 1);
    const int status = inflate(&stream, Z_NO_FLUSH);
    in += give - stream.avail_in;
    if (room == 0 && stream.avail_out == 0)
      throw IoError(path, "wanted at most " + std::to_string(max_bytes) + " bytes unpacked, got more");
    if (room > 0) out += room - stream.avail_out;
    if (status == Z_STREAM_END) break;
    if (status != Z_OK && status != Z_BUF_ERROR)
      throw IoError(path, in, std::string("damaged gzip data: ") + (stream.msg ? stream.msg : zError(status)));
    if (out == unpacked.size() && out < max_bytes)
      unpacked.resize(out > max_bytes / 2 ? max_bytes : 2 * out);
    else if (in == bytes.size() && stream.avail_out > 0)
      throw IoError(path, in, "gzip data cut short");
  }
  if (in != bytes.size())
    throw IoError(path, in, std::to_string(bytes.size() - in) + " bytes after the end of the gzip data");
  unpacked.resize(out);
  return unpacked;
}

}  // namespace lotar
