#pragma once

#include <cmath>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../ranks.hpp"
#include "../test.hpp"

// What every distributed backend does.

static_assert(lotar::Backend<Ranks> && lotar::ConvBackend<Ranks> && lotar::Distributed<Ranks>);

/// What rank r holds at i: of all magnitudes, so that the order of a sum shows.
inline float value_of_rank(std::size_t r, std::size_t i) {
  return std::sin(static_cast<float>(i + 1) * static_cast<float>(r + 2)) *
         std::pow(10.f, static_cast<float>((i + r) % 7));
}

TEST_CASE("all_gather puts the ranks' shares of the rows behind each other") {
  Ranks b = make_ranks();
  for (const std::size_t rows : {0u, 1u, 4u, 10u, 31u}) {
    CAPTURE(rows);
    const lotar::Share own = lotar::own_share(b, rows);
    std::vector<double> wanted;
    for (std::size_t i = 0; i < rows * 3; ++i) wanted.push_back(static_cast<double>(i));
    const std::vector<double> part(wanted.begin() + static_cast<std::ptrdiff_t>(own.first * 3),
                                   wanted.begin() + static_cast<std::ptrdiff_t>((own.first + own.size) * 3));
    const lotar::Tensor<double, 2, Ranks> from(b, {{own.size, 3}}, part), whole(b, {{rows, 3}});
    b.all_gather(from, whole.view());
    CHECK(whole.to_host(b) == wanted);
  }
}

TEST_CASE("a part that is no share is refused") {
  Ranks b = make_ranks();
  const lotar::Tensor<float, 2, Ranks> part(b, {{9, 2}}), whole(b, {{8, 2}});
  CHECK_THROWS_AS(b.all_gather(part, whole.view()), lotar::ShapeError);
}

TEST_CASE("a fork is another context of the same rank") {
  Ranks b = make_ranks();
  CHECK(b.rank() < b.ranks());
  Ranks other = b.fork();
  CHECK(other.rank() == b.rank());
  CHECK(other.ranks() == b.ranks());
  const lotar::Tensor<float, 1, Ranks> x(other, {{2}}, std::vector<float>{1, 2});
  other.all_reduce(x.view());
  const auto n = static_cast<float>(b.ranks());
  CHECK(x.to_host(other) == std::vector<float>{n, 2 * n});
}
