#include "../../examples/reproduction/run_state.hpp"

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;
using lotar::Json;

namespace {

const Json planned{{"lr", 0.5}, {"method", "lotar"}};

/// A folder of a run of two epochs, at some stage.
struct RunFolder {
  ScratchFolder folder;

  explicit RunFolder(int epochs) {
    write_bytes(folder / "config.json", R"({"lr":0.5,"method":"lotar","epochs":2,"width":64})");
    std::string metrics;
    for (int e = 1; e <= epochs; ++e) metrics += "{\"epoch\":" + std::to_string(e) + "}\n";
    if (epochs > 0) write_bytes(folder / "metrics.jsonl", metrics);
    lotar::write_checkpoint(folder / "checkpoint.safetensors", {{{"values", {1, 2}}}, {}, {}});
    lotar::write_safetensors(folder / "model.safetensors", {});
  }
  void judge() const { write_bytes(folder / "results.json", R"({"all":0.5,"classes":[]})"); }
  RunState state() const { return inspect_run(folder.path(), planned); }
  void truncate(const std::string& name) const {
    const std::string bytes = read_bytes(folder / name);
    write_bytes(folder / name, bytes.substr(0, bytes.size() / 2));
  }
};

}  // namespace

TEST_CASE("a run is fresh, begun, or done") {
  const ScratchFolder empty;
  CHECK(inspect_run(empty.path(), planned).stage == Stage::fresh);
  CHECK(inspect_run(empty / "nowhere", planned).stage == Stage::fresh);
  CHECK(RunFolder(0).state().stage == Stage::begun);
  CHECK(RunFolder(1).state().metrics.size() == 1);
  const RunFolder run(2);
  CHECK(run.state().stage == Stage::begun);
  run.judge();
  CHECK(run.state().stage == Stage::done);
  CHECK(run.state().results["all"] == 0.5);
}

TEST_CASE("results of a training that has not ended do not count") {
  const RunFolder run(1);
  run.judge();
  CHECK(run.state().stage == Stage::begun);
}

TEST_CASE("what a killed process left is no run") {
  const ScratchFolder folder;
  write_bytes(folder / "config.json.tmp123.0", "{");
  CHECK(inspect_run(folder.path(), planned).stage == Stage::fresh);
  write_bytes(folder / "notes.tmpl", "");
  CHECK(inspect_run(folder.path(), planned).stage == Stage::damaged);
  CHECK(inspect_run(folder.path(), planned).fault == folder.path() + ": has no config.json, but notes.tmpl");
}

TEST_CASE("damage is found where it matters") {
  for (const char* name : {"config.json", "metrics.jsonl", "checkpoint.safetensors"}) {
    const RunFolder run(1);
    run.truncate(name);
    CHECK(run.state().stage == Stage::damaged);
    CHECK(run.state().fault.starts_with(run.folder / name));
  }
  const RunFolder trained(2);
  trained.truncate("model.safetensors");
  CHECK(trained.state().stage == Stage::damaged);
  const RunFolder judged(2);
  judged.judge();
  judged.truncate("results.json");
  CHECK(judged.state().stage == Stage::unjudged);
  CHECK(judged.state().fault.starts_with(judged.folder / "results.json"));
  const RunFolder no_epochs(1);
  write_bytes(no_epochs.folder / "config.json", R"({"lr":0.5,"method":"lotar"})");
  CHECK(no_epochs.state().stage == Stage::damaged);
}

TEST_CASE("a run of other options is neither damaged nor gone on with") {
  const RunFolder run(2);
  run.judge();
  const RunState state = inspect_run(run.folder.path(), {{"lr", 0.25}, {"method", "lotar"}});
  CHECK(state.stage == Stage::another_run);
  CHECK(state.fault == run.folder.path() + ": cannot go on with other options: lr was 0.5, is now 0.25");
}
