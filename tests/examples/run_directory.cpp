#include "../../examples/run_directory.hpp"

#include <cmath>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;
using lotar::Json;

namespace {

Json config() {
  return {{"method", "lotar"},
          {"temperature", 0.2},
          {"epochs", 200},
          {"threads", 2},
          {"max_steps", 0},
          {"checkpoint_every", 10},
          {"versions", {{"lotar", "0.1.0"}, {"compiler", "12.2"}}}};
}

const std::set<std::string> may_change{"threads", "max_steps", "checkpoint_every"};

/// What resuming with the configuration says after the path; "" if it goes on.
std::string resume(const std::string& path, const Json& now) {
  try {
    RunDirectory run(path, now, true, may_change);
    return "";
  } catch (const lotar::ConfigError& error) {
    return std::string(error.what()).substr(path.size());
  }
}

}  // namespace

TEST_CASE("a new run gets its folder and config.json") {
  const ScratchFolder folder;
  const std::string path = folder / "runs/first";
  const RunDirectory run(path, config(), false, may_change);
  CHECK(lotar::read_json(path + "/config.json") == config());
  CHECK(run.file("loss.svg") == path + "/loss.svg");
  CHECK(run.checkpoint_path() == path + "/checkpoint.safetensors");
  CHECK_FALSE(run.has_checkpoint());
  write_bytes(run.checkpoint_path(), "");
  CHECK(run.has_checkpoint());
}

TEST_CASE("a folder with a run, with other files, or a file in its place is refused") {
  const ScratchFolder folder;
  const std::string path = folder / "run";
  { const RunDirectory run(path, config(), false, may_change); }
  CHECK_THROWS_WITH_AS(RunDirectory(path, config(), false, may_change),
                       (path + ": there is a run already; resume it or name another folder").c_str(),
                       lotar::ConfigError);
  std::filesystem::remove(path + "/config.json");
  { const RunDirectory run(path, config(), false, may_change); }  // an empty folder is fine
  std::filesystem::rename(path + "/config.json", path + "/letter");
  CHECK_THROWS_WITH_AS(RunDirectory(path, config(), false, may_change),
                       (path + ": the folder is not empty and holds no run; name another folder").c_str(),
                       lotar::ConfigError);
  CHECK(std::filesystem::exists(path + "/letter"));
  const std::string file = path + "/letter";
  CHECK_THROWS_WITH_AS(RunDirectory(file, config(), false, may_change),
                       doctest::Contains((file + ": cannot make the folder: ").c_str()), lotar::IoError);
  CHECK_THROWS_AS(RunDirectory(file + "/below", config(), false, may_change), lotar::IoError);
}

TEST_CASE("a run is resumed with its configuration only, and the first difference is named") {
  const ScratchFolder folder;
  const std::string path = folder / "run";
  CHECK(resume(path, config()) == ": there is no run to resume (no config.json)");
  CHECK_FALSE(std::filesystem::exists(path));
  { const RunDirectory run(path, config(), false, may_change); }
  CHECK(resume(path, config()) == "");
  Json now = config();
  now["threads"] = 8, now["max_steps"] = 5, now["checkpoint_every"] = 1;
  CHECK(resume(path, now) == "");
  CHECK(lotar::read_json(path + "/config.json") == now);

  const auto changed = [&](auto change) {
    Json other = config();
    change(other);
    return resume(path, other);
  };
  const std::string start = ": cannot resume with another configuration: ";
  CHECK(changed([](Json& c) { c["temperature"] = 0.5; }) == start + "temperature was 0.2, is now 0.5");
  CHECK(changed([](Json& c) { c["method"] = "bcl", c["temperature"] = 0.5; }) ==
        start + "method was \"lotar\", is now \"bcl\"");
  CHECK(changed([](Json& c) { c.erase("epochs"); }) == start + "epochs was 200, is now not set");
  CHECK(changed([](Json& c) { c["width"] = 64; }) == start + "width was not set, is now 64");
  CHECK(changed([](Json& c) { c["versions"]["compiler"] = "14"; }) ==
        start + "versions.compiler was \"12.2\", is now \"14\"");
  CHECK(changed([](Json& c) { c["versions"] = 3; }) ==
        start + "versions was {\"compiler\":\"12.2\",\"lotar\":\"0.1.0\"}, is now 3");
  CHECK(lotar::read_json(path + "/config.json") == now);

  Json other = config();
  other["versions"]["compiler"] = "14";
  CHECK_NOTHROW(RunDirectory(path, other, true, {"versions.compiler", "threads", "max_steps", "checkpoint_every"}));
}

TEST_CASE("one process works on a run, and what killed ones left goes") {
  const ScratchFolder folder;
  const std::string path = folder / "run";
  std::filesystem::create_directory(path);
  write_bytes(path + "/config.json.tmp12.0", "{");
  {
    const RunDirectory run(path, config(), false, may_change);
    CHECK(resume(path, config()) == ": another process is at work there");
  }
  write_bytes(path + "/model.safetensors.tmp12.0", "");
  CHECK(resume(path, config()) == "");
  for (const auto& file : std::filesystem::directory_iterator(path))
    CHECK(file.path().filename().string().find(".tmp") == std::string::npos);
}

TEST_CASE("a damaged config.json is refused") {
  const ScratchFolder folder;
  write_bytes(folder / "config.json", "[1]");
  CHECK_THROWS_WITH_AS(RunDirectory(folder.path(), config(), true, may_change),
                       ((folder / "config.json") + ": wanted an object").c_str(), lotar::IoError);
  write_bytes(folder / "config.json", "{\"method\":");
  CHECK_THROWS_AS(RunDirectory(folder.path(), config(), true, may_change), lotar::IoError);
  CHECK_THROWS_WITH_AS(RunDirectory(folder.path(), Json(), true, may_change),
                       "RunDirectory: wanted a configuration of keys and values", lotar::ConfigError);
}

TEST_CASE("metrics are added line by line, and lines past the checkpoint are dropped") {
  const ScratchFolder folder;
  const std::string path = folder / "run", metrics = path + "/metrics.jsonl";
  const std::string first = "{\"epoch\":1,\"loss\":0.1}\n", second = "{\"epoch\":2,\"loss\":null}\n";
  {
    RunDirectory run(path, config(), false, may_change);
    run.drop_metrics_after(0);
    CHECK_FALSE(std::filesystem::exists(metrics));
    run.append_metrics({{"epoch", 1}, {"loss", 0.1}});
    run.append_metrics({{"epoch", 2}, {"loss", std::nan("")}});
    CHECK(read_bytes(metrics) == first + second);
    CHECK_THROWS_WITH_AS(run.append_metrics({{"loss", 1}}),
                         (metrics + ": wanted an object with a number \"epoch\", got {\"loss\":1}").c_str(),
                         lotar::IoError);
    run.append_metrics({{"epoch", 3}});
  }
  RunDirectory run(path, config(), true, may_change);
  CHECK(read_bytes(metrics) == first + second + "{\"epoch\":3}\n");
  run.drop_metrics_after(2);
  CHECK(read_bytes(metrics) == first + second);
  run.append_metrics({{"epoch", 3}, {"loss", 3}});
  CHECK(read_bytes(metrics) == first + second + "{\"epoch\":3,\"loss\":3}\n");
  run.drop_metrics_after(0);
  CHECK(read_bytes(metrics).empty());
}
