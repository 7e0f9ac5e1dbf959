#pragma once

#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <lotar/core/error.hpp>

/// Plans of convolutions as text, which outlives a process. Of the host alone, as its tests are.
namespace lotar::detail {

/// One of cuDNN's engines by its global index, and how it is set: the values of its knobs by their types.
struct EngineChoice {
  std::int64_t engine = 0;
  std::map<std::int64_t, std::int64_t> knobs;

  bool operator==(const EngineChoice&) const = default;
};

/// The beginning of a text as one line that can be shown, whatever it holds.
inline std::string shown(const std::string& text) {
  constexpr std::size_t most = 200;
  std::string line = text.substr(0, most);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7F) c = ' ';
  return text.size() > most ? line + "..." : line;
}

/// "7 2=11 13=64": the engine and its knobs; "none" where cuDNN has no plan.
inline std::string to_string(const std::optional<EngineChoice>& choice) {
  if (!choice) return "none";
  std::string text = std::to_string(choice->engine);
  for (const auto& [knob, value] : choice->knobs) text += ' ' + std::to_string(knob) + '=' + std::to_string(value);
  return text;
}

/// What to_string() wrote.
/// @throws ConfigError for other text.
inline std::optional<EngineChoice> parse_plan(const std::string& text) {
  if (text == "none") return std::nullopt;
  const char *at = text.data(), *const end = at + text.size();
  const auto fail = [&] { throw ConfigError("\"" + shown(text) + "\" is not the plan of a convolution"); };
  const auto number = [&] {
    std::int64_t value = 0;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc()) fail();
    at = rest;
    return value;
  };
  const auto skip = [&](char c) {
    if (at == end || *at != c) fail();
    ++at;
  };
  EngineChoice choice{number(), {}};
  while (at != end) {
    skip(' ');
    const std::int64_t knob = number();
    skip('=');
    if (!choice.knobs.emplace(knob, number()).second) fail();
  }
  return choice;
}

/// The plans that a device's convolutions run by, as text, by the text of the problem; thread-safe.
class PlanMemory {
 public:
  using Plans = std::map<std::string, std::string>;

  Plans all() const {
    const std::lock_guard lock(mutex_);
    return plans_;
  }
  std::optional<std::string> find(const std::string& problem) const {
    const std::lock_guard lock(mutex_);
    const auto at = plans_.find(problem);
    return at == plans_.end() ? std::nullopt : std::optional(at->second);
  }
  /// Keeps a plan that was chosen, unless the problem has one.
  /// @return what the problem has now
  std::string keep(const std::string& problem, const std::string& plan) {
    const std::lock_guard lock(mutex_);
    return plans_.emplace(problem, plan).first->second;
  }
  /// Puts these in the place of what their problems have.
  /// @throws ConfigError that names the first that is no plan; nothing is changed then.
  void use(const Plans& plans) {
    for (const auto& [problem, plan] : plans) try {
        parse_plan(plan);
      } catch (const ConfigError& e) {
        throw ConfigError("use_plans: " + shown(problem) + ": " + e.what());
      }
    const std::lock_guard lock(mutex_);
    for (const auto& [problem, plan] : plans) plans_.insert_or_assign(problem, plan);
    ++version_;
  }
  /// How often plans were put in: what was made of earlier ones is out of date.
  std::size_t version() const { return version_; }

 private:
  mutable std::mutex mutex_;
  Plans plans_;
  std::atomic<std::size_t> version_ = 0;
};

}  // namespace lotar::detail
