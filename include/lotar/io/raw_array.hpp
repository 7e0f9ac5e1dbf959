#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/error.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

static_assert(std::endian::native == std::endian::little, "lotar reads and writes little-endian files");

/// The element types of the files lotar reads and writes.
enum class DType { boolean, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };

/// What an element type is called where; null where a format lacks it.
struct DTypeInfo {
  DType type;
  std::size_t bytes;
  const char* name;
  const char* npy;
  const char* safetensors;
};

inline constexpr std::array<DTypeInfo, 13> dtypes{{
    {DType::boolean, 1, "bool", "|b1", "BOOL"},
    {DType::u8, 1, "u8", "|u1", "U8"},
    {DType::i8, 1, "i8", "|i1", "I8"},
    {DType::u16, 2, "u16", "<u2", "U16"},
    {DType::i16, 2, "i16", "<i2", "I16"},
    {DType::u32, 4, "u32", "<u4", "U32"},
    {DType::i32, 4, "i32", "<i4", "I32"},
    {DType::u64, 8, "u64", "<u8", "U64"},
    {DType::i64, 8, "i64", "<i8", "I64"},
    {DType::f16, 2, "f16", "<f2", "F16"},
    {DType::bf16, 2, "bf16", nullptr, "BF16"},
    {DType::f32, 4, "f32", "<f4", "F32"},
    {DType::f64, 8, "f64", "<f8", "F64"},
}};

constexpr const DTypeInfo& info(DType type) { return dtypes[static_cast<std::size_t>(type)]; }

/// The element type of T.
template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>)
    return DType::boolean;
  else if constexpr (std::is_same_v<T, bf16>)
    return DType::bf16;
  else if constexpr (std::is_same_v<T, float>)
    return DType::f32;
  else if constexpr (std::is_same_v<T, double>)
    return DType::f64;
  else {
    static_assert(std::is_integral_v<T> && sizeof(T) <= 8, "no file format here stores this type");
    constexpr int log_bytes = std::countr_zero(sizeof(T));
    return static_cast<DType>(1 + 2 * log_bytes + (std::is_signed_v<T> ? 1 : 0));
  }
}

/// "[2, 3]"
inline std::string shape_text(std::span<const std::size_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

namespace detail {
/// The bytes of an array, or false if they do not fit a std::size_t.
inline bool array_bytes(std::span<const std::size_t> shape, std::size_t element_bytes, std::size_t& bytes) {
  bytes = element_bytes;
  bool fits = true;
  for (const std::size_t extent : shape) {
    if (extent == 0) {
      bytes = 0;
      return true;
    }
    fits = fits && !__builtin_mul_overflow(bytes, extent, &bytes);
  }
  return fits;
}
}  // namespace detail

/// An array as it lies in a file: element type, shape, values in row-major order.
struct RawArray {
  DType type = DType::u8;
  std::vector<std::size_t> shape;
  Bytes bytes;
  /// Where the values begin in the file that they were read from; none if that was packed, or there was none.
  std::optional<std::uint64_t> offset = {};

  /// @throws ShapeError if the number of values is not that of the shape.
  template <class T>
  static RawArray of(std::vector<std::size_t> shape, std::span<const T> values) {
    std::size_t wanted = 0;
    if (!detail::array_bytes(shape, sizeof(T), wanted) || wanted != values.size_bytes())
      throw ShapeError("RawArray: " + shape_text(shape) + " does not hold " + std::to_string(values.size()) +
                       " values");
    RawArray array{dtype_of<T>(), std::move(shape), Bytes(wanted)};
    if (wanted > 0) std::memcpy(array.bytes.data(), values.data(), wanted);
    return array;
  }

  /// An error of value i of an array read from `path`, which says where that lies in the file.
  IoError error(const std::string& path, std::size_t i, const std::string& message) const {
    return offset ? IoError(path, *offset + i * info(type).bytes, message) : IoError(path, message);
  }

  /// The values, if the elements are T.
  /// @param where  what the array is part of, for the message.
  /// @throws IoError "where: wanted f32, got i64"
  template <class T>
  std::vector<T> values(const std::string& where) const {
    static_assert(!std::is_same_v<T, bool>, "read booleans as integers()");
    if (type != dtype_of<T>())
      throw IoError(where, std::string("wanted ") + info(dtype_of<T>()).name + ", got " + info(type).name);
    return convert<T, T>();
  }

  /// The values of an array of any integer type.
  /// @throws IoError if the elements are not integers, or one is too large.
  std::vector<std::int64_t> integers(const std::string& where) const {
    switch (type) {
      case DType::boolean:
      case DType::u8:
        return convert<std::uint8_t, std::int64_t>();
      case DType::i8:
        return convert<std::int8_t, std::int64_t>();
      case DType::u16:
        return convert<std::uint16_t, std::int64_t>();
      case DType::i16:
        return convert<std::int16_t, std::int64_t>();
      case DType::u32:
        return convert<std::uint32_t, std::int64_t>();
      case DType::i32:
        return convert<std::int32_t, std::int64_t>();
      case DType::i64:
        return convert<std::int64_t, std::int64_t>();
      case DType::u64: {
        auto wide = convert<std::uint64_t, std::int64_t>();
        for (const std::int64_t value : wide)
          if (value < 0)
            throw IoError(where, "integer too large: " + std::to_string(static_cast<std::uint64_t>(value)));
        return wide;
      }
      default:
        throw IoError(where, std::string("wanted integers, got ") + info(type).name);
    }
  }

 private:
  template <class From, class To>
  std::vector<To> convert() const {
    std::vector<To> values(bytes.size() / sizeof(From));
    for (std::size_t i = 0; i < values.size(); ++i) {
      From value;
      std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
      values[i] = static_cast<To>(value);
    }
    return values;
  }
};

}  // namespace lotar
