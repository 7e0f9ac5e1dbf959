#include "../../examples/reproduction/run_state.hpp"

#include <lotar/core/config.hpp>
#include <lotar/io/safetensors.hpp>
#include <lotar/train/checkpoint.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;
using lotar::Json;

namespace {

const PlannedRun planned{"lotar", 1, 1, {{"lr", 0.5}, {"method", "lotar"}}, {{"few-shot", "2"}, {"draws", 1}}};

/// A folder of a run of two epochs, at some stage.
struct RunFolder {
  ScratchFolder folder;

  explicit RunFolder(int epochs) {
    configure(lotar::version);
    std::string metrics;
    for (int e = 1; e <= epochs; ++e) metrics += "{\"epoch\":" + std::to_string(e) + "}\n";
    if (epochs > 0) write_bytes(folder / "metrics.jsonl", metrics);
    lotar::write_checkpoint(folder / "checkpoint.safetensors", {{{"values", {1, 2}}}, {}, {}});
    write_model(epochs * 2);
  }
  void configure(const std::string& version) const {
    write_bytes(folder / "config.json", R"({"lr":0.5,"method":"lotar","epochs":2,"width":64,"versions":{"lotar":")" +
                                            version + R"(","backend":"cpu"}})");
  }
  void write_model(int step) const {
    lotar::write_safetensors(folder / "model.safetensors", {{{"step", std::to_string(step)}, {"steps", "4"}}, {}});
  }
  void judge(int step = 4, const std::string& evaluation = R"({"few-shot":"2","draws":1,"groups":"bcl"})") const {
    write_bytes(folder / "results.json", R"({"all":0.5,"classes":[],"steps":4,"step":)" + std::to_string(step) +
                                             R"(,"evaluation":)" + evaluation + "}");
  }
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
  run.judge(2);
  CHECK(run.state().stage == Stage::begun);
  CHECK(run.state().fault == "judged at update 2 of 4");
  CHECK_FALSE(run.state().trained);
}

TEST_CASE("results of other options, or of a network that was not trained to its end, do not count") {
  const RunFolder run(2);
  run.judge(4, R"({"few-shot":"5","draws":1})");
  CHECK(run.state().stage == Stage::begun);
  CHECK(run.state().fault == "judged otherwise: few-shot was \"5\", is now \"2\"");
  CHECK(run.state().results.is_null());
  run.judge(4, "null");
  CHECK(run.state().stage == Stage::begun);
  CHECK(run.state().fault == "judged otherwise: draws was not set, is now 1");
  run.judge(3);
  CHECK(run.state().stage == Stage::begun);
  CHECK(run.state().fault == "judged at update 3 of 4");
  write_bytes(run.folder / "results.json", R"({"all":0.5,"classes":[]})");
  CHECK(run.state().stage == Stage::begun);
  run.judge();
  CHECK(run.state().stage == Stage::done);
}

TEST_CASE("a training of another version is not gone on with, but judged if it is whole") {
  const RunFolder run(2);
  CHECK(run.state().trained);
  run.configure("0.0.9");
  write_bytes(run.folder / "checkpoint.safetensors", "as that version has it");
  CHECK(run.state().stage == Stage::begun);
  CHECK(run.state().trained);
  run.judge(4, "{}");
  CHECK(run.state().stage == Stage::begun);
  run.judge();
  CHECK(run.state().stage == Stage::done);
  run.judge(3);
  run.write_model(3);
  CHECK(run.state().stage == Stage::another_run);
  CHECK(run.state().fault == run.folder / "config.json" + ": lotar " + lotar::version +
                                 " cannot go on with a training that lotar \"0.0.9\" began");
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
  CHECK(trained.state().stage == Stage::begun);
  CHECK_FALSE(trained.state().trained);  // the model is made again
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
  const RunState state = inspect_run(run.folder.path(), {"lotar", 1, 1, {{"lr", 0.25}, {"method", "lotar"}}, {}});
  CHECK(state.stage == Stage::another_run);
  CHECK(state.fault == run.folder.path() + ": cannot go on with other options: lr was 0.5, is now 0.25");
}
