#include "../../examples/work_folder.hpp"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;

constexpr int most_process = 1 << 30;  // more than Linux numbers

TEST_CASE("one process works in a folder") {
  const ScratchFolder folder;
  std::optional<FolderLock> first(folder.path());
  CHECK_THROWS_WITH_AS(FolderLock{folder.path()}, (folder.path() + ": another process is at work there").c_str(),
                       lotar::ConfigError);
  first.reset();
  CHECK_NOTHROW(FolderLock{folder.path()});
  CHECK_THROWS_WITH_AS(FolderLock{folder / "nowhere"},
                       doctest::Contains(((folder / "nowhere") + ": cannot write there: ").c_str()), lotar::IoError);
}

TEST_CASE("a lock and what a killed process left are no content; the latter goes") {
  const ScratchFolder folder;
  CHECK(content_of(folder.path()).empty());
  CHECK(content_of(folder / "nowhere").empty());
  { const FolderLock lock(folder.path()); }
  const std::string killed = folder / "config.json.tmp" + std::to_string(most_process) + ".0";
  const std::string written = folder / "config.json.tmp" + std::to_string(::getpid()) + ".0";
  write_bytes(killed, "{");
  write_bytes(written, "{");
  CHECK(content_of(folder.path()).empty());
  write_bytes(folder / "notes.tmp7", "");
  CHECK(content_of(folder.path()) == "notes.tmp7");
  remove_leftovers(folder.path());
  CHECK_FALSE(std::filesystem::exists(killed));
  CHECK(std::filesystem::exists(written));  // by a process that lives
  CHECK(std::filesystem::exists(folder / "notes.tmp7"));
}
