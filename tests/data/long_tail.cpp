#include <lotar/data/long_tail.hpp>

#include <limits>
#include <set>

#include <lotar/io/sha256.hpp>

#include "../test.hpp"
#include "cifar10_labels.hpp"

using namespace lotar;

using Sizes = std::vector<std::size_t>;

static std::size_t sum(const Sizes& sizes) { return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}); }

/// The SHA-256 of the indices as little-endian 64-bit integers, as NumPy stores them.
static std::string digest(const std::vector<std::uint32_t>& indices) {
  std::vector<std::uint8_t> bytes;
  for (const std::uint32_t index : indices)
    for (int shift = 0; shift < 64; shift += 8)
      bytes.push_back(static_cast<std::uint8_t>(std::uint64_t{index} >> shift));
  return sha256(bytes);
}

TEST_CASE("the sizes of the profiles") {
  const auto exponential = long_tail_sizes(Profile::exponential, 5000, 100, 10);
  CHECK(exponential == Sizes{5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50});
  CHECK(sum(exponential) == 12406);
  CHECK(long_tail_sizes(Profile::exponential, 4500, 100, 10) ==
        Sizes{4500, 2697, 1617, 969, 581, 348, 208, 125, 75, 45});
  CHECK(sum(long_tail_sizes(Profile::exponential, 500, 100, 100)) == 10847);
  CHECK(sum(long_tail_sizes(Profile::exponential, 450, 100, 100)) == 9754);
  CHECK(sum(long_tail_sizes(Profile::exponential, 5000, 50, 10)) == 13996);
  CHECK(sum(long_tail_sizes(Profile::exponential, 5000, 10, 10)) == 20431);
  CHECK(long_tail_sizes(Profile::step, 5000, 100, 5) == Sizes{5000, 5000, 50, 50, 50});
  CHECK(long_tail_sizes(Profile::pareto, 5000, 100, 10) == Sizes{5000, 1250, 555, 312, 200, 138, 102, 78, 61, 50});
  CHECK(long_tail_sizes(Profile::exponential, 7, 1, 3) == Sizes{7, 7, 7});
  CHECK(long_tail_sizes(Profile::exponential, 98, 49, 3) == Sizes{98, 14, 2});
  CHECK(long_tail_sizes(Profile::pareto, 7, 1, 3) == Sizes{7, 7, 7});
}

TEST_CASE("every profile falls from the head to head / ratio") {
  for (const Profile profile : {Profile::exponential, Profile::step, Profile::pareto})
    for (const double ratio : {1.0, 2.0, 10.0, 50.0, 100.0, 200.0})
      for (const std::size_t classes : {2u, 3u, 10u, 100u, 1000u}) {
        const auto sizes = long_tail_sizes(profile, 20000, ratio, classes);
        CHECK(sizes.front() == 20000);
        CHECK(sizes.back() == static_cast<std::size_t>(20000 / ratio));
        CHECK(std::is_sorted(sizes.rbegin(), sizes.rend()));
      }
  for (std::size_t ratio = 1; ratio <= 200; ++ratio)  // whose reciprocals are rounded, many of them down
    CHECK(long_tail_sizes(Profile::exponential, 2 * ratio, static_cast<double>(ratio), 10).back() == 2);
}

TEST_CASE("long_tail_sizes refuses") {
  const auto exponential = [](std::size_t head, double ratio, std::size_t classes) {
    return long_tail_sizes(Profile::exponential, head, ratio, classes);
  };
  CHECK_THROWS_WITH_AS(exponential(10, 0.5, 10), "long tail: wanted a finite imbalance ratio of at least 1, got 0.5",
                       ConfigError);
  CHECK_THROWS_WITH_AS(exponential(10, std::numeric_limits<double>::quiet_NaN(), 10),
                       "long tail: wanted a finite imbalance ratio of at least 1, got nan", ConfigError);
  CHECK_THROWS_WITH_AS(exponential(10, std::numeric_limits<double>::infinity(), 10),
                       "long tail: wanted a finite imbalance ratio of at least 1, got inf", ConfigError);
  CHECK_THROWS_WITH_AS(exponential(10, 100, 1), "long tail: wanted at least 2 classes, got 1", ConfigError);
  CHECK_THROWS_WITH_AS(exponential(10, 100, 2),
                       "long tail: class 2 of 2 from the head would be empty, with 10 images in the head and imbalance "
                       "ratio 100",
                       ConfigError);
}

