#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <locale>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/random.hpp>
#include <lotar/data/dataset.hpp>
#include <lotar/data/numpy_random.hpp>

namespace lotar {

/// How many images the classes have, from the head, of n images, to the tail, of n / ratio; all: as many as there are.
enum class Profile { exponential, step, pareto, all };

/// Which class is the head, which the next: in the order of their ids, or of a random permutation.
enum class ClassOrder { shuffled, identity };

/// Who draws: philox is lotar's own; numpy repeats numpy.random.seed and shuffle.
enum class SplitGenerator { philox, numpy };

/// A long-tailed subset of a balanced data set; with Profile::all, which heeds no other option, the set as it is.
struct LongTailOptions {
  Profile profile = Profile::exponential;
  double ratio = 100;    // the head's images over the tail's, >= 1
  std::size_t head = 0;  // images of the head; 0: as many as the smallest class has
  ClassOrder order = ClassOrder::shuffled;
  SplitGenerator generator = SplitGenerator::philox;
  std::uint64_t seed = 1;  // below 2^32 for numpy
};

/// The profile of a name: exp, step, pareto or all.
/// @throws ConfigError for another name; so do the next two.
inline Profile parse_profile(const std::string& name) {
  if (name == "exp") return Profile::exponential;
  if (name == "step") return Profile::step;
  if (name == "pareto") return Profile::pareto;
  if (name == "all") return Profile::all;
  throw ConfigError("profile \"" + name + "\": wanted exp, step, pareto or all");
}

/// The order of a name: shuffled or identity.
inline ClassOrder parse_class_order(const std::string& name) {
  if (name == "shuffled") return ClassOrder::shuffled;
  if (name == "identity") return ClassOrder::identity;
  throw ConfigError("class order \"" + name + "\": wanted shuffled or identity");
}

/// The generator of a name: philox or numpy.
inline SplitGenerator parse_split_generator(const std::string& name) {
  if (name == "philox") return SplitGenerator::philox;
  if (name == "numpy") return SplitGenerator::numpy;
  throw ConfigError("generator \"" + name + "\": wanted philox or numpy");
}

/// The images of each class, from the head to the tail, all rounded down:
///
///   exponential  head / ratio^(i / (C-1))
///   step         head for the first C/2 classes, head / ratio for the others
///   pareto       head (i+1)^(-ln ratio / ln C), whose last class has head / ratio
///
/// @param profile  one of these.
/// @param head     >= 1.
/// @param ratio    >= 1.
/// @param classes  C, at least 2.
/// @throws ConfigError for anything else, and if a class would be empty.
inline std::vector<std::size_t> long_tail_sizes(Profile profile, std::size_t head, double ratio, std::size_t classes) {
  if (profile == Profile::all) throw ConfigError("long tail: the profile all has no sizes of its own");
  if (classes < 2) throw ConfigError("long tail: wanted at least 2 classes, got " + std::to_string(classes));
  if (!(ratio >= 1) || !std::isfinite(ratio))
    throw ConfigError("long tail: wanted a finite imbalance ratio of at least 1, got " + number_text(ratio));
  const auto n = static_cast<double>(head), last = static_cast<double>(classes - 1);
  std::vector<std::size_t> sizes(classes);
  for (std::size_t i = 0; i < classes; ++i) {
    const auto rank = static_cast<double>(i);
    double size = n;
    if (profile == Profile::exponential) size = n / std::pow(ratio, rank / last);
    if (profile == Profile::step && i >= classes / 2) size = n / ratio;
    if (profile == Profile::pareto) size = n * std::pow(rank + 1, -std::log(ratio) / std::log(last + 1));
    if (profile == Profile::pareto && i == classes - 1) size = n / ratio;  // which rounding could miss by one
    sizes[i] = static_cast<std::size_t>(size);
    if (sizes[i] == 0)
      throw ConfigError("long tail: class " + std::to_string(i + 1) + " of " + std::to_string(classes) +
                        " from the head would be empty, with " + std::to_string(head) +
                        " images in the head and imbalance ratio " + number_text(ratio));
  }
  return sizes;
}

/// "profile exp, ratio 100, order shuffled, generator philox, seed 1": all that the choice depends on.
inline std::string long_tail_text(const LongTailOptions& options) {
  if (options.profile == Profile::all) return "profile all";
  constexpr const char* profiles[] = {"exp", "step", "pareto"};
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(17);
  text << "profile " << profiles[static_cast<int>(options.profile)] << ", ratio " << options.ratio;
  if (options.head > 0) text << ", head " << options.head;
  text << ", order " << (options.order == ClassOrder::shuffled ? "shuffled" : "identity") << ", generator "
       << (options.generator == SplitGenerator::philox ? "philox" : "numpy") << ", seed " << options.seed;
  return text.str();
}

namespace detail {

/// Draws the permutations of a split, one after the other.
class SplitShuffle {
 public:
  explicit SplitShuffle(const LongTailOptions& options)
      : generator_(options.generator), seed_(options.seed), numpy_(static_cast<std::uint32_t>(options.seed)) {
    if (generator_ == SplitGenerator::numpy && options.seed > 0xFFFFFFFF)
      throw ConfigError("generator numpy: wanted a seed below 2^32, got " + std::to_string(options.seed));
  }

