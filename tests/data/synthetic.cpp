#include <lotar/data/synthetic.hpp>

#include <lotar/io/sha256.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("synthetic images have their sizes, labels and classes") {
  const Dataset dataset = make_synthetic(Part::train, {.classes = 3, .per_class = 4, .side = 8});
  CHECK(dataset.size() == 12);
  CHECK(dataset.classes.size() == 3);
  CHECK(count_classes(dataset.labels, 3) == std::vector<std::size_t>{4, 4, 4});
  CHECK(dataset.images.shape()[0] == 12);
  CHECK(dataset.images.shape()[1] == 8);
  CHECK(dataset.images.shape()[3] == 3);
}

TEST_CASE("they are the same for the same options, others for other seeds and parts, and the same on every machine") {
  SyntheticOptions options{.classes = 4, .per_class = 3, .side = 16};
  const auto digest = [&](Part part) { return sha256(values(make_synthetic(part, options).images)); };
  const std::string train = digest(Part::train);
  CHECK(train == digest(Part::train));
  CHECK(train == "480bc04566d36c10e9f1d97c4bec340c44f8ababeb0b75331fc2aef9d5ba60fc");
  CHECK(train != digest(Part::test));
  options.seed = 2;
  CHECK(train != digest(Part::train));
}

TEST_CASE("images of a class are nearer to each other than to others: by colour alone most are told apart") {
  const SyntheticOptions options{.classes = 5, .per_class = 20, .side = 16};
  const Dataset train = make_synthetic(Part::train, options), test = make_synthetic(Part::test, options);
  const auto mean_colour = [](const Dataset& dataset, std::size_t i) {
    std::array<double, 3> mean{};
    for (std::size_t y = 0; y < 16; ++y)
      for (std::size_t x = 0; x < 16; ++x)
        for (std::size_t c = 0; c < 3; ++c) mean[c] += dataset.images(i, y, x, c) / 256.;
    return mean;
  };
  std::size_t right = 0;
  for (std::size_t i = 0; i < test.size(); ++i) {
    const auto a = mean_colour(test, i);
    double nearest = 1e9;
    std::int32_t label = -1;
    for (std::size_t j = 0; j < train.size(); ++j) {
      const auto b = mean_colour(train, j);
      double distance = 0;
      for (std::size_t c = 0; c < 3; ++c) distance += (a[c] - b[c]) * (a[c] - b[c]);
      if (distance < nearest) nearest = distance, label = train.labels[j];
    }
    right += label == test.labels[i] ? 1 : 0;
  }
  CHECK(right > 50);  // chance: 20 of 100
}

TEST_CASE("make_synthetic refuses") {
  const auto make = [](const SyntheticOptions& options) { return make_synthetic(Part::train, options); };
  CHECK_THROWS_WITH_AS(make({.classes = 1}), "make_synthetic: wanted 2 to 1000 classes, got 1", ConfigError);
  CHECK_THROWS_WITH_AS(make({.per_class = 0}), "make_synthetic: wanted 1 to 1000000 images a class, got 0",
                       ConfigError);
  CHECK_THROWS_WITH_AS(make({.side = 0}), "make_synthetic: wanted 1 to 1024 pixels a side, got 0", ConfigError);
  CHECK_THROWS_WITH_AS(make({.noise = -1}), "make_synthetic: wanted noise of 0 to 255, got -1", ConfigError);
}
