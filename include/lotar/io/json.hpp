#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/file.hpp>

namespace lotar {

using Json = nlohmann::json;

/// Parses JSON, more strictly than the standard: a key that comes twice in an object is refused, as are more than 64
/// levels.
///
/// @param path    where the text came from, for messages.
/// @param offset  where it starts there.
/// @throws IoError with the byte offset if the text is not JSON.
inline Json parse_json(std::string_view text, const std::string& path, std::uint64_t offset = 0) {
  const std::size_t nul = text.find('\0');  // which the parser takes for the end
  if (nul != std::string_view::npos) throw IoError(path, offset + nul, "not JSON");
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > 64) throw IoError(path, "JSON of more than 64 levels");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second)
      throw IoError(path, "JSON with the key " + parsed.dump() + " twice in an object");
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), check);
  } catch (const Json::parse_error& error) {
    throw IoError(path, offset + std::max<std::size_t>(error.byte, 1) - 1, "not JSON");  // it counts from 1
  } catch (const Json::exception& error) {
    throw IoError(path, std::string("not JSON: ") + error.what());
  }
}

/// Reads a JSON file.
///
/// @throws IoError if it is missing, larger than max_bytes, not JSON or has a key twice.
inline Json read_json(const std::string& path, std::size_t max_bytes = std::size_t{1} << 24) {
  const Bytes bytes = read_file(path, max_bytes);
  return parse_json(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), path);
}

/// Writes a JSON file, indented, whole or not at all.
///
/// Numbers that are not finite become null.
/// @throws IoError if it cannot be written, or a string is not UTF-8.
inline void write_json(const std::string& path, const Json& json) {
  std::string text;
  try {
    text = json.dump(2) + "\n";
  } catch (const Json::exception& error) {
    throw IoError(path, std::string("cannot write as JSON: ") + error.what());
  }
  write_file_atomically(path, text);
}

}  // namespace lotar
