#include <lotar/data/load.hpp>

#include "../files.hpp"
#include "../test.hpp"

using namespace lotar;

TEST_CASE("load_dataset knows the data sets by name") {
  const ScratchFolder folder;
  CHECK(load_dataset("synthetic", "", Part::test).name == "synthetic");
  const auto refusal = [&](const std::string& kind) -> std::string {
    try {
      load_dataset(kind, folder.path(), Part::test);
    } catch (const Error& error) {
      return error.what();
    }
    return "read";
  };
  CHECK(refusal("cifar10").starts_with(folder.path() + ": no cifar10 here: wanted test_batch.bin in "));
  CHECK(refusal("cifar100").starts_with(folder.path() + ": no cifar100 here: wanted test.bin in "));
  CHECK(refusal("fashion_mnist").starts_with(folder.path() + ": no Fashion-MNIST here: wanted t10k-images-"));
  CHECK(refusal("mnist") == "data set \"mnist\": wanted cifar10, cifar100, fashion_mnist, synthetic or folder");
  CHECK(refusal("folder").starts_with(folder.path() + ": no images here: wanted train/CLASS/*.jpg"));
}

TEST_CASE("a folder of one's own is read at the size of the options") {
  const ScratchFolder folder;
  for (const char* name : {"train/a", "train/b", "val/a", "val/b"}) {
    std::filesystem::create_directories(folder / name);
    write_png(folder / name + "/1.png", 3, 5, 1, Bytes(15, name[0] == 't' ? 10 : 20));
  }
  for (const Part part : {Part::train, Part::test}) {
    const Dataset dataset = load_dataset("folder", folder.path(), part, {.image_size = 7});
    CHECK(dataset.name == "folder");
    CHECK(dataset.classes == std::vector<std::string>{"a", "b"});
    CHECK(dataset.labels == std::vector<std::int32_t>{0, 1});
    REQUIRE(dataset.images.size() == 2 * 7 * 7 * 3);
    CHECK(dataset.images(1, 6, 6, 2) == (part == Part::train ? 10 : 20));
  }
  CHECK(load_dataset("folder", folder.path(), Part::test).images.shape()[1] == 64);
}
