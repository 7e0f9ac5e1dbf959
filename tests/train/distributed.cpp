#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <lotar/augment/boosted_rand_augment.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/train/pretraining.hpp>

#include "../ranks.hpp"
#include "../test.hpp"
#include "../worst.hpp"
#include "training.hpp"

#if !defined(__CUDACC__)
#include "../lockstep.hpp"
#endif

// A training by one process, two or four is the same training: each test computes it here alone as well.

using lotar::PretrainingOptions;

namespace {

/// 10 images in batches of 6: the last of an epoch has 4, and four ranks take 1, 2, 1 and 2 of the others.
PretrainingOptions options(const char* projector = "mlp_bn", double learning_rate = 0.05) {
  PretrainingOptions o = training_options();
  o.schedule.learning_rate = learning_rate;
  o.network.projector = projector;
  o.batch_size = 6;
  o.bucket = 500;  // several
  return o;
}

struct Outcome {
  std::vector<double> values, statistics, losses, projections;
};

template <class T, class B, class Method, class Views>
Outcome train(B& b, const PretrainingOptions& options, Method method, const Views& views) {
  auto training = lotar::make_pretraining<T>(b, training_images(), training_shape, options, std::move(method), views);
  for (int i = 0; i < 5; ++i) training.step();
  const auto wide = [](const auto& v) { return std::vector<double>(v.begin(), v.end()); };
  return {wide(training.state().values.to_host(b)), wide(training.state().statistics.to_host(b)),
          wide(training.record().loss), wide(training.projections())};
}

/// The largest difference, of values up to about 1.
double difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = worst_of(most, std::abs(a[i] - b[i]));
  return most;
}

void check_same(const Outcome& ours, const Outcome& wanted, double tolerance) {
  CHECK(difference(ours.values, wanted.values) <= tolerance);
  CHECK(difference(ours.statistics, wanted.statistics) <= tolerance);
  CHECK(difference(ours.losses, wanted.losses) <= tolerance);
  CHECK(difference(ours.projections, wanted.projections) <= tolerance);
}

template <class T, class Method>
void check_method(const PretrainingOptions& o, const Method& method, double tolerance) {
  const auto views = lotar::thesis_augmentation(8);
  One one = make_one();
  Ranks all = make_ranks();
  check_same(train<T>(all, o, method, views), train<T>(one, o, method, views), tolerance);
}

}  // namespace

TEST_CASE("LoTaR by several processes is LoTaR by one") {
  const lotar::Lotar with_gradient(lotar::lotar_preset("thesis_code"));
  check_method<double>(options(), lotar::Lotar{}, 1e-9);
  check_method<double>(options("mlp"), with_gradient, 1e-9);
  check_method<float>(options("mlp", 0.005), lotar::Lotar{}, 1e-4);
}

TEST_CASE("so is SDCLR, with LARS and the focal loss") {
  PretrainingOptions o = options();
  o.prune = 0.5;
  o.objective.focal = 1;
  o.optimizer.name = "lars";
  o.optimizer.exclude_norm_and_bias = true;  // the gradient of a bias before a norm is rounding, below 1e-15 or not
  check_method<double>(o, lotar::SimClr{}, 1e-9);
}

TEST_CASE("so is BCL, whose memory all processes have") {
  One one = make_one();
  Ranks all = make_ranks();
  const auto run = [](auto& b) {
    using B = std::remove_reference_t<decltype(b)>;
    lotar::Bcl<B> method(b, training_shape[0]);
    const lotar::BoostedRandAugment<typename B::Memory> boost{.strengths = method.strengths()};
    return train<float>(b, options("mlp", 0.005), std::move(method), lotar::bcl_boosted_augmentation(8, boost));
  };
  check_same(run(all), run(one), 1e-4);
}

