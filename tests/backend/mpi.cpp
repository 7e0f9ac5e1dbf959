#include <lotar/backend/mpi.hpp>

#include <cmath>
#include <cstring>
#include <vector>

#include <lotar/backend/cpu.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using Ranks = lotar::Mpi<lotar::Cpu>;
using lotar::Tensor;

static_assert(lotar::Backend<Ranks> && lotar::ConvBackend<Ranks> && lotar::Distributed<Ranks>);

namespace {

Ranks make() { return Ranks(lotar::Cpu({.threads = 1})); }

/// What rank r holds at i: of all magnitudes, so that the order of a sum shows.
float value(std::size_t r, std::size_t i) {
  return std::sin(static_cast<float>(i + 1) * static_cast<float>(r + 2)) *
         std::pow(10.f, static_cast<float>((i + r) % 7));
}

}  // namespace

TEST_CASE("all_reduce adds in the order of the ranks, to the bit, on every rank") {
  Ranks b = make();
  CHECK(b.rank() < b.ranks());
  for (const std::size_t n : {0u, 1u, 2u, 3u, 1000u, 4099u}) {
    CAPTURE(n);
    std::vector<float> own(n), wanted(n);
    for (std::size_t i = 0; i < n; ++i) {
      own[i] = value(b.rank(), i);
      wanted[i] = value(0, i);
      for (std::size_t r = 1; r < b.ranks(); ++r) wanted[i] += value(r, i);
    }
    const Tensor<float, 1, Ranks> x(b, {{n}}, own);
    b.all_reduce(x.view());
    CHECK(x.to_host(b) == wanted);
  }
}

TEST_CASE("all_gather puts the ranks' shares of the rows behind each other") {
  Ranks b = make();
  for (const std::size_t rows : {0u, 1u, 4u, 10u, 31u}) {
    CAPTURE(rows);
    const lotar::Share own = lotar::own_share(b, rows);
    std::vector<double> part, wanted;
    for (std::size_t i = 0; i < rows * 3; ++i) wanted.push_back(static_cast<double>(i));
    part.assign(wanted.begin() + static_cast<std::ptrdiff_t>(own.first * 3),
                wanted.begin() + static_cast<std::ptrdiff_t>((own.first + own.size) * 3));
    const Tensor<double, 2, Ranks> from(b, {{own.size, 3}}, part), whole(b, {{rows, 3}});
    b.all_gather(from, whole.view());
    CHECK(whole.to_host(b) == wanted);
  }
}

TEST_CASE("a part that is no share is refused") {
  Ranks b = make();
  const Tensor<float, 2, Ranks> part(b, {{9, 2}}), whole(b, {{8, 2}});
  CHECK_THROWS_AS(b.all_gather(part, whole.view()), lotar::ShapeError);
}

TEST_CASE("a fork is another context of the same rank") {
  Ranks b = make();
  Ranks other = b.fork();
  CHECK(other.rank() == b.rank());
  CHECK(other.ranks() == b.ranks());
  const Tensor<float, 1, Ranks> x(other, {{2}}, std::vector<float>{1, 2});
  other.all_reduce(x.view());
  const auto n = static_cast<float>(b.ranks());
  CHECK(x.to_host(other) == std::vector<float>{n, 2 * n});
}

TEST_CASE("what goes well does not end the others") { CHECK(lotar::leave(0) == 0); }
