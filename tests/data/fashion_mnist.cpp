#include <lotar/data/fashion_mnist.hpp>

#include "../files.hpp"
#include "../gzip.hpp"
#include "../test.hpp"

using namespace lotar;

static std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xff);
  return bytes;
}

/// n images whose pixels count up.
static std::string images(std::uint32_t n, std::uint32_t side = 28) {
  std::string bytes = big_endian(0x803) + big_endian(n) + big_endian(side) + big_endian(side);
  for (std::uint32_t i = 0; i < n * side * side; ++i) bytes += static_cast<char>(i & 0xff);
  return bytes;
}

static std::string labels(const std::string& values) {
  return big_endian(0x801) + big_endian(static_cast<std::uint32_t>(values.size())) + values;
}

TEST_CASE("gray becomes three channels, from plain or gzipped files, in the folder or below it") {
  const ScratchFolder folder;
  write_bytes(folder / "train-images-idx3-ubyte", images(2));
  write_bytes(folder / "train-labels-idx1-ubyte.gz", gzip(labels("\x09\x03")));
  std::filesystem::create_directory(folder / "fashion-mnist");
  write_bytes(folder / "fashion-mnist/t10k-images-idx3-ubyte.gz", gzip(images(1)));
  write_bytes(folder / "fashion-mnist/t10k-labels-idx1-ubyte", labels("\x01"));
  const Dataset train = load_fashion_mnist(folder.path(), Part::train);
  CHECK(train.labels == std::vector<std::int32_t>{9, 3});
  CHECK(train.classes[9] == "ankle boot");
  CHECK(train.images.shape()[1] == 28);
  REQUIRE(train.images.size() == 2 * 28 * 28 * 3);
  for (const std::size_t channel : {0u, 1u, 2u}) {
    CHECK(train.images(0, 0, 5, channel) == 5);
    CHECK(train.images(1, 2, 3, channel) == ((784 + 59) & 0xff));
  }
  CHECK(load_fashion_mnist(folder.path(), Part::test).size() == 1);
}

TEST_CASE("load_fashion_mnist refuses") {
  const ScratchFolder folder;
  const std::string image_path = folder / "train-images-idx3-ubyte", label_path = folder / "train-labels-idx1-ubyte";
  write_bytes(image_path, images(2));
  write_bytes(label_path, labels("\x01\x02"));
  const auto load = [&] { return load_fashion_mnist(folder.path(), Part::train); };
  CHECK(load().size() == 2);
  SUBCASE("a missing file") {
    std::filesystem::remove(label_path);
    CHECK_THROWS_WITH_AS(
        load(),
        (folder.path() +
         ": no Fashion-MNIST here: wanted train-labels-idx1-ubyte or train-labels-idx1-ubyte.gz in this folder or in "
         "its fashion-mnist; Debian's package dataset-fashion-mnist puts them in /usr/share/datasets/fashion-mnist "
         "(md5 of train-images-idx3-ubyte, unpacked: f4a8712d7a061bf5bd6d2ca38dc4d50a)")
            .c_str(),
        IoError);
  }
  SUBCASE("another number of labels") {
    write_bytes(label_path, labels("\x01"));
    CHECK_THROWS_WITH_AS(load(), (label_path + ": wanted 2 labels, one an image, got 1").c_str(), IoError);
  }
  SUBCASE("a label out of range") {
    write_bytes(label_path, labels("\x01\x0a"));
    CHECK_THROWS_WITH_AS(load(), (label_path + ": at byte 9: label of image 1: wanted below 10, got 10").c_str(),
                         IoError);
    write_bytes(label_path, gzip(labels("\x01\x0a")));
    CHECK_THROWS_WITH_AS(load(), (label_path + ": label of image 1: wanted below 10, got 10").c_str(), IoError);
  }
  SUBCASE("images of another size, or none") {
    write_bytes(image_path, images(2, 27));
    CHECK_THROWS_WITH_AS(load(), (image_path + ": wanted images of 28 x 28, got [2, 27, 27]").c_str(), IoError);
    write_bytes(image_path, images(0));
    CHECK_THROWS_WITH_AS(load(), (image_path + ": wanted images of 28 x 28, got [0, 28, 28]").c_str(), IoError);
  }
}