TEST_CASE("so is the supervised baseline") {
  One one = make_one();
  Ranks all = make_ranks();
  const std::vector<std::int32_t> labels{0, 1, 2, 3, 0, 1, 2, 3, 0, 1};
  const auto run = [&](auto& b) {
    using B = std::remove_reference_t<decltype(b)>;
    const lotar::Tensor<std::int32_t, 1, B> own(b, {{labels.size()}}, labels);
    PretrainingOptions o = options("linear");
    o.network.projection.out = 4;
    return train<double>(b, o, lotar::Supervised<B>(own.view()), lotar::crop_flip_augmentation(8));
  };
  check_same(run(all), run(one), 1e-9);
}

TEST_CASE("all processes have the same bits") {
  Ranks b = make_ranks();
  const Outcome own = train<float>(b, options(), lotar::Lotar{}, lotar::thesis_augmentation(8));
  for (const std::vector<double>* values : {&own.values, &own.statistics, &own.losses}) {
    const lotar::Tensor<double, 2, Ranks> part(b, {{1, values->size()}}, *values),
        whole(b, {{b.ranks(), values->size()}});
    b.all_gather(part, whole.view());
    const std::vector<double> everyone = whole.to_host(b);
    for (std::size_t r = 0; r < b.ranks(); ++r)
      CHECK(std::equal(values->begin(), values->end(),
                       everyone.begin() + static_cast<std::ptrdiff_t>(r * values->size())));
  }
}

#if !defined(__CUDACC__)
TEST_CASE("a step of several processes can be recorded: it does nothing that could not be replayed") {
  lotar::Mpi<lotar::Lockstep> strict;
  Ranks all = make_ranks();
  PretrainingOptions o = options("mlp_bn", 0.005);
  const auto run = [&](auto& b) {
    auto training =
        lotar::make_pretraining(b, training_images(), training_shape, o, lotar::Lotar{}, lotar::thesis_augmentation(8));
    training.step();
    training.step();
    return training.record().loss;
  };
  const std::vector<float> wanted = run(all), got = run(strict);
  for (std::size_t i = 0; i < wanted.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-3));
}
#endif

TEST_CASE("norms of each process' own rows are another training, unless there is one process") {
  PretrainingOptions o = options();
  o.synchronize_norms = false;
  const auto views = lotar::thesis_augmentation(8);
  One one = make_one();
  Ranks all = make_ranks();
  const double d = difference(train<double>(all, o, lotar::SimClr{}, views).values,
                              train<double>(one, o, lotar::SimClr{}, views).values);
  CHECK((all.ranks() == 1 ? d == 0 : d > 1e-3));
}

TEST_CASE("a batch of fewer samples than processes is refused") {
  Ranks b = make_ranks();
  PretrainingOptions o = options();
  o.batch_size = 8;  // and 2 are left
  const auto make = [&] {
    lotar::make_pretraining(b, training_images(), training_shape, o, lotar::SimClr{}, lotar::thesis_augmentation(8));
  };
  if (b.ranks() <= 2)
    CHECK_NOTHROW(make());
  else
    CHECK_THROWS_WITH_AS(make(), "batch size: with 8, the last batch of 10 samples has 2, fewer than the 4 processes",
                         lotar::ConfigError);
}

TEST_CASE("norms of each process' own rows want two rows of each") {
  Ranks b = make_ranks();
  PretrainingOptions o = options();
  o.batch_size = 5;
  o.synchronize_norms = false;
  const auto make = [&] {
    lotar::make_pretraining(b, training_images(), training_shape, o, lotar::SimClr{}, lotar::thesis_augmentation(8));
  };
  CHECK_NOTHROW(make());  // both views of a sample
  o.prune = 0.5;
  if (b.ranks() <= 2)
    CHECK_NOTHROW(make());
  else
    CHECK_THROWS_WITH_AS(make(),
                         "batch size: with 5, the last batch of 10 samples has 5, of which some of the 4 processes "
                         "have one view: too few for norms of their own",
                         lotar::ConfigError);
}
