#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {
namespace detail {

inline constexpr std::size_t npy_max_rank = 8;

/// Parses the header of an npy file: a Python dictionary of exactly the keys descr, fortran_order and shape.
class NpyHeader {
 public:
  /// @param offset  where the text starts in the file.
  NpyHeader(const std::string& path, std::size_t offset, std::string_view text)
      : path_(path), offset_(offset), text_(text) {}

  RawArray parse() {
    RawArray array;
    bool descr = false, fortran_order = false, shape = false;
    expect('{');
    while (!take('}')) {
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        array.type = dtype(string());
      } else if (key == "fortran_order" && !fortran_order) {
        fortran_order = true;
        if (!word("False")) fail("wanted fortran_order False");
      } else if (key == "shape" && !shape) {
        shape = true;
        array.shape = tuple();
      } else {
        fail("wanted each of descr, fortran_order and shape once");
      }
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    if (!descr || !fortran_order || !shape) fail("wanted each of descr, fortran_order and shape once");
    skip_space();
    if (at_ != text_.size()) fail("wanted the end of the header");
    return array;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw IoError(path_, offset_ + at_, "npy header: " + what); }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found ? 1 : 0;
    return found;
  }
  void expect(char c) {
    if (!take(c)) fail(std::string("wanted ") + c);
  }
  bool word(std::string_view wanted) {
    skip_space();
    const bool found = text_.substr(at_).starts_with(wanted);
    at_ += found ? wanted.size() : 0;
    return found;
  }
  std::string_view string() {
    const char quote = take('\'') ? '\'' : '"';
    if (quote == '"' && !take(quote)) fail("wanted a string");
    const std::size_t end = text_.find(quote, at_);
    if (end == std::string_view::npos) fail("wanted a closing quote");
    const std::string_view value = text_.substr(at_, end - at_);
    at_ = end + 1;
    return value;
  }
  DType dtype(std::string_view name) const {
    for (const DTypeInfo& known : dtypes)
      if (known.npy != nullptr && name == known.npy) return known.type;
    fail("element type \"" + std::string(name) + "\" not supported");
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> values;
    expect('(');
    while (!take(')')) {
      if (values.size() == npy_max_rank) fail("wanted at most 8 dimensions");
      values.push_back(number());
      if (!take(',')) {
        if (values.size() == 1) fail("wanted ,");
        expect(')');
        break;
      }
    }
    return values;
  }
  std::size_t number() {
    skip_space();
    const std::size_t start = at_;
    std::size_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(value, std::size_t{10}, &value) ||
          __builtin_add_overflow(value, static_cast<std::size_t>(text_[at_] - '0'), &value))
        fail("number too large");
    if (at_ == start) fail("wanted a number");
    return value;
  }

  const std::string& path_;
  std::size_t offset_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// Reads an array that numpy.save wrote: versions 1 to 3, booleans, integers and floats, row-major.
///
/// @param max_bytes  a larger file is refused.
/// @throws IoError if the file is missing, damaged, in column-major order or of another element type, or its size is
///         not what its shape says.
/// @source NumPy Enhancement Proposal 1.
inline RawArray read_npy(const std::string& path, std::uint64_t max_bytes = std::numeric_limits<std::uint64_t>::max()) {
  InputFile file(path);
  if (file.size() > max_bytes)
    throw IoError(path, "wanted at most " + std::to_string(max_bytes) + " bytes, got " + std::to_string(file.size()));
  std::uint8_t start[8];
  file.read(start, sizeof(start));
  if (std::memcmp(start, "\x93NUMPY", 6) != 0) throw IoError(path, 0, "not an npy file");
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    throw IoError(path, 6,
                  "npy version " + std::to_string(start[6]) + "." + std::to_string(start[7]) + " not supported");
  std::uint8_t length[4] = {};
  file.read(length, start[6] == 1 ? 2 : 4);
  const std::size_t header_bytes =
      length[0] | std::size_t{length[1]} << 8 | std::size_t{length[2]} << 16 | std::size_t{length[3]} << 24;
  if (header_bytes > 65536)
    throw IoError(path, 8, "wanted an npy header of at most 65536 bytes, got " + std::to_string(header_bytes));
  const auto header_start = static_cast<std::size_t>(file.offset());
  std::string header(std::min<std::size_t>(header_bytes, file.size() - header_start), ' ');
  file.read(header.data(), header.size());
  if (header.size() < header_bytes) throw IoError(path, file.offset(), "npy header cut short");

  RawArray array = detail::NpyHeader(path, header_start, header).parse();
  const std::uint64_t rest = file.size() - file.offset();
  std::size_t wanted = 0;
  if (!detail::array_bytes(array.shape, info(array.type).bytes, wanted) || wanted != rest)
    throw IoError(path, file.offset(),
                  "wanted the " + std::string(info(array.type).name) + " values of " + shape_text(array.shape) +
                      ", got " + std::to_string(rest) + " bytes");
  array.offset = file.offset();
  array.bytes.resize(wanted);
  file.read(array.bytes.data(), wanted);
  return array;
}

/// Writes an array for numpy.load, whole or not at all.
///
/// @throws ConfigError if NumPy lacks the element type (bf16), or for more than 8 dimensions.
/// @throws ShapeError if the bytes are not those of the shape.
/// @throws IoError if the file cannot be written.
inline void write_npy(const std::string& path, const RawArray& array) {
  if (info(array.type).npy == nullptr)
    throw ConfigError(std::string("write_npy: NumPy has no ") + info(array.type).name);
  if (array.shape.size() > detail::npy_max_rank)
    throw ConfigError("write_npy: wanted at most 8 dimensions, got " + shape_text(array.shape));
  std::size_t wanted = 0;
  if (!detail::array_bytes(array.shape, info(array.type).bytes, wanted) || wanted != array.bytes.size())
    throw ShapeError("write_npy: an array of " + shape_text(array.shape) + " has " +
                     std::to_string(array.bytes.size()) + " bytes");
  std::string shape;
  for (std::size_t i = 0; i < array.shape.size(); ++i)
    shape += (i > 0 ? " " : "") + std::to_string(array.shape[i]) + ",";
  if (array.shape.size() > 1) shape.pop_back();
  std::string header =
      std::string("{'descr': '") + info(array.type).npy + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  const std::size_t start = 10;  // magic, version, length
  header.append(63 - (start + header.size()) % 64, ' ');
  header += '\n';
  std::string begin("\x93NUMPY\x01\x00", 8);
  begin += static_cast<char>(header.size() & 0xff);
  begin += static_cast<char>(header.size() >> 8);
  begin += header;
  AtomicFile file(path);
  file.write(std::span(reinterpret_cast<const std::uint8_t*>(begin.data()), begin.size()));
  file.write(array.bytes);
  file.commit();
}

/// Writes values of a shape.
template <class T>
void write_npy(const std::string& path, std::vector<std::size_t> shape, std::span<const T> values) {
  write_npy(path, RawArray::of(std::move(shape), values));
}

}  // namespace lotar
