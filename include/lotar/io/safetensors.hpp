#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>
#include <lotar/io/json.hpp>
#include <lotar/io/raw_array.hpp>

namespace lotar {

/// What a safetensors file holds: named arrays, and text about them.
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::map<std::string, RawArray> tensors;

  /// Adds or replaces a tensor.
  template <class T>
  void set(const std::string& name, std::vector<std::size_t> shape, std::span<const T> values) {
    tensors[name] = RawArray::of(std::move(shape), values);
  }

  /// The values of a tensor, whose name, element type and shape must be as wanted.
  /// @param path  where this was read from, for messages.
  /// @throws IoError otherwise.
  template <class T>
  std::vector<T> get(const std::string& name, const std::vector<std::size_t>& shape, const std::string& path) const {
    const auto found = tensors.find(name);
    if (found == tensors.end()) throw IoError(path, "no tensor \"" + name + "\"");
    if (found->second.shape != shape)
      throw IoError(
          path, "tensor \"" + name + "\": wanted " + shape_text(shape) + ", got " + shape_text(found->second.shape));
    return found->second.values<T>(path + ": tensor \"" + name + "\"");
  }
};

namespace detail {

inline constexpr std::uint64_t safetensors_max_header = std::uint64_t{1} << 24;  // as JSON some 20 times as much
inline constexpr std::size_t safetensors_max_rank = 8, safetensors_max_name = 4096;

struct SafetensorsEntry {
  std::size_t begin, end;
  std::string name;
};

/// One entry of the header: fills the array's type and shape.
inline SafetensorsEntry safetensors_entry(const std::string& path, const std::string& name, const Json& json,
                                          RawArray& array) {
  const auto fail = [&](const std::string& what) -> IoError {
    return IoError(path, "tensor " + Json(name).dump() + ": " + what);
  };
  if (name.size() > safetensors_max_name)
    throw IoError(path, "a tensor's name of " + std::to_string(name.size()) + " bytes, wanted at most 4096");
  if (!json.is_object() || json.size() != 3 || !json.contains("dtype") || !json.contains("shape") ||
      !json.contains("data_offsets"))
    throw fail("wanted exactly dtype, shape and data_offsets");
  const Json &dtype = json["dtype"], &shape = json["shape"], &offsets = json["data_offsets"];
  const auto known =
      std::find_if(dtypes.begin(), dtypes.end(), [&](const DTypeInfo& d) { return dtype == d.safetensors; });
  if (known == dtypes.end()) throw fail("element type " + dtype.dump() + " not supported");
  array.type = known->type;
  const auto sizes = [](const Json& list) {
    return list.is_array() &&
           std::all_of(list.begin(), list.end(), [](const Json& value) { return value.is_number_unsigned(); });
  };
  if (!sizes(shape) || shape.size() > safetensors_max_rank) throw fail("wanted a shape of at most 8 sizes");
  array.shape = shape.get<std::vector<std::size_t>>();
  if (!sizes(offsets) || offsets.size() != 2) throw fail("wanted two data_offsets");
  const auto begin = offsets[0].get<std::size_t>(), end = offsets[1].get<std::size_t>();
  std::size_t wanted = 0;
  if (end < begin || !array_bytes(array.shape, known->bytes, wanted) || wanted != end - begin)
    throw fail("data_offsets " + offsets.dump() + " do not hold " + std::string(known->name) + " values of " +
               shape_text(array.shape));
  return {begin, end, name};
}

}  // namespace detail

