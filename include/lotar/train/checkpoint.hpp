#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/io/raw_array.hpp>
#include <lotar/io/safetensors.hpp>

/// What a training leaves on disk: the model, for others to read, and the checkpoint, from which it goes on to the bit.
namespace lotar {

namespace detail {

/// Filters are [K, R, S, C] here and [K, C, R, S] in PyTorch.
inline bool is_filter(const Parameter& p) { return p.kind == ParameterKind::conv && p.shape.size() == 4; }

inline std::vector<std::size_t> pytorch_shape(const Parameter& p) {
  if (!is_filter(p)) return p.shape;
  return {p.shape[0], p.shape[3], p.shape[1], p.shape[2]};
}

/// Calls move(i, j) for element i of ours and the same element's place j in PyTorch's layout.
template <class Move>
void for_each_place(const Parameter& p, Move move) {
  if (!is_filter(p)) {
    for (std::size_t i = 0; i < p.size; ++i) move(i, i);
    return;
  }
  const std::size_t filters = p.shape[0], area = p.shape[1] * p.shape[2], channels = p.shape[3];
  for (std::size_t k = 0, i = 0; k < filters; ++k)
    for (std::size_t at = 0; at < area; ++at)
      for (std::size_t c = 0; c < channels; ++c, ++i) move(i, (k * channels + c) * area + at);
}

/// The name under which PyTorch counts the batches of a batch norm, "" for what is no running mean.
inline std::string batches_name(const std::string& statistic) {
  constexpr std::string_view ending = "running_mean";
  if (!statistic.ends_with(ending)) return "";
  return statistic.substr(0, statistic.size() - ending.size()) + "num_batches_tracked";
}

/// A parameter's values, in PyTorch's layout.
inline void put_parameter(Safetensors& file, const Parameter& p, std::span<const float> flat) {
  std::vector<float> values(p.size);
  for_each_place(p, [&](std::size_t ours, std::size_t theirs) { values[theirs] = flat[p.offset + ours]; });
  file.set(p.name, pytorch_shape(p), std::span<const float>(values));
}

inline void get_parameter(const Safetensors& file, const Parameter& p, const std::string& path, std::span<float> flat) {
  const std::vector<float> values = file.get<float>(p.name, pytorch_shape(p), path);
  for_each_place(p, [&](std::size_t ours, std::size_t theirs) { flat[p.offset + ours] = values[theirs]; });
}

inline void check_flat(const char* where, const ParameterTable& table, std::size_t values, std::size_t statistics) {
  if (values != table.size() || statistics != table.statistics_size())
    throw ShapeError(std::string(where) + ": wanted " + std::to_string(table.size()) + " values and " +
                     std::to_string(table.statistics_size()) + " statistics, got " + std::to_string(values) + " and " +
                     std::to_string(statistics));
}

inline constexpr std::string_view checkpoint_format = "lotar.checkpoint.1";

}  // namespace detail

/// Writes a model as safetensors under PyTorch's names and in its layouts, whole or not at all: load_state_dict of the
/// same network in PyTorch takes it.
///
/// Every batch norm (a statistic named "*running_mean") gets the num_batches_tracked that PyTorch expects beside it.
/// @param values           [table.size()], the flat parameters.
/// @param statistics       [table.statistics_size()], the flat running statistics.
/// @param batches_tracked  batches that updated the running statistics.
/// @param metadata         text about the model; "format" is "pt" unless given.
/// @throws ShapeError if the arrays are not as long as the table says.
/// @throws IoError if the file cannot be written.
inline void write_model(const std::string& path, const ParameterTable& table, std::span<const float> values,
                        std::span<const float> statistics, std::int64_t batches_tracked,
                        std::map<std::string, std::string> metadata = {}) {
  detail::check_flat("write_model", table, values.size(), statistics.size());
  metadata.try_emplace("format", "pt");  // readers of the field ask for it
  Safetensors file{std::move(metadata), {}};
  for (const Parameter& p : table.parameters()) detail::put_parameter(file, p, values);
  for (const Parameter& p : table.statistics()) {
    detail::put_parameter(file, p, statistics);
    const std::string batches = detail::batches_name(p.name);
    if (!batches.empty()) file.set(batches, {}, std::span<const std::int64_t>(&batches_tracked, 1));
  }
  write_safetensors(path, file);
}

/// Reads a model that write_model or PyTorch wrote: exactly the tensors of the table, and a num_batches_tracked for
/// every batch norm.
///
/// @param values      [table.size()] out; gaps become zeros.
/// @param statistics  [table.statistics_size()] out; gaps become zeros.
/// @return            the file's metadata.
/// @throws ShapeError if the arrays are not as long as the table says.
/// @throws IoError that names the first tensor that is missing, misshapen, of another type or one too many; the arrays
///         are as before then.
inline std::map<std::string, std::string> read_model(const std::string& path, const ParameterTable& table,
                                                     std::span<float> values, std::span<float> statistics) {
  detail::check_flat("read_model", table, values.size(), statistics.size());
  const Safetensors file = read_safetensors(path);
  std::vector<float> new_values(values.size()), new_statistics(statistics.size());
  std::set<std::string> wanted;
  for (const Parameter& p : table.parameters()) {
    detail::get_parameter(file, p, path, new_values);
    wanted.insert(p.name);
  }
  for (const Parameter& p : table.statistics()) {
    detail::get_parameter(file, p, path, new_statistics);
    wanted.insert(p.name);
    const std::string batches = detail::batches_name(p.name);
    if (batches.empty()) continue;
    file.get<std::int64_t>(batches, {}, path);
    wanted.insert(batches);
  }
  for (const auto& [name, array] : file.tensors)
    if (!wanted.contains(name))
      throw IoError(path,
                    "tensor \"" + name + "\" of " + shape_text(array.shape) + ": the model has none of this name");
  std::copy(new_values.begin(), new_values.end(), values.begin());
  std::copy(new_statistics.begin(), new_statistics.end(), statistics.begin());
  return file.metadata;
}

/// All that a training needs to go on to the bit: flat parameters, statistics, optimizer state and clock, by name, and
/// text that tells which training it was.
struct Checkpoint {
  std::map<std::string, std::vector<float>> arrays;
  std::map<std::string, std::vector<std::uint32_t>> counters;
  std::map<std::string, std::string> metadata;
};

/// Writes a checkpoint, whole or not at all: until the new one is safe on disk the old one stays.
///
/// @throws ConfigError if a name is used twice, or the metadata has "format", which tells checkpoints from other files.
/// @throws IoError if the file cannot be written.
inline void write_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  Safetensors file{checkpoint.metadata, {}};
  if (!file.metadata.emplace("format", detail::checkpoint_format).second)
    throw ConfigError("write_checkpoint: the metadata must not have \"format\"");
  for (const auto& [name, values] : checkpoint.arrays) file.set(name, {values.size()}, std::span<const float>(values));
  for (const auto& [name, values] : checkpoint.counters) {
    if (checkpoint.arrays.contains(name))
      throw ConfigError("write_checkpoint: \"" + name + "\" names an array and a counter");
    file.set(name, {values.size()}, std::span<const std::uint32_t>(values));
  }
  write_safetensors(path, file);
}

