#include <lotar/train/checkpoint.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <csignal>
#include <limits>
#include <numeric>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

namespace {

/// A convolution, a batch norm and a linear layer.
ParameterTable small_table() {
  ParameterTable table;
  table.add("conv1.weight", {2, 3, 2, 4}, ParameterKind::conv, {});  // [K, R, S, C]
  table.add("bn1.weight", {2}, ParameterKind::norm, {});
  table.add("bn1.bias", {2}, ParameterKind::norm, {});
  table.add("fc.weight", {3, 2}, ParameterKind::linear, {});
  table.add("fc.bias", {3}, ParameterKind::bias, {});
  table.add_statistic("bn1.running_mean", {2}, 0);
  table.add_statistic("bn1.running_var", {2}, 1);
  return table;
}

struct Flat {
  std::vector<float> values, statistics;

  /// Entries count up from 1; gaps are zeros.
  explicit Flat(const ParameterTable& table) : values(table.size()), statistics(table.statistics_size()) {
    float next = 1;
    for (const Parameter& p : table.parameters())
      for (std::size_t i = 0; i < p.size; ++i) values[p.offset + i] = next++;
    for (const Parameter& p : table.statistics())
      for (std::size_t i = 0; i < p.size; ++i) statistics[p.offset + i] = next++;
  }
};

/// The small model's file, changed by change(file).
template <class Change>
void write_changed(const std::string& path, Change change) {
  const ParameterTable table = small_table();
  const Flat flat(table);
  write_model(path, table, flat.values, flat.statistics, 7);
  Safetensors file = read_safetensors(path);
  change(file);
  write_safetensors(path, file);
}

Checkpoint small_checkpoint() {
  Checkpoint c;
  c.arrays["values"] = {1, -0.0f, std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::denorm_min()};
  c.arrays["sgd.momentum"] = {};
  c.counters["clock"] = {3, 0xFFFFFFFF, 0};
  c.metadata["config"] = "{\"seed\": 1}";
  return c;
}

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> result;
  for (const float v : values) result.push_back(std::bit_cast<std::uint32_t>(v));
  return result;
}

}  // namespace

TEST_CASE("a model has PyTorch's names, layouts and batch counters") {
  const ScratchFolder folder;
  const std::string path = folder / "model.safetensors";
  const ParameterTable table = small_table();
  const Flat flat(table);
  write_model(path, table, flat.values, flat.statistics, 7, {{"arch", "small"}});
  const Safetensors file = read_safetensors(path);
  CHECK(file.tensors.size() == 8);
  CHECK(file.metadata == std::map<std::string, std::string>{{"arch", "small"}, {"format", "pt"}});
  CHECK(file.get<std::int64_t>("bn1.num_batches_tracked", {}, path) == std::vector<std::int64_t>{7});
  CHECK(file.get<float>("fc.weight", {3, 2}, path) == std::vector<float>{53, 54, 55, 56, 57, 58});
  CHECK(file.get<float>("bn1.running_var", {2}, path) == std::vector<float>{64, 65});
  const auto filter = file.get<float>("conv1.weight", {2, 4, 3, 2}, path);
  for (std::size_t k = 0; k < 2; ++k)
    for (std::size_t c = 0; c < 4; ++c)
      for (std::size_t r = 0; r < 3; ++r)
        for (std::size_t s = 0; s < 2; ++s)
          CHECK(filter[((k * 4 + c) * 3 + r) * 2 + s] == flat.values[((k * 3 + r) * 2 + s) * 4 + c]);
}

TEST_CASE("a model is read back to the bit, and gaps are zeros") {
  const ScratchFolder folder;
  const std::string path = folder / "model.safetensors";
  const ParameterTable table = small_table();
  const Flat flat(table);
  write_model(path, table, flat.values, flat.statistics, 7, {{"arch", "small"}});
  std::vector<float> values(table.size(), 9), statistics(table.statistics_size(), 9);
  CHECK(read_model(path, table, values, statistics)["arch"] == "small");
  CHECK(values == flat.values);
  CHECK(statistics == flat.statistics);
}

TEST_CASE("a model that does not fit is refused by the name of the tensor") {
  const ScratchFolder folder;
  const std::string path = folder / "model.safetensors";
  const ParameterTable table = small_table();
  std::vector<float> values(table.size(), 9), statistics(table.statistics_size(), 9);
  const auto refusal = [&](auto change) {
    write_changed(path, change);
    try {
      read_model(path, table, values, statistics);
    } catch (const IoError& error) {
      return std::string(error.what()).substr(path.size());
    }
    return std::string("read");
  };
  CHECK(refusal([](Safetensors&) {}) == "read");
  std::fill(values.begin(), values.end(), 9.f);
  CHECK(refusal([](Safetensors& f) { f.tensors.erase("fc.bias"); }) == ": no tensor \"fc.bias\"");
  CHECK(refusal([](Safetensors& f) { f.tensors.erase("bn1.num_batches_tracked"); }) ==
        ": no tensor \"bn1.num_batches_tracked\"");
  CHECK(refusal([](Safetensors& f) {
          f.tensors["conv1.weight"].shape = {2, 3, 2, 4};
        }) == ": tensor \"conv1.weight\": wanted [2, 4, 3, 2], got [2, 3, 2, 4]");
  CHECK(refusal([](Safetensors& f) { f.tensors["fc.bias"].type = DType::i32; }) ==
        ": tensor \"fc.bias\": wanted f32, got i32");
  CHECK(refusal([](Safetensors& f) { f.tensors["bn1.num_batches_tracked"].shape = {1}; }) ==
        ": tensor \"bn1.num_batches_tracked\": wanted [], got [1]");
  CHECK(refusal([](Safetensors& f) { f.tensors["projector.0.weight"] = f.tensors["fc.weight"]; }) ==
        ": tensor \"projector.0.weight\" of [3, 2]: the model has none of this name");
  CHECK(values == std::vector<float>(table.size(), 9));
}

