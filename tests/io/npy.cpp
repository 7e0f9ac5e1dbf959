#include <lotar/io/npy.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

static RawArray load(const std::string& path) { return read_npy(path, 10000); }

/// A version 1 file with this header text and these bytes of data.
static std::string npy(const std::string& header, const std::string& data) {
  std::string file("\x93NUMPY\x01\x00", 8);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return file + header + data;
}

TEST_CASE("write_npy writes the bytes that numpy.save writes") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const std::vector<std::int64_t> three{1, 2, 3};
  write_npy<std::int64_t>(path, {3}, three);
  // numpy.save(path, numpy.array([1, 2, 3]))
  const std::string start = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
  const std::string wanted = npy(start + std::string(117 - start.size(), ' ') + "\n",
                                 std::string("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24));
  CHECK(wanted.size() == 128 + 24);
  CHECK(read_bytes(path) == wanted);
  const std::vector<float> six{1, 2, 3, 4, 5, 6};
  write_npy<float>(path, {2, 3}, six);
  CHECK(read_bytes(path).find("'<f4', 'fortran_order': False, 'shape': (2, 3), }") != std::string::npos);
  write_npy<float>(path, {}, std::span(six).first(1));
  CHECK(read_bytes(path).find("'shape': (), }") != std::string::npos);
}

TEST_CASE("arrays come back as they were written") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const auto comes_back = [&](std::vector<std::size_t> shape, auto value) {
    using T = decltype(value);
    std::size_t size = 1;
    for (const std::size_t extent : shape) size *= extent;
    std::vector<T> values(size);
    for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<T>(value + static_cast<T>(i));
    write_npy<T>(path, shape, values);
    const RawArray array = read_npy(path);
    return array.shape == shape && array.values<T>(path) == values;
  };
  CHECK(comes_back({4}, std::uint8_t{200}));
  CHECK(comes_back({2, 3}, -1.5f));
  CHECK(comes_back({2, 1, 2}, 1e300));
  CHECK(comes_back({}, std::int32_t{-7}));
  CHECK(comes_back({0, 5}, std::int64_t{1}));
}

TEST_CASE("versions 2 and 3, either quotes and any order of keys are read") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const std::string header = "{\"shape\": (2 ,), 'fortran_order':False ,'descr' : '|u1'}\n";
  for (const char version : {'\x02', '\x03'}) {
    write_bytes(path, std::string("\x93NUMPY") + version + std::string("\0", 1) + static_cast<char>(header.size()) +
                          std::string("\0\0\0", 3) + header + "\x05\x06");
    CHECK(read_npy(path).integers(path) == std::vector<std::int64_t>{5, 6});
  }
}

TEST_CASE("read_npy refuses") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const auto refusal = [&](const std::string& bytes) -> std::string {
    write_bytes(path, bytes);
    try {
      load(path);
    } catch (const IoError& error) {
      return std::string(error.what()).substr(path.size());
    }
    return "read";
  };
  CHECK(refusal("not an npy file") == ": at byte 0: not an npy file");
  CHECK(refusal(std::string("\x93NUMPY\x04\0xx", 10)) == ": at byte 6: npy version 4.0 not supported");
  CHECK(refusal(std::string("\x93NUMPY\x02\0\x01\0\x01\0{", 13)) ==
        ": at byte 8: wanted an npy header of at most 65536 bytes, got 65537");
  CHECK(refusal(std::string("\x93NUMPY\x01\0\x09\0{", 11)) == ": at byte 11: npy header cut short");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': True, 'shape': (1,)}", "12345678")) ==
        ": at byte 44: npy header: wanted fortran_order False");
  CHECK(refusal(npy("{'descr': '>i8', 'fortran_order': False, 'shape': (1,)}", "12345678")) ==
        ": at byte 25: npy header: element type \">i8\" not supported");
  CHECK(refusal(npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", "12345678")) ==
        ": at byte 24: npy header: element type \"|O\" not supported");
  CHECK(refusal(npy("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", "1234")) ==
        ": at byte 20: npy header: wanted a string");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False}", "")) ==
        ": at byte 50: npy header: wanted each of descr, fortran_order and shape once");
  CHECK(refusal(npy("{'descr': '<i8', 'descr': '<i8', 'shape': (1,)}", "")) ==
        ": at byte 35: npy header: wanted each of descr, fortran_order and shape once");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (99999999999999999999,)}", "")) ==
        ": at byte 80: npy header: number too large");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "")) ==
        ": at byte 85: wanted the i64 values of [4294967296, 4294967296], got 0 bytes");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (-1,)}", "")) ==
        ": at byte 61: npy header: wanted a number");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1)}", "12345678")) ==
        ": at byte 62: npy header: wanted ,");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "12345678")) ==
        ": at byte 77: npy header: wanted at most 8 dimensions");
  CHECK(refusal(npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}", "12345678")) ==
        ": at byte 65: wanted the i64 values of [2], got 8 bytes");
  CHECK(refusal(std::string(10001, ' ')) == ": wanted at most 10000 bytes, got 10001");
}

TEST_CASE("write_npy refuses what read_npy would") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  CHECK_THROWS_WITH_AS(write_npy(path, RawArray{DType::bf16, {1}, {0, 0}}), "write_npy: NumPy has no bf16",
                       ConfigError);
  CHECK_THROWS_WITH_AS(write_npy(path, RawArray{DType::u16, {2, 2}, Bytes(7)}),
                       "write_npy: an array of [2, 2] has 7 bytes", ShapeError);
  CHECK_THROWS_WITH_AS(write_npy(path, RawArray{DType::u16, {std::size_t{1} << 63, 2}, {}}),
                       "write_npy: an array of [9223372036854775808, 2] has 0 bytes", ShapeError);
  CHECK_THROWS_WITH_AS(write_npy(path, RawArray{DType::u8, std::vector<std::size_t>(9, 1), {0}}),
                       "write_npy: wanted at most 8 dimensions, got [1, 1, 1, 1, 1, 1, 1, 1, 1]", ConfigError);
  CHECK(folder.files() == 0);
  write_npy(path, RawArray{DType::u8, std::vector<std::size_t>(8, 1), {5}});
  CHECK(read_npy(path).bytes == Bytes{5});
}

TEST_CASE("every cut and every changed byte of an npy file is refused or read") {
  const std::string valid = npy("{'descr': '<u2', 'fortran_order': False, 'shape': (2, 2), }\n", "abcdefgh");
  check_truncations(valid, load);
  check_mutations(valid, load);
}
