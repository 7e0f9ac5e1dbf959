#include <lotar/data/load_images.hpp>

#include <set>

#include "../files.hpp"
#include "../reference/images.hpp"
#include "../test.hpp"

using namespace lotar;

/// n images of one colour each, of many sizes: red is 3 i.
static ImageList write_images(const ScratchFolder& folder, std::size_t n) {
  ImageList list{{"a", "b"}, {}, {}};
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t height = 1 + i % 7, width = 1 + i % 5;
    Bytes pixels;
    for (std::size_t p = 0; p < height * width; ++p)
      for (const std::size_t value : {3 * i, std::size_t{200}, 255 - i})
        pixels.push_back(static_cast<std::uint8_t>(value));
    list.paths.push_back(folder / (std::to_string(i) + ".png"));
    list.labels.push_back(static_cast<std::int32_t>(i % 2));
    write_png(list.paths.back(), height, width, 3, pixels);
  }
  return list;
}

TEST_CASE("images become squares, with any number of threads") {
  const ScratchFolder folder;
  const ImageList list = write_images(folder, 40);
  for (const std::size_t threads : {0u, 1u, 3u, 100u}) {
    const Dataset dataset = load_images(list, "mine", {.image_size = 4, .threads = threads});
    CHECK(dataset.name == "mine");
    CHECK(dataset.classes == list.classes);
    CHECK(dataset.labels == list.labels);
    REQUIRE(dataset.images.size() == 40 * 4 * 4 * 3);
    CHECK(dataset.images.shape()[0] == 40);
    CHECK(dataset.images.shape()[2] == 4);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < dataset.images.size(); ++i) {
      const std::size_t image = i / (4 * 4 * 3), wanted[] = {3 * image, 200, 255 - image};
      wrong += dataset.images.data()[i] == wanted[i % 3] ? 0 : 1;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a file is what it contains, not what it is called") {
  const ScratchFolder folder;
  write_bytes(folder / "png.jpg", expected::png_rgb);
  write_bytes(folder / "jpeg.png", expected::jpeg);
  const Dataset dataset =
      load_images({{"a"}, {folder / "png.jpg", folder / "jpeg.png"}, {0, 0}}, "x", {.image_size = 9});
  for (const auto& [image, pixels] : {std::pair{0u, expected::png_rgb_pixels}, {1u, expected::jpeg_pixels}}) {
    const std::size_t left = (expected::file_width - 9) / 2;
    int largest = 0;
    for (std::size_t y = 0; y < 9; ++y)
      for (std::size_t x = 0; x < 9; ++x)
        for (std::size_t c = 0; c < 3; ++c) {
          const auto wanted = static_cast<std::uint8_t>(pixels[(y * expected::file_width + left + x) * 3 + c]);
          largest = std::max(largest, std::abs(dataset.images(image, y, x, c) - wanted));
        }
    CHECK(largest <= (image == 0 ? 0 : 2));
  }
}

TEST_CASE("progress is told in the calling thread, and may end the reading") {
  const ScratchFolder folder;
  const ImageList list = write_images(folder, 20);
  std::vector<std::size_t> heard;
  const auto caller = std::this_thread::get_id();
  load_images(list, "x", {.image_size = 1, .threads = 2, .progress = [&](std::size_t done, std::size_t all) {
                            CHECK(all == 20);
                            CHECK(std::this_thread::get_id() == caller);
                            heard.push_back(done);
                          }});
  CHECK(heard.size() == 10);
  CHECK(std::is_sorted(heard.begin(), heard.end()));
  struct Enough {};
  const auto stop = [](std::size_t, std::size_t) { throw Enough(); };
  CHECK_THROWS_AS(load_images(list, "x", {.threads = 2, .progress = stop}), Enough);
}

TEST_CASE("no more than 256 threads read") {
  const ScratchFolder folder;
  ImageList list = write_images(folder, 1);
  list.paths.assign(600, list.paths[0]);
  list.labels.assign(600, 0);
  std::size_t heard = 0;  // by the calling thread, which reads each 256th
  const auto progress = [&](std::size_t, std::size_t) { ++heard; };
  load_images(list, "x", {.image_size = 1, .threads = 100000, .progress = progress});
  CHECK(heard == 3);
}

TEST_CASE("the first image that cannot be read is named, with any number of threads") {
  const ScratchFolder folder;
  const ImageList list = write_images(folder, 40);
  const auto refusal = [&] {
    std::set<std::string> messages;
    for (const std::size_t threads : {1u, 2u, 5u, 40u}) try {
        load_images(list, "x", {.image_size = 2, .threads = threads});
        messages.insert("read");
      } catch (const IoError& error) {
        messages.insert(error.what());
      }
    REQUIRE(messages.size() == 1);
    return *messages.begin();
  };
  std::filesystem::remove(list.paths[31]);
  CHECK(refusal() == list.paths[31] + ": cannot open: No such file or directory");
  write_bytes(list.paths[30], "GIF89a");
  CHECK(refusal() == list.paths[30] + ": wanted a JPEG or PNG image, the file is neither");
  write_bytes(list.paths[23], expected::jpeg.substr(0, expected::jpeg.size() - 9));
  CHECK(refusal().starts_with(list.paths[23] + ": not a sound JPEG image: "));
  write_bytes(list.paths[17], read_bytes(list.paths[17]).substr(0, 40));
  CHECK(refusal().starts_with(list.paths[17] + ": not a sound PNG image: "));
  write_bytes(list.paths[7], "");
  CHECK(refusal() == list.paths[7] + ": wanted a JPEG or PNG image, the file is neither");
}

TEST_CASE("load_images refuses") {
  const ScratchFolder folder;
  const ImageList list = write_images(folder, 1);
  CHECK_THROWS_WITH_AS(load_images(list, "x", {.image_size = 0}), "image size: wanted 1 to 4096, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(load_images(list, "x", {.image_size = 4097}), "image size: wanted 1 to 4096, got 4097",
                       ConfigError);
  CHECK_THROWS_WITH_AS(load_images({}, "x"), "load_images: wanted 1 to 2^24 images, a label each, got 0 and 0 labels",
                       ShapeError);
  CHECK_THROWS_WITH_AS(load_images({{"a"}, list.paths, {1}}, "x"), "label 1 of image 0 is not one of the 1 classes",
                       ShapeError);
  SUBCASE("more than the memory holds, before anything is read") {
    ImageList many{{"a"}, {}, {}};
    many.paths.assign(1024, "nowhere");
    many.labels.assign(1024, 0);
    CHECK_THROWS_WITH_AS(load_images(many, "x", {.image_size = 4096, .copies = 16384}),  // 768 TiB
                         doctest::Contains("image size 4096: 1024 images need 844424930131968 bytes of memory, "),
                         ConfigError);
  }
}
