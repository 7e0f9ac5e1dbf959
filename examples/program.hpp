#pragma once

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <istream>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/io/json.hpp>

/// Refuses all but whole numbers of at least 0, in decimal digits: CLI11 would wrap what is negative, cut what is too
/// large, and take "" in a list for 0 and "010" for 8.
inline CLI::Validator not_negative() {
  const auto check = [](const std::string& text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const bool sound = error == std::errc() && std::to_string(number) == text;
    return sound ? std::string() : "wanted a whole number of at least 0, got \"" + text + "\"";
  };
  return CLI::Validator(check, "", "not_negative");
}

/// Reads an app's options from a flat JSON object, whose keys are the long names of options without dashes. The
/// "versions" that a run records are no option and are skipped.
class JsonConfig : public CLI::Config {
 public:
  explicit JsonConfig(const CLI::App& app) : app_(app) {}

  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return "{}"; }

  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override {
    const auto path = app_.get_option("--config")->as<std::string>();
    std::string text(max_bytes + 1, '\0');
    input.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(input.gcount()));
    if (text.size() > max_bytes) throw lotar::IoError(path, "wanted a file of options, of 1 MiB at most");
    const lotar::Json json = lotar::parse_json(text, path);
    if (!json.is_object()) throw lotar::IoError(path, "wanted a JSON object of options");
    std::vector<CLI::ConfigItem> options;
    for (const auto& [name, value] : json.items()) {
      if (name == "versions") continue;
      const CLI::Option* option = app_.get_option_no_throw("--" + name);
      if (option == nullptr) throw lotar::IoError(path, "no option \"" + name + "\"");
      const bool list = value.is_array() && option->get_items_expected_max() > 1;
      for (const lotar::Json& one : list ? value : lotar::Json::array({value}))
        if (!one.is_string() && !one.is_number() && !one.is_boolean())
          throw lotar::IoError(path, name + ": wanted text or a number, got " + one.dump());
      CLI::ConfigItem item;
      item.name = name;
      for (const lotar::Json& one : list ? value : lotar::Json::array({value}))
        item.inputs.push_back(one.is_string() ? one.get<std::string>() : one.dump());
      options.push_back(std::move(item));
    }
    return options;
  }

 private:
  static constexpr std::size_t max_bytes = std::size_t{1} << 20;

  const CLI::App& app_;
};

/// The whole of a program: parses the command line and the file of --config into the app's options, then runs body().
///
/// @return 0, or with one line on stderr 2, or 3 where a training or a probe went non-finite.
template <class F>
int run_program(CLI::App& app, int argc, char** argv, F body) {
  const auto fail = [&](std::string message, int code) {
    std::replace(message.begin(), message.end(), '\n', ' ');
    std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), message.c_str());
    return code;
  };
  app.config_formatter(std::make_shared<JsonConfig>(app));
  app.set_config("--config", "", "Read options from a JSON file; those on the command line go first");
  try {
    app.parse(argc, argv);
    body();
    return 0;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const lotar::NonFiniteError& error) {
    return fail(error.what(), 3);
  } catch (const std::bad_alloc&) {
    return fail("not enough memory", 2);
  } catch (const std::exception& error) {
    return fail(error.what(), 2);
  }
}
