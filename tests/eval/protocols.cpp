#include <lotar/eval/protocols.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("the thesis' protocol, and its code's") {
  for (const char* name : {"thesis", "thesis_code"}) {
    const Protocol& p = find_protocol(name);
    CHECK(p.probe.optimizer == "adam");
    CHECK(p.probe.learning_rate == 3e-4);
    CHECK(p.probe.decay_epochs.empty());
    CHECK(p.probe.final_learning_rate == 0);
    CHECK(p.probe.weight_decay == 0);
    CHECK(p.probe.epochs == 90);
    CHECK(p.probe.batch_size == 512);
    CHECK(p.probe.initial_deviation == 0);
    CHECK_FALSE(p.probe.standardize);
    CHECK(p.groups == GroupConvention::thesis);
    CHECK(p.validation_percent == 0);
    CHECK_FALSE(p.crop_flip);
    for (const bool quirk : {p.batch_statistics, p.unpadded_stem, p.batch_mean})
      CHECK(quirk == (p.name == std::string("thesis_code")));
  }
}

TEST_CASE("SDCLR's, on all training images and on few") {
  const Protocol& p = find_protocol("sdclr");
  for (const bool few : {false, true}) {
    const LinearProbeOptions& o = p.options(few);
    CHECK(o.optimizer == "sgd");
    CHECK(o.momentum == .9);
    CHECK(o.learning_rate == 30);
    CHECK(o.decay_epochs == (few ? std::vector<std::size_t>{40, 60} : std::vector<std::size_t>{10, 20}));
    CHECK(o.final_learning_rate == 0);
    CHECK(o.weight_decay == 0);
    CHECK(o.epochs == (few ? 100 : 30));
    CHECK(o.batch_size == 128);
    CHECK(o.initial_deviation == .01);
  }
  CHECK(p.groups == GroupConvention::sdclr);
  CHECK(p.validation_percent == 10);
  CHECK(p.crop_flip);
  CHECK(p.copies == 0);
  CHECK(p.few_shot_draws == 1);
}

TEST_CASE("BCL's") {
  const Protocol& p = find_protocol("bcl");
  for (const bool few : {false, true}) {
    const LinearProbeOptions& o = p.options(few);
    CHECK(o.optimizer == "adam");
    CHECK(o.learning_rate == 1e-2);
    CHECK(o.final_learning_rate == 1e-6);
    CHECK(o.weight_decay == 5e-6);
    CHECK(o.epochs == 500);
    CHECK(o.batch_size == 1000);
    CHECK(o.initial_deviation == 0);
  }
  CHECK(p.groups == GroupConvention::sdclr);
  CHECK(p.validation_percent == 0);
  CHECK_FALSE(p.crop_flip);
  CHECK(p.copies == 1);
  CHECK(p.few_shot_draws == 5);
}

TEST_CASE("an unknown protocol is refused") {
  CHECK_THROWS_WITH_AS(find_protocol("knn"), "protocol \"knn\": wanted thesis, thesis_code, standardized, sdclr, bcl",
                       ConfigError);
}
