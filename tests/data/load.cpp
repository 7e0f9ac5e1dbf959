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
  CHECK(refusal("mnist") == "data set \"mnist\": wanted cifar10, cifar100, fashion_mnist or synthetic");
}
