#include <lotar/io/safetensors.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

/// A file with this header text and these bytes of data.
static std::string safetensors(const std::string& header, const std::string& data) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

TEST_CASE("tensors come back as they were written") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const std::vector<std::uint8_t> bytes{1, 2, 3};
  const std::vector<float> floats{1, -2, 3, 4, 5, 6};
  const std::vector<double> doubles{1e300};
  const std::vector<std::int64_t> longs{-1, 2};
  Safetensors file;
  file.metadata["epoch"] = "12";
  file.set<std::uint8_t>("bytes", {3}, bytes);
  file.set<float>("fc.weight", {2, 3}, floats);
  file.set<double>("scalar", {}, doubles);
  file.set<std::int64_t>("longs", {2}, longs);
  file.set<float>("empty", {0, 4}, {});
  write_safetensors(path, file);
  const Safetensors read = read_safetensors(path);
  CHECK(read.metadata == file.metadata);
  CHECK(read.tensors.size() == 5);
  CHECK(read.get<std::uint8_t>("bytes", {3}, path) == bytes);
  CHECK(read.get<float>("fc.weight", {2, 3}, path) == floats);
  CHECK(read.get<double>("scalar", {}, path) == doubles);
  CHECK(read.get<std::int64_t>("longs", {2}, path) == longs);
  CHECK(read.get<float>("empty", {0, 4}, path).empty());
  const std::string before = read_bytes(path);
  for (const auto& [name, array] : read.tensors) {
    REQUIRE(array.offset);
    CHECK(before.substr(*array.offset, array.bytes.size()) == std::string(array.bytes.begin(), array.bytes.end()));
  }
  write_safetensors(path, read);
  CHECK(read_bytes(path) == before);
}

TEST_CASE("the bytes written are those of the format") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const std::vector<std::uint8_t> one{7};
  const std::vector<std::uint16_t> two{0x0201, 0x0403};
  Safetensors file;
  file.set<std::uint8_t>("a", {1}, one);
  file.set<std::uint16_t>("b", {2}, two);
  write_safetensors(path, file);
  // the wider elements first; the header padded to 8 bytes
  CHECK(read_bytes(path) == safetensors(R"({"a":{"data_offsets":[4,5],"dtype":"U8","shape":[1]},)"
                                        R"("b":{"data_offsets":[0,4],"dtype":"U16","shape":[2]}})"
                                        "      ",
                                        "\1\2\3\4\7"));
}