TEST_CASE("the profile all takes a set as it is") {
  const std::vector<std::int32_t> labels = {2, 0, 0, 1, 0};
  LongTailOptions options{.profile = parse_profile("all")};
  CHECK(long_tail_indices(labels, 3, options) == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  options.head = 50, options.ratio = 1e9;  // are not heeded
  CHECK(long_tail_indices(labels, 3, options).size() == 5);
  CHECK(long_tail_text(options) == "profile all");
  CHECK_THROWS_WITH_AS(long_tail_indices(labels, 4, options), "long tail: class 3 has no images", ConfigError);
  CHECK_THROWS_WITH_AS(long_tail_sizes(Profile::all, 5, 1, 3), "long tail: the profile all has no sizes of its own",
                       ConfigError);
}

TEST_CASE("generator numpy repeats the published recipe on CIFAR-10") {
  const auto labels = cifar10_train_labels();
  const auto indices =
      long_tail_indices(labels, 10, {.order = ClassOrder::identity, .generator = SplitGenerator::numpy, .seed = 0});
  REQUIRE(indices.size() == 12406);
  CHECK(indices[0] == 4030);
  CHECK(indices[1] == 38518);
  CHECK(indices[2] == 48266);
  CHECK(digest(indices) == "4bf45bff8878d2786e47dccd702f96ff33b2b11d8c7da3b5015f10937290f866");

  // with shuffled classes, made with NumPy 1.24
  const auto shuffled = long_tail_indices(labels, 10, {.generator = SplitGenerator::numpy, .seed = 7});
  CHECK(labels[shuffled.front()] == 8);
  CHECK(labels[shuffled.back()] == 4);
  CHECK(digest(shuffled) == "cbcbfa28de5c4ce3009dff5407e916d9af0d37708da659d272c51f5b6c3aee0d");
}

TEST_CASE("generator philox: the right counts, each index once, another subset for another seed, always the same") {
  const auto labels = cifar10_train_labels();
  std::set<std::string> digests;
  std::set<std::int32_t> heads;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const auto indices = long_tail_indices(labels, 10, {.seed = seed});
    CHECK(std::set<std::uint32_t>(indices.begin(), indices.end()).size() == 12406);
    std::vector<std::int32_t> chosen;
    for (const std::uint32_t index : indices) chosen.push_back(labels[index]);
    Sizes counts = count_classes(chosen, 10);
    CHECK(counts[static_cast<std::size_t>(chosen.front())] == 5000);
    CHECK(counts[static_cast<std::size_t>(chosen.back())] == 50);
    std::sort(counts.rbegin(), counts.rend());
    CHECK(counts == long_tail_sizes(Profile::exponential, 5000, 100, 10));
    digests.insert(digest(indices));
    heads.insert(chosen.front());
  }
  CHECK(digests.size() == 8);
  CHECK(heads.size() > 2);
  CHECK(digest(long_tail_indices(labels, 10, {.seed = 1})) ==
        "f4c810fba418608fb51b77afa9814954e8173c8d8fbabfbdbd01540e63c898ba");
}

TEST_CASE("long_tail_indices refuses") {
  const std::vector<std::int32_t> labels{0, 0, 0, 1, 1, 3};
  CHECK_THROWS_WITH_AS(long_tail_indices(labels, 4), "long tail: class 2 has no images", ConfigError);
  const std::vector<std::int32_t> three{0, 0, 0, 1, 1, 2};
  CHECK_THROWS_WITH_AS(long_tail_indices(three, 3, {.ratio = 1, .head = 2, .order = ClassOrder::identity}),
                       "long tail: wanted 2 images of class 2, which has 1", ConfigError);
  CHECK(long_tail_indices(three, 3, {.ratio = 1}).size() == 3);
  CHECK_THROWS_WITH_AS(
      long_tail_indices(three, 3, {.ratio = 1, .generator = SplitGenerator::numpy, .seed = std::uint64_t{1} << 32}),
      "generator numpy: wanted a seed below 2^32, got 4294967296", ConfigError);
  CHECK_THROWS_WITH_AS(long_tail_indices(three, 2), "label 2 of image 5 is not one of the 2 classes", ShapeError);
  CHECK_THROWS_AS(long_tail_indices({}, 0), ConfigError);
}

TEST_CASE("names") {
  CHECK(parse_profile("exp") == Profile::exponential);
  CHECK(parse_profile("step") == Profile::step);
  CHECK(parse_profile("pareto") == Profile::pareto);
  CHECK(parse_class_order("identity") == ClassOrder::identity);
  CHECK(parse_class_order("shuffled") == ClassOrder::shuffled);
  CHECK(parse_split_generator("numpy") == SplitGenerator::numpy);
  CHECK(parse_split_generator("philox") == SplitGenerator::philox);
  CHECK_THROWS_WITH_AS(parse_profile("Exp"), "profile \"Exp\": wanted exp, step, pareto or all", ConfigError);
  CHECK_THROWS_WITH_AS(parse_class_order(""), "class order \"\": wanted shuffled or identity", ConfigError);
  CHECK_THROWS_WITH_AS(parse_split_generator("x"), "generator \"x\": wanted philox or numpy", ConfigError);
  CHECK(long_tail_text({}) == "profile exp, ratio 100, order shuffled, generator philox, seed 1");
  CHECK(long_tail_text({.profile = Profile::pareto,
                        .ratio = 2.5,
                        .head = 9,
                        .order = ClassOrder::identity,
                        .generator = SplitGenerator::numpy,
                        .seed = 3}) == "profile pareto, ratio 2.5, head 9, order identity, generator numpy, seed 3");
}