TEST_CASE("arrays of another length than the table's are refused") {
  const ParameterTable table = small_table();
  std::vector<float> values(table.size() - 1), statistics(table.statistics_size());
  CHECK_THROWS_WITH_AS(write_model("unwritten", table, values, statistics, 0),
                       "write_model: wanted 320 values and 128 statistics, got 319 and 128", ShapeError);
  CHECK_THROWS_WITH_AS(read_model("unread", table, values, statistics),
                       "read_model: wanted 320 values and 128 statistics, got 319 and 128", ShapeError);
}

TEST_CASE("a checkpoint is read back to the bit") {
  const ScratchFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const Checkpoint written = small_checkpoint();
  write_checkpoint(path, written);
  const Checkpoint read = read_checkpoint(path);
  CHECK(read.metadata == written.metadata);
  CHECK(read.counters == written.counters);
  REQUIRE(read.arrays.size() == 2);
  for (const auto& [name, values] : written.arrays) CHECK(bits(read.arrays.at(name)) == bits(values));
  const std::string bytes = read_bytes(path);
  write_checkpoint(path, read);
  CHECK(read_bytes(path) == bytes);
}

TEST_CASE("a checkpoint with a name twice, or a format of its own, is refused") {
  Checkpoint c = small_checkpoint();
  c.counters["values"] = {1};
  CHECK_THROWS_WITH_AS(write_checkpoint("unwritten", c), "write_checkpoint: \"values\" names an array and a counter",
                       ConfigError);
  c = small_checkpoint();
  c.metadata["format"] = "mine";
  CHECK_THROWS_WITH_AS(write_checkpoint("unwritten", c), "write_checkpoint: the metadata must not have \"format\"",
                       ConfigError);
}

TEST_CASE("foreign, cut and damaged files are no checkpoints") {
  const ScratchFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const ParameterTable table = small_table();
  const Flat flat(table);
  write_model(path, table, flat.values, flat.statistics, 7);
  CHECK_THROWS_WITH_AS(read_checkpoint(path),
                       (path + ": not a checkpoint: wanted the format \"lotar.checkpoint.1\", got \"pt\"").c_str(),
                       IoError);
  write_safetensors(path, Safetensors{});
  CHECK_THROWS_WITH_AS(read_checkpoint(path),
                       (path + ": not a checkpoint: wanted the format \"lotar.checkpoint.1\", got none").c_str(),
                       IoError);
  Safetensors file{{{"format", "lotar.checkpoint.1"}}, {}};
  const std::vector<float> values{1, 2};
  file.set("a", {1, 2}, std::span<const float>(values));
  write_safetensors(path, file);
  CHECK_THROWS_WITH_AS(read_checkpoint(path), (path + ": tensor \"a\": wanted one dimension, got [1, 2]").c_str(),
                       IoError);
  file.tensors["a"] = {DType::f64, {0}, {}};
  write_safetensors(path, file);
  CHECK_THROWS_WITH_AS(read_checkpoint(path), (path + ": tensor \"a\": wanted f32, got f64").c_str(), IoError);

  write_checkpoint(path, small_checkpoint());
  const auto load = [](const std::string& name) { read_checkpoint(name); };
  check_truncations(read_bytes(path), load);
  CHECK(check_mutations(read_bytes(path), load) > 400);
}

TEST_CASE("a checkpoint that cannot be written leaves the old one") {
  const ScratchFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  write_checkpoint(path, small_checkpoint());
  const std::string old_bytes = read_bytes(path);
  Checkpoint large = small_checkpoint();
  large.arrays["values"].resize(100'000);
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  for (const rlim_t bytes :
       {0U, 8U, 100U, 50'000U, 399'999U}) {  // the disk fills up in the prefix, the header, the data
    const rlimit small{bytes, old.rlim_max};
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message = "written";
    try {
      write_checkpoint(path, large);
    } catch (const IoError& error) {
      message = error.what();
    }
    setrlimit(RLIMIT_FSIZE, &old);
    CHECK(message == path + ": cannot write: File too large");
    CHECK(read_bytes(path) == old_bytes);
    CHECK(folder.files() == 1);
  }
  std::signal(SIGXFSZ, handler);
}

TEST_CASE("a checkpoint survives a writer that is killed at any moment") {
  const ScratchFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  Checkpoint c;
  c.arrays["values"].resize(100'000);
  c.counters["step"] = {0};
  write_checkpoint(path, c);
  std::uint32_t last = 0;
  for (useconds_t round = 1; round <= 20 || (last == 0 && round < 500); ++round) {  // the disk may be slow
    const pid_t writer = fork();
    REQUIRE(writer >= 0);
    if (writer == 0) {
      try {
        for (c.counters["step"][0] = last + 1;; ++c.counters["step"][0]) {
          std::fill(c.arrays["values"].begin(), c.arrays["values"].end(), static_cast<float>(c.counters["step"][0]));
          write_checkpoint(path, c);
        }
      } catch (...) {
        _exit(1);
      }
    }
    usleep(1'000 * round);
    kill(writer, SIGKILL);
    waitpid(writer, nullptr, 0);
    const Checkpoint read = read_checkpoint(path);
    const std::uint32_t step = read.counters.at("step").at(0);
    CHECK(step >= last);
    CHECK(read.arrays.at("values") == std::vector<float>(100'000, static_cast<float>(step)));
    last = step;
  }
  CHECK(last > 0);
}