  /// @param purpose  0 for the order of the classes, 1 + class for its images.
  void operator()(std::span<std::uint32_t> values, std::uint32_t purpose) {
    if (generator_ == SplitGenerator::numpy) return numpy_.shuffle(values);
    Random random(seed_, 0, purpose, 0, operation::long_tail);
    lotar::shuffle(values, random);
  }

 private:
  SplitGenerator generator_;
  std::uint64_t seed_;
  NumpyRandom numpy_;
};

}  // namespace detail

/// Chooses a long-tailed subset: the indices of its images, class by class from the head to the tail; with the profile
/// all, every image in order.
///
/// With generator numpy, what this Python gives: numpy.random.seed(seed); order = arange(C), shuffled if so asked; for
/// each class in that order, shuffle the indices of its images and take the first n.
/// @param labels   the label of every image of the whole set, 0 <= label < classes.
/// @throws ConfigError for options out of range, or if a class has fewer images than the profile wants, or none.
/// @source Cao et al.: Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS 2019.
inline std::vector<std::uint32_t> long_tail_indices(std::span<const std::int32_t> labels, std::size_t classes,
                                                    const LongTailOptions& options = {}) {
  if (labels.size() > 0xFFFFFFFF) throw ConfigError("long tail: wanted at most 2^32 - 1 images");
  const std::vector<std::size_t> counts = count_classes(labels, classes);
  const bool all = options.profile == Profile::all;
  std::size_t head = options.head;
  if ((head == 0 || all) && classes > 0) {
    const auto smallest = std::min_element(counts.begin(), counts.end());
    if (*smallest == 0)
      throw ConfigError("long tail: class " + std::to_string(smallest - counts.begin()) + " has no images");
    head = *smallest;
  }
  if (all) {
    std::vector<std::uint32_t> indices(labels.size());
    std::iota(indices.begin(), indices.end(), 0u);
    return indices;
  }
  const std::vector<std::size_t> sizes = long_tail_sizes(options.profile, head, options.ratio, classes);

  std::vector<std::vector<std::uint32_t>> images(classes);
  for (std::size_t i = 0; i < labels.size(); ++i)
    images[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::uint32_t>(i));
  std::vector<std::uint32_t> order(classes);
  std::iota(order.begin(), order.end(), 0u);
  detail::SplitShuffle shuffle(options);
  if (options.order == ClassOrder::shuffled) shuffle(order, 0);

  std::vector<std::uint32_t> indices;
  for (std::size_t place = 0; place < classes; ++place) {
    auto& of_class = images[order[place]];
    if (of_class.size() < sizes[place])
      throw ConfigError("long tail: wanted " + std::to_string(sizes[place]) + " images of class " +
                        std::to_string(order[place]) + ", which has " + std::to_string(of_class.size()));
    shuffle(of_class, 1 + order[place]);
    indices.insert(indices.end(), of_class.begin(), of_class.begin() + static_cast<std::ptrdiff_t>(sizes[place]));
  }
  return indices;
}

}  // namespace lotar
