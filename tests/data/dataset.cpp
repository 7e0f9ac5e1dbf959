#include <lotar/data/dataset.hpp>

#include "../test.hpp"
#include "cifar10_labels.hpp"

using namespace lotar;

/// Four images of 1 x 2 pixels whose values count up.
static Dataset small() {
  Dataset dataset{"small", {"a", "b", "c"}, make_host_array<std::uint8_t, 4>({4, 1, 2, 3}), {0, 2, 2, 0}};
  for (std::size_t i = 0; i < 24; ++i) values(dataset.images)[i] = static_cast<std::uint8_t>(i);
  return dataset;
}

TEST_CASE("count_classes counts, also classes without images") {
  CHECK(count_classes(small().labels, 3) == std::vector<std::size_t>{2, 0, 2});
  CHECK(count_classes(cifar10_train_labels(), 10) == std::vector<std::size_t>(10, 5000));
  CHECK_THROWS_WITH_AS(count_classes(small().labels, 2), "label 2 of image 1 is not one of the 2 classes", ShapeError);
  const std::vector<std::int32_t> negative{0, -1};
  CHECK_THROWS_WITH_AS(count_classes(negative, 2), "label -1 of image 1 is not one of the 2 classes", ShapeError);
}

TEST_CASE("label_fingerprint is what NumPy and hashlib give") {
  CHECK(label_fingerprint(cifar10_train_labels()) ==
        "1431253c7e60f5a2b7e2531aeca20b26a5e5951dcc4977b9c457ebfc43aedb75");
  const std::vector<std::int32_t> a{1, 2}, b{2, 1};
  CHECK(label_fingerprint(a) != label_fingerprint(b));
}

TEST_CASE("subset copies images and labels in the order of the indices") {
  const std::vector<std::uint32_t> indices{3, 1, 3};
  const Dataset part = subset(small(), indices);
  CHECK(part.name == "small");
  CHECK(part.classes.size() == 3);
  CHECK(part.labels == std::vector<std::int32_t>{0, 2, 0});
  REQUIRE(part.images.size() == 18);
  CHECK(part.images(0, 0, 0, 0) == 18);
  CHECK(part.images(1, 0, 1, 2) == 11);
  CHECK(part.images(2, 0, 1, 2) == 23);
  const std::vector<std::uint32_t> beyond{0, 4};
  CHECK_THROWS_WITH_AS(subset(small(), beyond), "subset: index 4 of 4 images", ShapeError);
  Dataset unlabelled = small();
  unlabelled.labels.pop_back();
  CHECK_THROWS_WITH_AS(subset(unlabelled, indices), "subset: 4 images have 3 labels", ShapeError);
}
