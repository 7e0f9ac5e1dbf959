#include <lotar/optim/update.hpp>

#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class Memory>
struct ReadRate {
  detail::StepRate<Memory> rate;
  float* out;
  LOTAR_FN void operator()(std::size_t) const { *out = rate(); }
};

}  // namespace

TEST_CASE("a step's rate is the clock's, and the last one holds") {
  TestBackend b;
  const Tensor<float, 1, TestBackend> rates(b, {3}, std::vector<float>{3, 1, 2}), out(b, {1});
  const Tensor<Clock, 1, TestBackend> clock(b, {1}, std::vector<Clock>{{}});
  std::vector<float> got;
  for (int t = 0; t < 5; ++t) {
    b.for_each(1, ReadRate<TestBackend::Memory>{{rates, clock}, out.data});
    b.for_each(1, AdvanceClock{clock.data});
    got.push_back(out.to_host(b)[0]);
  }
  CHECK(got == std::vector<float>{3, 1, 2, 2, 2});
}
