#include <lotar/io/idx.hpp>

#include "../files.hpp"
#include "../gzip.hpp"
#include "../test.hpp"

using namespace lotar;

/// [2, 3] of 1 to 6.
static const std::string valid("\0\0\x08\x02\0\0\0\x02\0\0\0\x03\x01\x02\x03\x04\x05\x06", 18);

static RawArray load(const std::string& path) { return read_idx(path, 2, 10000); }

TEST_CASE("read_idx reads plain and gzipped files") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  for (const std::string& bytes : {valid, gzip(valid)}) {
    write_bytes(path, bytes);
    const RawArray array = load(path);
    CHECK(array.type == DType::u8);
    CHECK(array.shape == std::vector<std::size_t>{2, 3});
    CHECK(array.bytes == Bytes{1, 2, 3, 4, 5, 6});
    CHECK(array.offset == (bytes == valid ? std::optional<std::uint64_t>(12) : std::nullopt));
  }
}

TEST_CASE("read_idx refuses") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  std::string bytes = valid;
  std::string wanted;
  SUBCASE("a short header") {
    bytes.resize(11);
    wanted = ": at byte 11: wanted an IDX header of 12 bytes, the file ends here";
  }
  SUBCASE("another rank") {
    bytes[3] = 1;
    wanted = ": at byte 0: wanted the IDX magic number 2050, got 2049";
  }
  SUBCASE("another element type") {
    bytes[2] = 0x0d;
    wanted = ": at byte 0: wanted the IDX magic number 2050, got 3330";
  }
  SUBCASE("more values than there are") {
    bytes[7] = 3;
    wanted = ": at byte 12: wanted the values of [3, 3], got 6 bytes";
  }
  SUBCASE("sizes whose product is huge") {
    bytes[4] = bytes[8] = '\xff';
    wanted = ": at byte 12: wanted the values of [4278190082, 4278190083], got 6 bytes";
  }
  write_bytes(path, bytes);
  CHECK_THROWS_WITH_AS(load(path), (path + wanted).c_str(), IoError);
  write_bytes(path, gzip(bytes));  // no offset: none of the unpacked bytes is one of the file
  CHECK_THROWS_WITH_AS(load(path), (path + wanted.substr(wanted.find(": wanted"))).c_str(), IoError);
}

TEST_CASE("every cut and every changed byte of an IDX file is refused or read") {
  check_truncations(valid, load);
  check_mutations(valid, load);
  check_truncations(gzip(valid), load);
  check_mutations(gzip(valid), load);
}
