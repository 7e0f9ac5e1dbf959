#include <lotar/io/json.hpp>

#include <limits>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("JSON comes back as it was written") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const Json json = {{"name", "lotar"}, {"ratio", 0.1}, {"list", {1, 2, 3}}, {"nested", {{"flag", true}}}};
  write_json(path, json);
  CHECK(read_json(path) == json);
  CHECK(read_bytes(path).ends_with("}\n"));
  CHECK(folder.files() == 1);
  CHECK(parse_json(R"({"a": {"x": 1}, "b": {"x": 1}, "c": [{"x": 1}, {"x": 1}]})", "text").size() == 3);
}

TEST_CASE("JSON is refused") {
  CHECK_THROWS_WITH_AS(parse_json(R"({"a": 1, "b": 2, "a": 3})", "file"),
                       "file: JSON with the key \"a\" twice in an object", IoError);
  CHECK_THROWS_WITH_AS(parse_json(R"([{"a": {"b": 1, "b": 2}}])", "file"),
                       "file: JSON with the key \"b\" twice in an object", IoError);
  CHECK_THROWS_WITH_AS(parse_json(R"({"a": 1,})", "file"), "file: at byte 8: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("{} x", "file"), "file: at byte 3: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("{} x", "file", 8), "file: at byte 11: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("", "file"), "file: at byte 0: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("{", "file"), "file: at byte 1: not JSON", IoError);
  using namespace std::string_view_literals;
  CHECK_THROWS_WITH_AS(parse_json("{}\0"sv, "file"), "file: at byte 2: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("{}\n\0, and more"sv, "file"), "file: at byte 3: not JSON", IoError);
  CHECK_THROWS_WITH_AS(parse_json("\0"sv, "file", 8), "file: at byte 8: not JSON", IoError);
  CHECK_THROWS_AS(parse_json("\"\xff\"", "file"), IoError);
  CHECK_THROWS_AS(parse_json("[1e999]", "file"), IoError);
  CHECK_THROWS_WITH_AS(parse_json(std::string(100000, '['), "file"), "file: JSON of more than 64 levels", IoError);
}

TEST_CASE("a string that is not UTF-8 is not written") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(write_json(folder / "file", Json{{"a", "\xff"}}), IoError);
  CHECK(folder.files() == 0);
}

TEST_CASE("every cut and every changed byte of a JSON file is refused or read") {
  const auto load = [](const std::string& path) { return read_json(path, 1000); };
  const std::string valid = R"({"name": "a\u00e9\n", "x": [1, -2.5e3, true, null], "y": {"z": {}}})";
  check_truncations(valid, load);
  check_mutations(valid, load);
}
