#include <lotar/data/cifar.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

/// A record whose pixels tell channel and place apart.
static std::string record(const std::string& labels, int shift) {
  std::string bytes = labels;
  for (int i = 0; i < 3072; ++i) bytes += static_cast<char>((i / 1024 * 50 + i % 1024 * 7 + shift) & 0xff);
  return bytes;
}

/// CIFAR-10 with two training files of two records and a test file of one.
static CifarFormat small10() {
  CifarFormat format = cifar10_format();
  format.train_files.resize(2);
  format.train_records = 2;
  format.test_records = 1;
  return format;
}

static void write_small10(const ScratchFolder& folder) {
  write_bytes(folder / "data_batch_1.bin", record("\x03", 0) + record("\x09", 1));
  write_bytes(folder / "data_batch_2.bin", record(std::string(1, '\0'), 2) + record("\x05", 3));
  write_bytes(folder / "test_batch.bin", record("\x07", 4));
}

TEST_CASE("planes of records become channels of pixels") {
  const ScratchFolder folder;
  write_small10(folder);
  const Dataset train = load_cifar(folder.path(), Part::train, small10());
  CHECK(train.name == "cifar10");
  CHECK(train.labels == std::vector<std::int32_t>{3, 9, 0, 5});
  CHECK(train.classes[3] == "cat");
  REQUIRE(train.images.size() == 4 * 3072);
  for (const std::size_t n : {0u, 3u})
    for (const std::size_t y : {0u, 31u})
      for (const std::size_t x : {0u, 5u})
        for (const std::size_t c : {0u, 1u, 2u})
          CHECK(train.images(n, y, x, c) == ((c * 50 + (32 * y + x) * 7 + n) & 0xff));
  const Dataset test = load_cifar(folder.path(), Part::test, small10());
  CHECK(test.labels == std::vector<std::int32_t>{7});
}

TEST_CASE("the parent of the folder does too, and CIFAR-100's label is the fine one") {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "cifar-100-binary");
  write_bytes(folder / "cifar-100-binary/test.bin", record("\x13\x63", 0));
  CifarFormat format = cifar100_format();
  format.test_records = 1;
  CHECK(load_cifar(folder.path(), Part::test, format).labels == std::vector<std::int32_t>{99});
  CHECK(load_cifar(folder / "cifar-100-binary", Part::test, format).images(0, 0, 1, 2) == 107);
}

TEST_CASE("a label of CIFAR-100 that is out of range is refused, fine or coarse") {
  const ScratchFolder folder;
  const std::string path = folder / "test.bin";
  CifarFormat format = cifar100_format();
  format.test_records = 2;
  const auto refused = [&](const char* labels, const char* fault) {
    write_bytes(path, record("\x13\x63", 0) + record(labels, 0));
    CHECK_THROWS_WITH_AS(load_cifar(folder.path(), Part::test, format), (path + fault).c_str(), IoError);
  };
  refused("\x13\x64", ": at byte 3075: record 1: wanted a label below 100, got 100");
  refused("\x14\x63", ": at byte 3074: record 1: wanted a label below 20, got 20");
}

TEST_CASE("the official formats") {
  const CifarFormat ten = cifar10_format(), hundred = cifar100_format();
  CHECK(ten.classes.size() == 10);
  CHECK(ten.train_files.size() * ten.train_records == 50000);
  CHECK(hundred.classes.size() == 100);
  CHECK(std::is_sorted(hundred.classes.begin(), hundred.classes.end()));
  CHECK(hundred.train_files.size() * hundred.train_records == 50000);
}

TEST_CASE("load_cifar refuses") {
  const ScratchFolder folder;
  write_small10(folder);
  const auto load = [&] { return load_cifar(folder.path(), Part::train, small10()); };
  const std::string second = folder / "data_batch_2.bin";
  SUBCASE("missing files, telling which and where to get them") {
    std::filesystem::remove(second);
    CHECK_THROWS_WITH_AS(
        load(),
        (folder.path() +
         ": no cifar10 here: wanted data_batch_1.bin, data_batch_2.bin in this folder or in its cifar-10-batches-bin; "
         "they come in cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530, sha256 "
         "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd) from the CIFAR page of the University of "
         "Toronto")
            .c_str(),
        IoError);
  }
  SUBCASE("a label out of range") {
    write_bytes(second, record("\x01", 0) + record("\x0a", 0));
    CHECK_THROWS_WITH_AS(load(), (second + ": at byte 3073: record 1: wanted a label below 10, got 10").c_str(),
                         IoError);
  }
  SUBCASE("a file of another size") {
    write_bytes(second, record("\x01", 0));
    CHECK_THROWS_WITH_AS(load(), (second + ": wanted 2 records of 3073 bytes, got 3073 bytes").c_str(), IoError);
  }
  SUBCASE("every other size") {
    const std::string whole = record("\x01", 0) + record("\x02", 0);
    std::size_t read = 0;
    for (std::size_t size = 0; size <= whole.size() + 1; size += 37) {
      write_bytes(second, (whole + whole).substr(0, size));
      read += loads(second, [&](const std::string&) { load(); }) ? 1 : 0;
    }
    CHECK(read == 0);
  }
}
