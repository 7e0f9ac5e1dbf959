#include <lotar/backend/mpi.hpp>

#include <climits>
#include <cstddef>
#include <vector>

#include "distributed.hpp"

TEST_CASE("all_reduce adds in the order of the ranks, to the bit, on every rank") {
  Ranks b = make_ranks();
  for (const std::size_t n : {0u, 1u, 2u, 3u, 1000u, 4099u}) {
    CAPTURE(n);
    std::vector<float> own(n), wanted(n);
    for (std::size_t i = 0; i < n; ++i) {
      own[i] = value_of_rank(b.rank(), i);
      wanted[i] = value_of_rank(0, i);
      for (std::size_t r = 1; r < b.ranks(); ++r) wanted[i] += value_of_rank(r, i);
    }
    const lotar::Tensor<float, 1, Ranks> x(b, {{n}}, own);
    b.all_reduce(x.view());
    CHECK(x.to_host(b) == wanted);
  }
}

TEST_CASE("the ranks of one machine are counted from 0, and the first one's bytes reach all") {
  CHECK(static_cast<std::size_t>(lotar::local_rank()) == make_ranks().rank());  // the tests' launcher is one machine
  lotar::detail::MpiRanks ranks(MPI_COMM_WORLD);
  double value = ranks.rank() == 0 ? 4.25 : 0;
  ranks.broadcast(&value, sizeof(value));
  CHECK(value == 4.25);
}

TEST_CASE("what goes well does not end the others") { CHECK(lotar::leave(0) == 0); }

TEST_CASE("more than MPI can count is refused, by every process") {
  lotar::detail::MpiRanks ranks(MPI_COMM_WORLD);
  CHECK_THROWS_AS(ranks.broadcast(nullptr, std::size_t{INT_MAX} + 1), lotar::MpiError);
  if (ranks.ranks() == 1) return;
  CHECK_THROWS_AS(ranks.all_reduce<float>(nullptr, std::size_t{1} << 29), lotar::MpiError);
}
