#include <lotar/io/file.hpp>

#include <sys/stat.h>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("read_file gives the bytes of a file") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, std::string("a\0b", 3));
  CHECK(read_file(path, 3) == Bytes{'a', 0, 'b'});
  write_bytes(path, "");
  CHECK(read_file(path, 0).empty());
}

TEST_CASE("read_file refuses") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  SUBCASE("a missing file") {
    CHECK_THROWS_WITH_AS(read_file(path, 9), (path + ": cannot open: No such file or directory").c_str(), IoError);
  }
  SUBCASE("a file that is too large") {
    write_bytes(path, "four");
    CHECK_THROWS_WITH_AS(read_file(path, 3), (path + ": wanted at most 3 bytes, got 4").c_str(), IoError);
  }
  SUBCASE("a folder") {
    CHECK_THROWS_WITH_AS(read_file(folder.path(), 9), (folder.path() + ": wanted a regular file").c_str(), IoError);
  }
  SUBCASE("a pipe, without waiting for its writer") {
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    CHECK_THROWS_WITH_AS(read_file(path, 9), (path + ": wanted a regular file").c_str(), IoError);
  }
}

TEST_CASE("InputFile reads on and says where the file ends") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, "abcde");
  InputFile file(path);
  char text[4] = {};
  file.read(text, 3);
  CHECK(std::string(text) == "abc");
  CHECK(file.offset() == 3);
  CHECK(file.size() == 5);
  CHECK_THROWS_WITH_AS(file.read(text, 4), (path + ": at byte 5: wanted 2 more bytes, the file ends here").c_str(),
                       IoError);
}
