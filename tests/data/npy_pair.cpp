#include <lotar/data/npy_pair.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("images and labels come from two npy files") {
  const ScratchFolder folder;
  const std::string images = folder / "x_data.npy", labels = folder / "x_targets.npy";
  Bytes pixels(2 * 3 * 4 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i);
  const std::vector<std::int64_t> targets{1, 0};
  write_npy<std::uint8_t>(images, {2, 3, 4, 3}, pixels);
  write_npy<std::int64_t>(labels, {2}, targets);
  const auto load = [&] { return load_npy_pair(images, labels, "thesis", {"a", "b"}); };
  const Dataset dataset = load();
  CHECK(dataset.name == "thesis");
  CHECK(dataset.labels == std::vector<std::int32_t>{1, 0});
  CHECK(dataset.images.shape()[2] == 4);
  CHECK(dataset.images(1, 2, 3, 2) == 71);

  SUBCASE("labels out of range are refused") {
    const std::vector<std::int32_t> bad{1, 2};
    write_npy<std::int32_t>(labels, {2}, bad);
    CHECK_THROWS_WITH_AS(load(), (labels + ": at byte 132: label of image 1: wanted below 2, got 2").c_str(), IoError);
    const std::vector<std::int32_t> negative{-1, 0};
    write_npy<std::int32_t>(labels, {2}, negative);
    CHECK_THROWS_WITH_AS(load(), (labels + ": at byte 128: label of image 0: wanted below 2, got -1").c_str(), IoError);
  }
  SUBCASE("other shapes and types are refused") {
    write_npy<std::int64_t>(labels, {1, 2}, targets);
    CHECK_THROWS_WITH_AS(load(), (labels + ": wanted 2 labels, one an image, got [1, 2]").c_str(), IoError);
    write_npy<std::uint8_t>(images, {2, 36}, pixels);
    CHECK_THROWS_WITH_AS(load(), (images + ": wanted u8 images of [N, height, width, 3], got u8 [2, 36]").c_str(),
                         IoError);
    write_npy<std::int8_t>(images, {0, 3, 4, 3}, {});
    CHECK_THROWS_WITH_AS(load(), (images + ": wanted u8 images of [N, height, width, 3], got i8 [0, 3, 4, 3]").c_str(),
                         IoError);
  }
}
