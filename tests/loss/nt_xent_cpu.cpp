#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <lotar/backend/cpu.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/loss/nt_xent.hpp>

#include "../test.hpp"
#include "../worst.hpp"
#include "wave.hpp"

// What NT-Xent does on Cpu alone; its values are tested on all backends with loss/nt_xent.hpp.

using namespace lotar;

namespace {

template <std::size_t N>
using Array = Tensor<float, N, Cpu>;

/// What both phases write.
std::vector<std::vector<float>> results(int threads, std::size_t rows, std::size_t cols, const NtXentOptions& options) {
  Cpu b({.threads = threads, .poison_allocations = true});
  std::vector<float> weights(rows);
  for (std::size_t a = 0; a < rows; ++a) weights[a] = static_cast<float>(1 + a % 3) / static_cast<float>(rows);
  const Array<2> z(b, {rows, cols}, wave<float>(rows, cols)), dz(b, {rows, cols});
  const Array<1> losses(b, {rows}), c(b, {rows}, weights);
  const auto state = nt_xent_forward(b, z, options, losses);
  nt_xent_backward(b, state, c, dz);
  return {losses.to_host(b), dz.to_host(b), state.u.to_host(b), state.positives.to_host(b),
          state.log_sum_exp.to_host(b)};
}

}  // namespace

TEST_CASE("NT-Xent gives the same bits for any number of threads") {
  for (const std::size_t rows : {200u, 1026u})  // 3 groups and 11
    for (const double temperature : {.2, .04})  // in groups, and without
      for (const Denominator denominator : {Denominator::all, Denominator::negatives}) {
        CAPTURE(rows);
        CAPTURE(temperature);
        const NtXentOptions options{temperature, denominator};
        const auto one = results(1, rows, 128, options);
        for (const int threads : {2, 3, 4, 8}) {
          CAPTURE(threads);
          CHECK((results(threads, rows, 128, options) == one));
        }
      }
}

TEST_CASE("the backend's own kernels are for temperatures from 0.05 on, and do nothing at others") {
  Cpu b;
  const std::size_t m = 6, d = 4;
  const Array<2> u(b, {m, d}, std::vector<float>(m * d, .5f)), du(b, {m, d});
  const Array<1> scale(b, {1}), positives(b, {m}), log_sum_exp(b, {m}), losses(b, {m}), c(b, {m}), e(b, {m});
  const View<std::uint32_t, 1, CpuMemory> halves;
  for (const auto* weights : {&c, &e}) b.fill(weights->view(), 1.f);
  for (const float temperature : {.05f, .2f, .0499f, std::nanf("")}) {
    CAPTURE(temperature);
    const bool own = temperature >= .05f;
    b.fill(scale.view(), 1 / temperature);
    for (const auto* out : {&positives, &log_sum_exp, &losses}) b.fill(out->view(), 7.f);
    b.fill(du.view(), 7.f);
    CHECK(b.nt_xent_forward(u, scale, false, halves, positives.view(), log_sum_exp.view(), losses.view()) == own);
    CHECK(b.nt_xent_backward(u, halves, scale, false, log_sum_exp, c, e, du.view()) == own);
    for (const auto* out : {&positives, &log_sum_exp, &losses})
      CHECK((out->to_host(b) == std::vector<float>(m, 7)) == !own);
    CHECK((du.to_host(b) == std::vector<float>(m * d, 7)) == !own);
  }
}

TEST_CASE("the memory of a large batch is that of two copies of it") {
  // Rows along one of D axes each, M / D along every one: a cosine is 1 or 0, and positives have 1.
  const std::size_t m = 8192, d = 128, mebibyte = std::size_t{1} << 20;
  std::vector<float> values(m * d);
  const auto length = [](std::size_t a) { return static_cast<float>(1 + a % 3); };
  for (std::size_t a = 0; a < m; ++a) values[a * d + a % d] = length(a);
  Cpu b({.poison_allocations = true});
  const Array<2> z(b, {m, d}, values), dz(b, {m, d});
  const Array<1> losses(b, {m}), c(b, {m}, std::vector<float>(m, 1.f / static_cast<float>(m)));
  const std::size_t before = b.pool().used();
  b.pool().reset_peak();
  const auto state = nt_xent_forward(b, z, {.temperature = .2}, losses);
  nt_xent_backward(b, state, c, dz);
  CHECK(b.pool().used() - before < 5 * mebibyte);  // u has 4
  CHECK(b.pool().peak() - b.pool().used() < 12 * mebibyte);

  const double together = static_cast<double>(m) / static_cast<double>(d);
  const double sum = (together - 1) * std::exp(1 / .2) + static_cast<double>(m) - together;
  const double loss = std::log(sum) - 1 / .2;
  const double across = 2 * together / (static_cast<double>(m) * sum * .2);  // of dz along all other axes, for length 1
  double worst_loss = 0, worst_dz = 0;
  for (const float l : losses.to_host(b))
    worst_loss = worst_of(worst_loss, std::abs(static_cast<double>(l) / loss - 1));
  const std::vector<float> gradient = dz.to_host(b);
  for (std::size_t a = 0; a < m; ++a)
    for (std::size_t j = 0; j < d; ++j) {
      const double scaled = static_cast<double>(gradient[a * d + j] * length(a)) / across;
      worst_dz = worst_of(worst_dz, std::abs(scaled - (j == a % d ? 0 : 1)));
    }
  CHECK(worst_loss < 1e-5);
  CHECK(worst_dz < 1e-4);
}
