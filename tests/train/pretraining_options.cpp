#include <lotar/train/pretraining_options.hpp>

#include <cstddef>
#include <map>
#include <set>
#include <string>

#include "../test.hpp"

using lotar::PretrainingOptions;

namespace {

void refuse(const PretrainingOptions& options, const char* message, std::size_t ranks = 1, std::size_t views = 2) {
  CHECK_THROWS_WITH_AS(lotar::detail::check_pretraining(options, 10, ranks, views), message, lotar::ConfigError);
}

}  // namespace

TEST_CASE("options that no method of 10 samples can be trained with are refused") {
  for (const std::size_t views : {1u, 2u}) {
    CHECK_NOTHROW(lotar::detail::check_pretraining({.batch_size = 4}, 10, 2, views));
    CHECK_NOTHROW(lotar::detail::check_pretraining({.batch_size = 5}, 10, 5, views));
  }
  CHECK_NOTHROW(lotar::detail::check_pretraining({.batch_size = 5, .synchronize_norms = false}, 10, 5, 2));
  CHECK_NOTHROW(lotar::detail::check_pretraining({.batch_size = 5, .prune = .5, .synchronize_norms = false}, 10, 2, 2));
  refuse({.batch_size = 1}, "batch size: must be >= 2, got 1");
  refuse({.batch_size = 11}, "batch size: 11 exceeds the 10 samples there are");
  refuse({.batch_size = 9},
         "batch size: with 9, the last batch of 10 samples has one, which has nothing to be compared with");
  refuse({.batch_size = 4}, "batch size: with 4, the last batch of 10 samples has 2, fewer than the 3 processes", 3);
  refuse({.batch_size = 5}, "batch size: with 5, the last batch of 10 samples has 5, fewer than the 6 processes", 6);
  const char* alone =
      "batch size: with 5, the last batch of 10 samples has 5, of which some of the 3 processes have one view: too few "
      "for norms of their own";
  refuse({.batch_size = 5, .synchronize_norms = false}, alone, 3, 1);
  refuse({.batch_size = 5, .prune = .5, .synchronize_norms = false}, alone, 3);
  refuse({.batch_size = 4, .prune = 1}, "prune: must be in [0, 1), got 1");
  refuse({.batch_size = 4, .objective = {.focal = 2, .dclw = .5}}, "objective: focal and dclw exclude each other");
}

TEST_CASE("trainings of other options have another identity") {
  PretrainingOptions options;
  std::set<std::map<std::string, std::string>> all;
  const auto add = [&] { CHECK(all.insert(lotar::detail::identity(options)).second); };
  add();
  CHECK(lotar::detail::identity(options) == lotar::detail::identity(PretrainingOptions{}));
  options.network.arch = "resnet34", add();
  options.network.width = 32, add();
  options.network.stem = lotar::Stem::imagenet, add();
  options.network.stem = lotar::Stem::unpadded, add();
  options.network.projector = "mlp", add();
  options.network.projection.out = 64, add();
  options.network.projection.bottleneck = 5, add();
  options.optimizer.name = "sgd", add();
  options.optimizer.momentum = 0.5, add();
  options.optimizer.weight_decay = 1e-3, add();
  options.optimizer.exclude_norm_and_bias = true, add();
  options.schedule.learning_rate = 0.1 + 0.2, add();  // not 0.3, which six digits would not tell
  options.schedule.learning_rate = 0.3, add();
  options.schedule.final_learning_rate = 1e-5, add();
  options.schedule.warmup_epochs = 3, add();
  options.schedule.epochs = 7, add();
  options.batch_size = 128, add();
  options.temperature.low = 0.1, add();
  options.temperature.high = 1, add();
  options.temperature.period = 5, add();
  options.objective.focal = 2, add();
  options.objective = {.dclw = 0.5}, add();
  options.prune = 0.5, add();
  options.synchronize_norms = false, add();
  options.seed = 2, add();
  options.bucket = 1;  // changes no result
  CHECK_FALSE(all.insert(lotar::detail::identity(options)).second);
}