/// Reads a safetensors file, all of it, after checking all of it.
///
/// @throws IoError if the file is missing, cut short, has bytes no tensor owns, tensors that overlap, a key twice, or
///         anything else that the format does not allow; or a header of more than 16 MiB, a tensor of more than 8
///         dimensions, a name of more than 4096 bytes.
/// @source the safetensors format, version 0.3 and later.
inline Safetensors read_safetensors(const std::string& path) {
  InputFile file(path);
  std::uint8_t prefix[8];
  file.read(prefix, sizeof(prefix));
  std::uint64_t header_bytes = 0;
  for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | prefix[i];
  const auto most = std::min<std::uint64_t>(detail::safetensors_max_header, file.size() - sizeof(prefix));
  if (header_bytes > most)
    throw IoError(path, 0,
                  "wanted a header of at most " + std::to_string(most) + " bytes, got " + std::to_string(header_bytes));
  std::string header(static_cast<std::size_t>(header_bytes), ' ');
  file.read(header.data(), header.size());
  if (!header.starts_with('{')) throw IoError(path, 8, "wanted a header that starts with {");
  const Json json = parse_json(header, path, sizeof(prefix));

  Safetensors result;
  std::vector<detail::SafetensorsEntry> entries;
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") {
      const bool strings = value.is_object() &&
                           std::all_of(value.begin(), value.end(), [](const Json& text) { return text.is_string(); });
      if (!strings) throw IoError(path, "wanted __metadata__ of strings");
      result.metadata = value.get<std::map<std::string, std::string>>();
    } else {
      entries.push_back(detail::safetensors_entry(path, name, value, result.tensors[name]));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::size_t end = 0;
  for (const auto& entry : entries) {
    if (entry.begin != end)
      throw IoError(path, "tensor " + Json(entry.name).dump() + ": starts at byte " + std::to_string(entry.begin) +
                              " of the data, wanted " + std::to_string(end));
    end = entry.end;
  }
  if (end != file.size() - file.offset())
    throw IoError(
        path, file.offset(),
        "wanted " + std::to_string(end) + " bytes of data, got " + std::to_string(file.size() - file.offset()));
  for (const auto& entry : entries) {
    RawArray& array = result.tensors[entry.name];
    array.offset = file.offset();
    array.bytes.resize(entry.end - entry.begin);
    file.read(array.bytes.data(), array.bytes.size());
  }
  return result;
}

/// Writes a safetensors file, whole or not at all; equal contents give equal bytes.
///
/// @throws ConfigError for a name or rank that the reader would refuse.
/// @throws ShapeError for a tensor whose bytes are not those of its shape.
/// @throws IoError if the file cannot be written, or a name or text is not UTF-8.
inline void write_safetensors(const std::string& path, const Safetensors& contents) {
  // the widest elements first, so that every tensor is aligned to its element
  std::vector<std::pair<std::string, const RawArray*>> order;
  for (const auto& [name, array] : contents.tensors) order.emplace_back(name, &array);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return info(a.second->type).bytes > info(b.second->type).bytes;
  });
  Json json = Json::object();
  if (!contents.metadata.empty()) json["__metadata__"] = contents.metadata;
  std::size_t offset = 0;
  for (const auto& [name, array] : order) {
    if (name == "__metadata__" || name.size() > detail::safetensors_max_name ||
        array->shape.size() > detail::safetensors_max_rank)
      throw ConfigError("write_safetensors: the name or rank of tensor \"" + name + "\" is not allowed");
    std::size_t wanted = 0;
    if (!detail::array_bytes(array->shape, info(array->type).bytes, wanted) || wanted != array->bytes.size())
      throw ShapeError("write_safetensors: tensor \"" + name + "\" of " + shape_text(array->shape) + " has " +
                       std::to_string(array->bytes.size()) + " bytes");
    json[name] = {
        {"dtype", info(array->type).safetensors}, {"shape", array->shape}, {"data_offsets", {offset, offset + wanted}}};
    offset += wanted;
  }
  std::string header;
  try {
    header = json.dump();
  } catch (const Json::exception& error) {
    throw IoError(path, std::string("cannot write as JSON: ") + error.what());
  }
  header.append((8 - header.size() % 8) % 8, ' ');
  if (header.size() > detail::safetensors_max_header)
    throw ConfigError("write_safetensors: a header of " + std::to_string(header.size()) + " bytes is too long");

  AtomicFile file(path);
  std::uint8_t prefix[8];
  for (int i = 0; i < 8; ++i)
    prefix[i] = static_cast<std::uint8_t>(static_cast<std::uint64_t>(header.size()) >> (8 * i));
  file.write(prefix);
  file.write(std::span(reinterpret_cast<const std::uint8_t*>(header.data()), header.size()));
  for (const auto& [name, array] : order) file.write(array->bytes);
  file.commit();
}

}  // namespace lotar
