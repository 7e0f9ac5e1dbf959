#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>

namespace lotar {

/// Four 32-bit words: the counter and the output of Philox.
struct PhiloxBlock {
  std::uint32_t word[4];
};

/// Philox 4x32-10: the pseudo-random block of a counter under a 64-bit key.
///
/// @source Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011.
LOTAR_FN inline PhiloxBlock philox(PhiloxBlock counter, std::uint64_t key) {
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  std::uint32_t* c = counter.word;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0], p1 = std::uint64_t{0xCD9E8D57u} * c[2];
    const std::uint32_t c1 = c[1], c3 = c[3];
    c[0] = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c[1] = static_cast<std::uint32_t>(p1);
    c[2] = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c[3] = static_cast<std::uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// Uses of draws beside the steps of an augmentation pipeline, which are 0, 1, ...
namespace operation {
enum : std::uint32_t {
  long_tail = 0xDA00,
  synthetic_class,
  synthetic_image,
  few_shot,
  batch_order = 0xFFFE,
  initial_parameters = 0xFFFF,
};
}  // namespace operation

/// A stream of draws that is a function of (seed, epoch, sample, view, operation) alone: the same on every backend, for
/// any batch order and number of threads, and after any resume.
class Random {
 public:
  /// @param view       below 2^16
  /// @param operation  below 2^16: which step of a pipeline, or which use, draws
  LOTAR_FN Random(std::uint64_t seed, std::uint32_t epoch, std::uint32_t sample, std::uint32_t view,
                  std::uint32_t operation)
      : key_(seed), counter_{{0, view << 16 | operation, sample, epoch}}, block_{{0, 0, 0, 0}} {}

  /// The next 32 random bits.
  LOTAR_FN std::uint32_t bits() {
    if (used_ == 4) {
      block_ = philox(counter_, key_);
      ++counter_.word[0];
      used_ = 0;
    }
    return block_.word[used_++];
  }

  /// Uniform in [0, 1): a multiple of 2^-24.
  LOTAR_FN float uniform() { return static_cast<float>(bits() >> 8) * 0x1p-24f; }

  /// Uniform in [low, high].
  LOTAR_FN float uniform(float low, float high) { return fma(uniform(), high - low, low); }

  /// Uniform over the integers in [0, n), n > 0; off uniform by less than n / 2^32.
  LOTAR_FN std::uint32_t index(std::uint32_t n) {
    return static_cast<std::uint32_t>((std::uint64_t{bits()} * n) >> 32);
  }

  /// True with probability p.
  LOTAR_FN bool bernoulli(float p) { return uniform() < p; }

  /// Standard normal, by Marsaglia's polar method.
  LOTAR_FN float normal() {
    for (;;) {
      const float u = uniform(-1, 1), v = uniform(-1, 1), s = fma(u, u, v * v);
      if (s > 0 && s < 1) return u * sqrt(-2 * log(s) / s);
    }
  }

 private:
  std::uint64_t key_;
  PhiloxBlock counter_;
  PhiloxBlock block_;
  int used_ = 4;
};

/// Puts fewer than 2^32 values into a random order, each as likely as any other, by
/// Fisher and Yates' method. Host only.
template <class T>
void shuffle(std::span<T> values, Random& random) {
  for (std::size_t i = values.size(); i > 1; --i)
    std::swap(values[i - 1], values[random.index(static_cast<std::uint32_t>(i))]);
}

/// The order in which an epoch sees n samples, n < 2^32: a permutation of 0 to n - 1 that is a function of seed and
/// epoch. Host only.
inline std::vector<std::uint32_t> epoch_order(std::uint64_t seed, std::uint32_t epoch, std::size_t n) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed, epoch, 0, 0, operation::batch_order);
  shuffle(std::span(order), random);
  return order;
}

}  // namespace lotar