/// Reads what write_checkpoint wrote.
///
/// What the file says of itself is checked, the values in it are not: one that changed on the disk is read as it is.
/// @throws IoError if the file is missing, cut short, no safetensors file (see read_safetensors) or of another format,
///         or an array in it is not flat, or holds neither floats nor counters.
inline Checkpoint read_checkpoint(const std::string& path) {
  Safetensors file = read_safetensors(path);
  const auto format = file.metadata.find("format");
  const std::string got = format == file.metadata.end() ? "none" : "\"" + format->second + "\"";
  if (got != "\"" + std::string(detail::checkpoint_format) + "\"")
    throw IoError(path,
                  "not a checkpoint: wanted the format \"" + std::string(detail::checkpoint_format) + "\", got " + got);
  file.metadata.erase(format);
  Checkpoint checkpoint;
  checkpoint.metadata = std::move(file.metadata);
  for (const auto& [name, array] : file.tensors) {
    const std::string where = path + ": tensor \"" + name + "\"";
    if (array.shape.size() != 1) throw IoError(where, "wanted one dimension, got " + shape_text(array.shape));
    if (array.type == DType::u32)
      checkpoint.counters[name] = array.values<std::uint32_t>(where);
    else
      checkpoint.arrays[name] = array.values<float>(where);
  }
  return checkpoint;
}

}  // namespace lotar
