#include <lotar/backend/nccl.hpp>

#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "distributed.hpp"

TEST_CASE("all_reduce adds, and all ranks have the same bits") {
  Ranks b = make_ranks();
  for (const std::size_t n : {0u, 1u, 1000u, 4099u}) {
    CAPTURE(n);
    std::vector<float> own(n), wanted(n);
    for (std::size_t i = 0; i < n; ++i) {
      own[i] = value_of_rank(b.rank(), i);
      for (std::size_t r = 0; r < b.ranks(); ++r) wanted[i] += value_of_rank(r, i);
    }
    const lotar::Tensor<float, 1, Ranks> x(b, {{n}}, own);
    b.all_reduce(x.view());
    const std::vector<float> sum = x.to_host(b);
    bool close = true;
    for (std::size_t i = 0; i < n; ++i) close &= std::abs(sum[i] - wanted[i]) <= 1.f;  // of values up to 1e6
    CHECK(close);

    const lotar::Tensor<float, 2, Ranks> part(b, {{1, n}}, sum), whole(b, {{b.ranks(), n}});
    b.all_gather(part, whole.view());
    const std::vector<float> everyone = whole.to_host(b);
    for (std::size_t r = 0; r < b.ranks(); ++r)
      CHECK(std::equal(sum.begin(), sum.end(), everyone.begin() + static_cast<std::ptrdiff_t>(r * n)));
  }
}

namespace {

/// to_i += add from_i
struct AddScaled {
  const float* from;
  float add;
  float* to;
  LOTAR_FN void operator()(std::size_t i) const { to[i] += add * from[i]; }
};

}  // namespace

TEST_CASE("what ranks tell each other is recorded with a step, beside kernels of this context and of a fork") {
  constexpr std::size_t n = 100000;
  Ranks b = make_ranks();
  Ranks fork = b.fork();
  const lotar::Tensor<float, 1, Ranks> x(b, {{n}}), sum(b, {{n}}), total(b, {{n}}), beside(b, {{n}}), first(b, {{3}}),
      all(b, {{3 * b.ranks()}});
  b.fill(x.view(), 1);
  b.fill(beside.view(), 0);
  b.fill(total.view(), 0);
  int host_runs = 0;
  auto step = b.record([&] {
    ++host_runs;
    b.for_each(n, AddScaled{x.data, 1, x.data});  // x = 2^i
    b.copy(x.view(), sum.view());
    fork.wait(b);
    fork.all_reduce(sum.view());  // ranks 2^i
    fork.for_each(n, AddScaled{sum.data, 1, sum.data});
    b.for_each(n, AddScaled{x.data, 3, beside.data});
    b.copy(x.rows(0, 3), first.view());
    b.all_gather(first.view(), all.view());  // behind the fork's
    b.wait(fork);
    b.for_each(n, AddScaled{sum.data, 1, total.data});
  });
  float power = 1, powers = 0;
  for (int i = 0; i < 5; ++i) {
    step();
    power *= 2, powers += power;
    CHECK(x.to_host(b) == std::vector<float>(n, power));
    CHECK(beside.to_host(b) == std::vector<float>(n, 3 * powers));
    CHECK(total.to_host(b) == std::vector<float>(n, 2 * static_cast<float>(b.ranks()) * powers));
    CHECK(all.to_host(b) == std::vector<float>(3 * b.ranks(), power));
    b.fill(sum.view(), -1);
  }
  CHECK(host_runs == 2);  // once run, once captured
}

TEST_CASE("a recording keeps the communicator that its graph uses") {
  std::optional<Ranks> b(make_ranks());
  const lotar::Tensor<float, 1, Ranks> x(*b, {{3}}, std::vector<float>(3, 1.f));
  auto step = b->record([&] { b->all_reduce(x.view()); });
  for (int i = 0; i < 3; ++i) step();
  CHECK(x.to_host(*b) == std::vector<float>(3, std::pow(static_cast<float>(b->ranks()), 3.f)));
  b.reset();
}