TEST_CASE("read_safetensors refuses") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const auto refusal = [&](const std::string& header, const std::string& data) -> std::string {
    write_bytes(path, safetensors(header, data));
    try {
      read_safetensors(path);
    } catch (const IoError& error) {
      return std::string(error.what()).substr(path.size());
    }
    return "read";
  };
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xy") == "read");
  CHECK(refusal("{}  ", "") == "read");
  CHECK(refusal(" {}", "") == ": at byte 8: wanted a header that starts with {");
  CHECK(refusal("", "") == ": at byte 8: wanted a header that starts with {");
  CHECK(refusal("{", "") == ": at byte 9: not JSON");
  CHECK(refusal("{}x", "") == ": at byte 10: not JSON");
  CHECK(refusal(std::string("{} \0 {\"", 8), "") == ": at byte 11: not JSON");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                "x") == ": JSON with the key \"a\" twice in an object");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2]}})", "") ==
        ": tensor \"a\": wanted exactly dtype, shape and data_offsets");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"more":1}})", "xy") ==
        ": tensor \"a\": wanted exactly dtype, shape and data_offsets");
  CHECK(refusal(R"({"a":7})", "") == ": tensor \"a\": wanted exactly dtype, shape and data_offsets");
  CHECK(refusal(R"({"a":{"dtype":"C64","shape":[2],"data_offsets":[0,2]}})", "xy") ==
        ": tensor \"a\": element type \"C64\" not supported");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[-2],"data_offsets":[0,2]}})", "xy") ==
        ": tensor \"a\": wanted a shape of at most 8 sizes");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", "x") ==
        ": tensor \"a\": wanted a shape of at most 8 sizes");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}})", "xy") ==
        ": tensor \"a\": wanted a shape of at most 8 sizes");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0]}})", "xy") ==
        ": tensor \"a\": wanted two data_offsets");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,3]}})", "xyz") ==
        ": tensor \"a\": data_offsets [0,3] do not hold u8 values of [2]");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[2,0]}})", "xy") ==
        ": tensor \"a\": data_offsets [2,0] do not hold u8 values of [2]");
  CHECK(refusal(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", "") ==
        ": tensor \"a\": data_offsets [0,0] do not hold f32 values of [4294967296, 4294967296]");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
                "xyz") == ": tensor \"b\": starts at byte 2 of the data, wanted 1");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                R"("b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                "xy") == ": tensor \"b\": starts at byte 1 of the data, wanted 2");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "xyz") ==
        ": at byte 61: wanted 2 bytes of data, got 3");
  CHECK(refusal(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", "x") ==
        ": at byte 61: wanted 2 bytes of data, got 1");
  CHECK(refusal(R"({"__metadata__":{"a":1}})", "") == ": wanted __metadata__ of strings");
  CHECK(refusal(R"({"__metadata__":"a"})", "") == ": wanted __metadata__ of strings");
  CHECK(refusal("{\"" + std::string(4097, 'n') + "\":{}}", "") ==
        ": a tensor's name of 4097 bytes, wanted at most 4096");
  write_bytes(path, std::string("\xff\xff\xff\xff\xff\xff\xff\x7f{}", 10));
  CHECK_THROWS_WITH_AS(read_safetensors(path),
                       (path + ": at byte 0: wanted a header of at most 2 bytes, got 9223372036854775807").c_str(),
                       IoError);
  const std::string most(1 << 24, ' ');
  CHECK(refusal("{}" + most.substr(2), "") == "read");
  CHECK(refusal("{}" + most, "") == ": at byte 0: wanted a header of at most 16777216 bytes, got 16777218");
}

TEST_CASE("get and write_safetensors refuse") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const std::vector<float> two{1, 2};
  Safetensors file;
  file.set<float>("a", {2}, two);
  CHECK_THROWS_WITH_AS(file.get<float>("b", {2}, "file"), "file: no tensor \"b\"", IoError);
  CHECK_THROWS_WITH_AS(file.get<float>("a", {1, 2}, "file"), "file: tensor \"a\": wanted [1, 2], got [2]", IoError);
  CHECK_THROWS_WITH_AS(file.get<double>("a", {2}, "file"), "file: tensor \"a\": wanted f64, got f32", IoError);
  file.tensors["a"].shape = {3};
  CHECK_THROWS_WITH_AS(write_safetensors(path, file), "write_safetensors: tensor \"a\" of [3] has 8 bytes", ShapeError);
  file.tensors.clear();
  file.set<float>("__metadata__", {2}, two);
  CHECK_THROWS_WITH_AS(write_safetensors(path, file),
                       "write_safetensors: the name or rank of tensor \"__metadata__\" is not allowed", ConfigError);
  file.tensors.clear();
  file.set<float>("\xff", {2}, two);
  CHECK_THROWS_AS(write_safetensors(path, file), IoError);
  file.tensors.clear();
  file.metadata["text"] = std::string(1 << 24, 'x');
  CHECK_THROWS_WITH_AS(write_safetensors(path, file), "write_safetensors: a header of 16777248 bytes is too long",
                       ConfigError);
  CHECK(folder.files() == 0);
}

TEST_CASE("every cut and every changed byte of a safetensors file is refused or read") {
  const std::string valid =
      safetensors(R"({"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2,1],"data_offsets":[2,4]},)"
                  R"("b":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}} )",
                  "wxyz");
  check_truncations(valid, read_safetensors);
  check_mutations(valid, read_safetensors);
}
