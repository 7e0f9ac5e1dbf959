#include <lotar/eval/protocols.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("the thesis' protocol") {
  const Protocol& thesis = find_protocol("thesis");
  CHECK(thesis.probe.learning_rate == 3e-4);
  CHECK(thesis.probe.weight_decay == 0);
  CHECK(thesis.probe.epochs == 90);
  CHECK(thesis.probe.batch_size == 512);
  CHECK_FALSE(thesis.probe.standardize);
  CHECK(thesis.groups == GroupConvention::thesis);
}

TEST_CASE("an unknown protocol is refused") {
  CHECK_THROWS_WITH_AS(find_protocol("knn"), "protocol \"knn\": wanted thesis, standardized", ConfigError);
}
