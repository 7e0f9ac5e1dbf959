#include "../../examples/work_folder.hpp"

#include <filesystem>
#include <optional>

#include "../files.hpp"
#include "../test.hpp"

using namespace examples;

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
  write_bytes(folder / "config.json.tmp123.0", "{");
  CHECK(content_of(folder.path()).empty());
  write_bytes(folder / "notes.tmp7", "");
  CHECK(content_of(folder.path()) == "notes.tmp7");
  remove_leftovers(folder.path());
  CHECK_FALSE(std::filesystem::exists(folder / "config.json.tmp123.0"));
  CHECK(std::filesystem::exists(folder / "notes.tmp7"));
}
