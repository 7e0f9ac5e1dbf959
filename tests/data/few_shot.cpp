#include <lotar/data/few_shot.hpp>

#include <algorithm>
#include <set>
#include <vector>

#include "../test.hpp"
#include "cifar10_labels.hpp"

using namespace lotar;

namespace {

using Sizes = std::vector<std::size_t>;
using Indices = std::vector<std::uint32_t>;

const Sizes uneven = {500, 1280, 199};

Sizes counts_of(const std::vector<std::int32_t>& labels, const Indices& indices, std::size_t classes) {
  std::vector<std::int32_t> chosen;
  for (const std::uint32_t i : indices) chosen.push_back(labels[i]);
  return count_classes(chosen, classes);
}

}  // namespace

TEST_CASE("sizes by name") {
  CHECK(few_shot_sizes("50", uneven) == Sizes{50, 50, 50});
  CHECK(few_shot_sizes("50-shot", uneven) == Sizes{50, 50, 50});
  CHECK(few_shot_sizes("199", uneven) == Sizes{199, 199, 199});
  CHECK(few_shot_sizes("1%", uneven) == Sizes{5, 12, 1});
  CHECK(few_shot_sizes("100%", uneven) == uneven);
  CHECK(few_shot_sizes("1%", Sizes(10, 4500)) == Sizes(10, 45));  // SDCLR's on CIFAR-10
  CHECK(few_shot_sizes("1%", Sizes(100, 400)) == Sizes(100, 4));  // and CIFAR-100
}

TEST_CASE("other names, and classes that are too small, are refused") {
  for (const char* name :
       {"", "0", "-1", "one", "1.5%", "0%", "101%", "50shot", "50-shots", "5 %", "1%%", "99999999999999999999"}) {
    const std::string message = "few-shot \"" + std::string(name) +
                                "\": wanted a number of images a class such as 50 or 50-shot, or 1% to 100%";
    CHECK_THROWS_WITH_AS(few_shot_sizes(name, uneven), message.c_str(), ConfigError);
  }
  CHECK_THROWS_WITH_AS(few_shot_sizes("200-shot", uneven),
                       "few-shot \"200-shot\": class 2 has 199 images, wanted at least 200", ConfigError);
  CHECK_THROWS_WITH_AS(few_shot_sizes("1%", Sizes{100, 99}),
                       "few-shot \"1%\": class 1 has 99 images, wanted at least 100", ConfigError);
  CHECK_THROWS_WITH_AS(few_shot_sizes("3%", Sizes{33}), "few-shot \"3%\": class 0 has 33 images, wanted at least 34",
                       ConfigError);
}

TEST_CASE("so many of each class, each once, in order; the seed decides") {
  const auto labels = cifar10_train_labels();
  std::set<Indices> draws;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Indices indices = few_shot_indices(labels, Sizes(10, 50), seed);
    CHECK(indices.size() == 500);
    CHECK(std::is_sorted(indices.begin(), indices.end()));
    CHECK(std::adjacent_find(indices.begin(), indices.end()) == indices.end());
    CHECK(counts_of(labels, indices, 10) == Sizes(10, 50));
    CHECK(few_shot_indices(labels, Sizes(10, 50), seed) == indices);
    draws.insert(indices);
  }
  CHECK(draws.size() == 5);
  const Sizes sizes{3, 0, 1};
  const std::vector<std::int32_t> few{2, 0, 1, 0, 0, 1, 2};
  CHECK(counts_of(few, few_shot_indices(few, sizes, 1), 3) == sizes);
  CHECK(few_shot_indices(few, Sizes{3, 2, 2}, 1) == Indices{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("every image has its chance") {
  const std::vector<std::int32_t> labels(20, 0);  // of 20 images 5, in 4000 draws: each 1000 times, give or take 27
  std::vector<int> drawn(20);
  for (std::uint64_t seed = 0; seed < 4000; ++seed)
    for (const std::uint32_t i : few_shot_indices(labels, Sizes{5}, seed)) ++drawn[i];
  for (const int times : drawn) {
    CHECK(times > 1000 - 6 * 27);
    CHECK(times < 1000 + 6 * 27);
  }
}

TEST_CASE("more of the same seed are the same and others") {
  const auto labels = cifar10_train_labels();
  const Indices small = few_shot_indices(labels, Sizes(10, 50), 3), large = few_shot_indices(labels, Sizes(10, 100), 3);
  CHECK(std::includes(large.begin(), large.end(), small.begin(), small.end()));
}

TEST_CASE("what there is not is refused") {
  const std::vector<std::int32_t> labels{0, 0, 1}, strange{0, 2};
  CHECK_THROWS_WITH_AS(few_shot_indices(labels, Sizes{2, 2}, 1),
                       "few_shot_indices: wanted 2 images of class 1, which has 1", ConfigError);
  CHECK_THROWS_WITH_AS(few_shot_indices(strange, Sizes{1, 1}, 1), "label 2 of image 1 is not one of the 2 classes",
                       ShapeError);
}
