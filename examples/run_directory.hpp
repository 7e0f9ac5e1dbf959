#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/io/json.hpp>

#include "report/run_report.hpp"
#include "work_folder.hpp"

namespace examples {

namespace detail {

/// The first difference between two configurations, as "key was old, is now new" with "a.b" for key b of object a; ""
/// if there is none.
inline std::string first_difference(const lotar::Json& before, const lotar::Json& now,
                                    const std::set<std::string>& may_change, const std::string& prefix = "") {
  lotar::Json keys = before;
  keys.update(now);
  for (const auto& [name, unused] : keys.items()) {
    const std::string key = prefix + name;
    const auto b = before.find(name), n = now.find(name);
    const bool both = b != before.end() && n != now.end();
    if (may_change.contains(key) || (both && *b == *n)) continue;
    if (both && b->is_object() && n->is_object()) {
      const std::string inner = first_difference(*b, *n, may_change, key + ".");
      if (!inner.empty()) return inner;
      continue;
    }
    return key + " was " + (b != before.end() ? b->dump() : "not set") + ", is now " +
           (n != now.end() ? n->dump() : "not set");
  }
  return "";
}

}  // namespace detail

inline std::string checkpoint_path(const std::string& folder) {
  return (std::filesystem::path(folder) / "checkpoint.safetensors").string();
}

/// The folder of one training: config.json, metrics.jsonl, the checkpoint, the model, results and pictures.
///
/// A folder belongs to one configuration, and to one training at a time. Every file in it is whole at any time.
class RunDirectory {
 public:
  /// Makes the folder of a new run, or opens that of a run to go on with.
  ///
  /// @param config      an object: all options, seed, versions; written to config.json.
  /// @param resume      whether the run is there already.
  /// @param may_change  keys in which the configuration of a resumed run may differ, as "key" or "object.key".
  /// @throws lotar::ConfigError if a new run's folder has files in it, or there is no run to resume, or its
  ///         configuration is another: the message names the first difference; or if another process is at work there.
  /// @throws lotar::IoError if the folder or config.json cannot be read or written.
  RunDirectory(const std::string& path, const lotar::Json& config, bool resume, const std::set<std::string>& may_change)
      : path_(path) {
    if (!config.is_object()) throw lotar::ConfigError("RunDirectory: wanted a configuration of keys and values");
    const bool there = exists(config_path());
    if (resume && !there) throw lotar::ConfigError(path + ": there is no run to resume (no config.json)");
    if (!resume && there) throw lotar::ConfigError(path + ": there is a run already; resume it or name another folder");
    if (!resume) {
      std::error_code error;
      std::filesystem::create_directories(path, error);
      if (!std::filesystem::is_directory(path))
        throw lotar::IoError(path, "cannot make the folder: " + (error ? error.message() : "a file is in its place"));
      if (!content_of(path).empty())
        throw lotar::ConfigError(path + ": the folder is not empty and holds no run; name another folder");
    }
    lock_.emplace(path);
    remove_leftovers(path);
    if (resume) check_same(lotar::read_json(config_path()), config, may_change);
    lotar::write_json(config_path(), config);
    if (exists(metrics_path())) metrics_ = read_metrics(metrics_path());
  }

  /// The path of a file in the folder.
  std::string file(const std::string& name) const { return (std::filesystem::path(path_) / name).string(); }
  std::string config_path() const { return file("config.json"); }
  std::string metrics_path() const { return file("metrics.jsonl"); }
  std::string checkpoint_path() const { return examples::checkpoint_path(path_); }
  std::string model_path() const { return file("model.safetensors"); }
  bool has_checkpoint() const { return exists(checkpoint_path()); }

  /// Adds a line to metrics.jsonl.
  /// @param epoch  an object with a number "epoch", from 1; numbers that are not finite become null.
  /// @throws lotar::IoError if it is none, or the file cannot be written.
  void append_metrics(const lotar::Json& epoch) {
    check_epoch(epoch, metrics_path());
    metrics_.push_back(epoch);
    write_metrics();
  }

  /// Drops the lines of metrics.jsonl past an epoch: those of epochs that a resumed run trains again.
  void drop_metrics_after(std::uint32_t last_epoch) {
    const auto past = [&](const lotar::Json& epoch) { return epoch["epoch"].get<double>() > last_epoch; };
    if (std::erase_if(metrics_, past) > 0) write_metrics();
  }

 private:
  void check_same(const lotar::Json& before, const lotar::Json& now, const std::set<std::string>& may_change) const {
    if (!before.is_object()) throw lotar::IoError(config_path(), "wanted an object");
    const std::string difference = detail::first_difference(before, now, may_change);
    if (!difference.empty())
      throw lotar::ConfigError(path_ + ": cannot resume with another configuration: " + difference);
  }

  /// Rewrites the file: a training writes too few lines for this to cost anything, and none is ever half there.
  void write_metrics() const {
    std::string lines;
    for (const lotar::Json& epoch : metrics_) lines += epoch.dump() + "\n";
    lotar::write_file_atomically(metrics_path(), lines);
  }

  static bool exists(const std::string& path) {
    std::error_code unreadable;  // whoever opens the file says so
    return std::filesystem::exists(path, unreadable);
  }

  std::string path_;
  std::optional<FolderLock> lock_;
  std::vector<lotar::Json> metrics_;
};

}  // namespace examples
