#include <lotar/train/gradient_buckets.hpp>

#include <cstddef>
#include <limits>
#include <vector>

#include "../ranks.hpp"
#include "../test.hpp"

#if !defined(__CUDACC__)
#include "../lockstep.hpp"
#endif

using lotar::GradientBuckets;

namespace {

#if defined(__CUDACC__)
using Recording = Ranks;
Recording make_recording() { return make_ranks(); }
#else
using Recording = lotar::Mpi<lotar::Lockstep>;  // refuses what could not be replayed
Recording make_recording() { return Recording(); }
#endif

constexpr std::size_t size = 100;

/// What rank r computes for entry i: small integers, so that every order of a sum is exact.
float gradient(std::size_t r, std::size_t i) { return static_cast<float>((i + 1) * (r + 3) % 101); }

std::vector<float> gradients(std::size_t rank) {
  std::vector<float> all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = gradient(rank, i);
  return all;
}

/// The sum over the ranks of the entries from `first` on; this rank's own before.
template <class B>
std::vector<float> summed_from(std::size_t first, const B& b) {
  std::vector<float> all = gradients(b.rank());
  for (std::size_t i = first; i < size; ++i) {
    all[i] = 0;
    for (std::size_t r = 0; r < b.ranks(); ++r) all[i] += gradient(r, i);
  }
  return all;
}

}  // namespace

TEST_CASE("every gradient is summed once, whatever the buckets, pass after pass") {
  Ranks b = make_ranks();
  for (const std::size_t bucket : {1u, 7u, 30u, 100u, 1000u}) {
    CAPTURE(bucket);
    const lotar::Tensor<float, 1, Ranks> values(b, {{size}});
    GradientBuckets<float, Ranks> buckets(b, values, bucket);
    for (int pass = 0; pass < 3; ++pass) {
      buckets.begin(b);
      b.upload(gradients(b.rank()), values.view());
      for (const std::size_t first : {90u, 88u, 51u, 50u, 20u}) buckets.add(b, first);
      buckets.finish(b);
      CHECK(values.to_host(b) == summed_from(0, b));
    }
  }
}

TEST_CASE("a bucket is summed as soon as it is full") {
  Ranks b = make_ranks();
  const lotar::Tensor<float, 1, Ranks> values(b, {{size}}, gradients(b.rank()));
  GradientBuckets<float, Ranks> buckets(b, values, 30);
  buckets.add(b, 71);
  CHECK(values.to_host(b) == summed_from(size, b));
  buckets.add(b, 70);
#if !defined(__CUDACC__)  // where it is summed on another stream, and not yet waited for
  CHECK(values.to_host(b) == summed_from(b.ranks() > 1 ? 70 : size, b));
#endif
  buckets.add(b, 50);
  buckets.finish(b);
  CHECK(values.to_host(b) == summed_from(0, b));
}

TEST_CASE("a pass that did not finish leaves nothing to the next") {
  Ranks b = make_ranks();
  const lotar::Tensor<float, 1, Ranks> values(b, {{size}}, gradients(b.rank()));
  GradientBuckets<float, Ranks> buckets(b, values, 10);
  buckets.begin(b);
  buckets.add(b, 6);  // and then its step throws
  buckets.begin(b);
  b.upload(gradients(b.rank()), values.view());
  for (const std::size_t first : {60u, 6u}) buckets.add(b, first);
  buckets.finish(b);
  CHECK(values.to_host(b) == summed_from(0, b));
}

TEST_CASE("entries that rise, and buckets of any size, are summed by the end") {
  Ranks b = make_ranks();
  for (const std::size_t bucket : {std::size_t{10}, std::numeric_limits<std::size_t>::max()}) {
    const lotar::Tensor<float, 1, Ranks> values(b, {{size}}, gradients(b.rank()));
    GradientBuckets<float, Ranks> buckets(b, values, bucket);
    buckets.begin(b);
    for (const std::size_t first : {50u, 99u, 200u, 45u}) buckets.add(b, first);
    if (bucket > size) CHECK(values.to_host(b) == summed_from(size, b));
    buckets.finish(b);
    CHECK(values.to_host(b) == summed_from(0, b));
  }
}

TEST_CASE("a recorded step sums them each time, with other work in between and none at all") {
  Recording b = make_recording();
  const lotar::Tensor<float, 1, Recording> own(b, {{size}}, gradients(b.rank())), values(b, {{size}}), other(b, {{3}}),
      none(b, {{0}});
  GradientBuckets<float, Recording> buckets(b, values, 30), empty(b, none, 1);
  bool fail = true;
  auto step = b.record([&] {
    buckets.begin(b), empty.begin(b);
    b.copy(own.view(), values.view());
    b.fill(other.view(), 1);
    for (const std::size_t first : {70u, 50u, 40u}) {
      buckets.add(b, first);
      b.all_reduce(other.view());  // as a synchronized norm does
      if (fail) throw lotar::ConfigError("no");
    }
    buckets.finish(b);
    empty.add(b, 0);
    empty.finish(b);
  });
  const auto n = static_cast<float>(b.ranks());
  CHECK_THROWS_AS(step(), lotar::ConfigError);
  fail = false;
  for (int i = 0; i < 4; ++i) {
    b.fill(values.view(), 0);
    step();
    CHECK(values.to_host(b) == summed_from(0, b));
    CHECK(other.to_host(b) == std::vector<float>(3, n * n * n));
  }
}

TEST_CASE("a backend of one process is left alone") {
  One b = make_one();
  const lotar::Tensor<float, 1, One> values(b, {{size}}, gradients(3));
  GradientBuckets<float, One> buckets(b, values, 1);
  buckets.add(b, 50);
  buckets.finish(b);
  CHECK(values.to_host(b) == gradients(3));
}

TEST_CASE("a bucket of no values is refused") {
  Ranks b = make_ranks();
  const lotar::Tensor<float, 1, Ranks> values(b, {{size}});
  CHECK_THROWS_WITH_AS((GradientBuckets<float, Ranks>(b, values, 0)), "bucket: must be >= 1, got 0",
                       lotar::ConfigError);
}
