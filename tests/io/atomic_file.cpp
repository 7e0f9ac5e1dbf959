#include <lotar/io/atomic_file.hpp>

#include <sys/resource.h>

#include <csignal>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("a file is written, then replaced, and nothing else is left behind") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_file_atomically(path, "old");
  CHECK(read_bytes(path) == "old");
  write_file_atomically(path, std::string_view("n\0w", 3));
  CHECK(read_bytes(path) == std::string("n\0w", 3));
  CHECK(folder.files() == 1);
}

TEST_CASE("until commit, and without it, the old file is intact") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, "old");
  const Bytes bytes{'n', 'e', 'w'};
  {
    AtomicFile file(path);
    file.write(bytes);
    CHECK(read_bytes(path) == "old");
    CHECK(folder.files() == 2);
  }
  CHECK(read_bytes(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("two writers of one path do not mix") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  const Bytes a{'a', 'a'}, b{'b', 'b'};
  AtomicFile first(path), second(path);
  first.write(a);
  second.write(b);
  first.write(a);
  first.commit();
  CHECK(read_bytes(path) == "aaaa");
  second.commit();
  CHECK(read_bytes(path) == "bb");
}

TEST_CASE("a file that cannot be written whole leaves the old one") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, "old");
  rlimit old{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, old.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  std::string message;
  try {
    write_file_atomically(path, std::string(2000, 'x'));
  } catch (const IoError& error) {
    message = error.what();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  CHECK(message == path + ": cannot write: File too large");
  CHECK(read_bytes(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("a folder that cannot be opened leaves the old file") {
  const ScratchFolder folder;
  const std::string path = folder / "file";
  write_bytes(path, "old");
  std::string message;
  {
    AtomicFile file(path);
    rlimit old{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    const rlimit none{0, old.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    try {
      file.commit();
    } catch (const IoError& error) {
      message = error.what();
    }
    setrlimit(RLIMIT_NOFILE, &old);
  }
  CHECK(message == folder.path() + "/: cannot open the folder: Too many open files");
  CHECK(read_bytes(path) == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("write_file_atomically refuses a missing folder and a path that is a folder") {
  const ScratchFolder folder;
  const std::string missing = folder / "missing/file";
  CHECK_THROWS_WITH_AS(write_file_atomically(missing, "x"),
                       (missing + ": cannot create: No such file or directory").c_str(), IoError);
  const std::string inside = folder / "folder";
  std::filesystem::create_directory(inside);
  CHECK_THROWS_WITH_AS(write_file_atomically(inside, "x"), (inside + ": cannot put in place: Is a directory").c_str(),
                       IoError);
  CHECK(folder.files() == 1);
}

TEST_CASE("a temporary file is known by its name") {
  const ScratchFolder folder;
  const AtomicFile file(folder / "a");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    CHECK(is_temporary(entry.path().filename().string()));
  CHECK(folder.files() == 1);
  CHECK(is_temporary("model.safetensors.tmp12.345"));
  for (const char* name : {"", "a", "a.tmp", "a.tmp1", "a.tmp1.", "a.tmp.1", "a.tmp-1.1", "a.tmp1.-1", "a.tmp1.1.1",
                           "a.tmp1.x", "a.tmp99999999999.1", ".tmp1.1", "notes.tmp2024.01.txt"})
    CHECK_FALSE(is_temporary(name));
}
