#include <lotar/core/distributed.hpp>

#include "../test.hpp"

using lotar::Share;

TEST_CASE("shares follow each other and differ by one at most") {
  for (const std::size_t ranks : {1u, 2u, 3u, 4u, 7u})
    for (std::size_t n = 0; n < 30; ++n) {
      std::size_t next = 0;
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const Share s = lotar::share(n, rank, ranks);
        CHECK(s.first == next);
        CHECK(s.size >= n / ranks);
        CHECK(s.size <= n / ranks + 1);
        next += s.size;
      }
      CHECK(next == n);
    }
}

TEST_CASE("without other processes everything is one's own") {
  TestBackend b;
  CHECK_FALSE(lotar::Distributed<TestBackend>);
  CHECK(lotar::rank_count(b) == 1);
  CHECK(lotar::own_share(b, 7) == Share{0, 7});
  CHECK_NOTHROW(lotar::check_own_share("call", b, lotar::Extents<2>{7, 3}, lotar::Extents<2>{7, 3}));
  CHECK_THROWS_AS(lotar::check_own_share("call", b, lotar::Extents<2>{6, 3}, lotar::Extents<2>{7, 3}),
                  lotar::ShapeError);
}
