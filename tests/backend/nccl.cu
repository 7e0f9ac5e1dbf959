#include <lotar/backend/nccl.hpp>

#include <cmath>
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

TEST_CASE("what ranks tell each other is recorded with a step") {
  Ranks b = make_ranks();
  const lotar::Tensor<float, 1, Ranks> x(b, {{3}}, std::vector<float>{1, 2, 3});
  const auto data = x.view();
  auto step = b.record([&b, data] { b.all_reduce(data); });
  float factor = 1;
  for (int i = 0; i < 4; ++i) {
    step();
    factor *= static_cast<float>(b.ranks());
  }
  CHECK(x.to_host(b) == std::vector<float>{factor, 2 * factor, 3 * factor});
}
