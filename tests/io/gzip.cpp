#include <lotar/io/gzip.hpp>

#include "../files.hpp"
#include "../gzip.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("gunzip undoes gzip") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += std::to_string(i * i);
  for (const std::string& original : {std::string(), std::string("x"), text}) {
    const std::string packed = gzip(original);
    const Bytes bytes(packed.begin(), packed.end());
    CHECK(is_gzip(bytes));
    const Bytes unpacked = gunzip(bytes, original.size(), "file");
    CHECK(std::string(unpacked.begin(), unpacked.end()) == original);
  }
}

TEST_CASE("gunzip reads what gzip(1) wrote") {
  // printf 'lotar' | gzip -n
  const Bytes packed{0x1f, 0x8b, 8, 0, 0,    0, 0,    0,    0, 3, 0xcb, 0xc9, 0x2f,
                     0x49, 0x2c, 2, 0, 0x7e, 0, 0xb0, 0x68, 5, 0, 0,    0};
  CHECK(gunzip(packed, 100, "file") == Bytes{'l', 'o', 't', 'a', 'r'});
}

TEST_CASE("gunzip refuses") {
  const std::string text(100000, 'a'), packed = gzip(text);
  Bytes bytes(packed.begin(), packed.end());
  SUBCASE("more than the bound") {
    CHECK_THROWS_WITH_AS(gunzip(bytes, 99999, "file"), "file: wanted at most 99999 bytes unpacked, got more", IoError);
    CHECK_THROWS_WITH_AS(gunzip(bytes, 0, "file"), "file: wanted at most 0 bytes unpacked, got more", IoError);
  }
  SUBCASE("bytes after the end") {
    bytes.push_back(0);
    CHECK_THROWS_WITH_AS(
        gunzip(bytes, 100000, "file"),
        ("file: at byte " + std::to_string(packed.size()) + ": 1 bytes after the end of the gzip data").c_str(),
        IoError);
  }
  SUBCASE("a wrong checksum") {
    bytes[bytes.size() - 8] ^= 1;
    CHECK_THROWS_WITH_AS(
        gunzip(bytes, 100000, "file"),
        ("file: at byte " + std::to_string(packed.size() - 4) + ": damaged gzip data: incorrect data check").c_str(),
        IoError);
  }
  SUBCASE("a cut") {
    bytes.pop_back();
    CHECK_THROWS_WITH_AS(gunzip(bytes, 100000, "file"),
                         ("file: at byte " + std::to_string(bytes.size()) + ": gzip data cut short").c_str(), IoError);
  }
}

TEST_CASE("every cut and every changed byte of a gzip file is refused or read") {
  const auto load = [](const std::string& path) {
    const Bytes bytes = read_file(path, 10000);
    return gunzip(bytes, 10000, path);
  };
  const std::string packed = gzip("some text, some text, and some other text");
  check_truncations(packed, load);
  CHECK(check_mutations(packed, load) > packed.size() * 2);
}
