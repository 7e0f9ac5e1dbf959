#include <lotar/backend/cuda/nt_xent_backward.hpp>
#include <lotar/backend/cuda/nt_xent_forward.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../emulated/grid.hpp"
#include "../test.hpp"
#include "../worst.hpp"

using namespace lotar;
using namespace lotar::detail;

// The kernels themselves, on the host; see loss/nt_xent.cpp for the loss on a device.
namespace {

/// 2N unit rows of D, in pairs that are close; what each loss is multiplied by, and each positive's similarity.
struct Batch {
  std::size_t rows, cols;
  double temperature;
  bool only_negatives;
  std::vector<float> u, coefficients, of_positives;

  Batch(std::size_t rows_, std::size_t cols_, double temperature_, bool only_negatives_)
      : rows(rows_), cols(cols_), temperature(temperature_), only_negatives(only_negatives_) {
    for (std::size_t a = 0; a < rows; ++a) {
      const double pair = static_cast<double>(a % (rows / 2)), phase = a < rows / 2 ? 0 : .3;
      double squares = 0;
      const auto value = [&](std::size_t j) { return std::sin(.7 * static_cast<double>(j) * (pair + 1) + phase); };
      for (std::size_t j = 0; j < cols; ++j) squares += std::pow(value(j), 2);
      for (std::size_t j = 0; j < cols; ++j) u.push_back(static_cast<float>(value(j) / std::sqrt(squares)));
      coefficients.push_back(static_cast<float>(1 + a % 3) / static_cast<float>(rows));
      of_positives.push_back(static_cast<float>(1 + a % 5) / static_cast<float>(rows));
    }
  }
};

struct Answer {
  std::vector<double> losses, positives, log_sum_exp, du;
};

/// By the definition, in double.
Answer by_loops(const Batch& batch) {
  const std::size_t m = batch.rows, d = batch.cols;
  Answer answer{std::vector<double>(m), std::vector<double>(m), std::vector<double>(m), std::vector<double>(m * d)};
  std::vector<double> s(m * m);
  const auto positive = [&](std::size_t a) { return (a + m / 2) % m; };
  const auto is_term = [&](std::size_t a, std::size_t b) {
    return b != a && !(batch.only_negatives && b == positive(a));
  };
  for (std::size_t a = 0; a < m; ++a) {
    double sum = 0;
    for (std::size_t b = 0; b < m; ++b) {
      for (std::size_t j = 0; j < d; ++j) s[a * m + b] += double{batch.u[a * d + j]} * double{batch.u[b * d + j]};
      s[a * m + b] /= batch.temperature;
      if (is_term(a, b)) sum += std::exp(s[a * m + b]);
    }
    answer.log_sum_exp[a] = std::log(sum);
    answer.positives[a] = s[a * m + positive(a)];
    answer.losses[a] = answer.log_sum_exp[a] - answer.positives[a];
  }
  for (std::size_t a = 0; a < m; ++a)
    for (std::size_t b = 0; b < m; ++b) {
      double g = 0;
      if (is_term(a, b))
        g = double{batch.coefficients[a]} * std::exp(s[a * m + b] - answer.log_sum_exp[a]) +
            double{batch.coefficients[b]} * std::exp(s[a * m + b] - answer.log_sum_exp[b]);
      if (b == positive(a)) g -= double{batch.of_positives[a]} + double{batch.of_positives[b]};
      for (std::size_t j = 0; j < d; ++j) answer.du[a * d + j] += g * double{batch.u[b * d + j]} / batch.temperature;
    }
  return answer;
}

void check_near(const std::vector<float>& got, const std::vector<double>& wanted, double relative) {
  REQUIRE(got.size() == wanted.size());
  double scale = 0, error = 0;
  for (const double w : wanted) scale = max(scale, std::abs(w));
  for (std::size_t i = 0; i < got.size(); ++i) error = worst_of(error, std::abs(double{got[i]} - wanted[i]));
  CHECK(error <= relative * scale);
}

/// Both kernels, the columns in parts of `span`.
template <unsigned width>
void check(const Batch& batch, unsigned span) {
  CAPTURE(batch.rows);
  CAPTURE(batch.cols);
  CAPTURE(span);
  const std::size_t m = batch.rows, d = batch.cols, padded = (m + nt_xent_rows - 1) / nt_xent_rows * nt_xent_rows;
  const unsigned parts = static_cast<unsigned>((m + span - 1) / span);
  const dim3 grid{static_cast<unsigned>(padded / nt_xent_rows), parts};
  const float inverse_temperature = static_cast<float>(1 / batch.temperature);
  const AnchorPairs anchors{static_cast<unsigned>(m)};

  std::vector<std::uint32_t> halves(padded * width);
  const SplitRows split{batch.u.data(), m, d, width, halves.data()};
  for (std::size_t r = 0; r < padded; ++r)
    for (std::size_t pair = 0; pair < width / 2; ++pair) split(r, pair);

  std::vector<float> positives(m, NAN), log_sum_exp(m, NAN), losses(m, NAN), du(m * d, NAN);
  std::vector<NtXentPart> results(parts * m, {NAN, NAN});
  const NtXentForward<width> forward{halves.data(),        &inverse_temperature, anchors,       span,
                                     batch.only_negatives, positives.data(),     results.data()};
  emulated::launch(grid, nt_xent_threads, forward.shared_bytes, [&] { forward(shared_memory); });
  const NtXentMerge merge{results.data(),     parts,        m, &inverse_temperature, positives.data(),
                          log_sum_exp.data(), losses.data()};
  for (std::size_t a = 0; a < m; ++a) merge(a);

  std::vector<float> gradients(parts * m * d, NAN);
  const NtXentBackward<width> backward{halves.data(),
                                       &inverse_temperature,
                                       anchors,
                                       span,
                                       static_cast<unsigned>(d),
                                       batch.only_negatives,
                                       log_sum_exp.data(),
                                       batch.coefficients.data(),
                                       batch.of_positives.data(),
                                       gradients.data()};
  emulated::launch(grid, nt_xent_threads, backward.shared_bytes, [&] { backward(shared_memory); });
  const NtXentMergeBackward merge_backward{gradients.data(), parts, m * d, du.data()};
  for (std::size_t i = 0; i < m * d; ++i) merge_backward(i);

  const Answer wanted = by_loops(batch);
  check_near(losses, wanted.losses, 2e-6);
  check_near(positives, wanted.positives, 2e-6);
  check_near(log_sum_exp, wanted.log_sum_exp, 2e-6);
  check_near(du, wanted.du, 5e-6);
}

}  // namespace

TEST_CASE("NT-Xent by tensor cores, of rows of each width") {
  check<32>({64, 16, .5, false}, 64);
  check<64>({64, 48, .2, true}, 64);
  check<128>({64, 128, .2, false}, 64);
}

TEST_CASE("NT-Xent by tensor cores, of rows and columns in several blocks, the last not full") {
  check<32>({140, 32, .1, false}, NtXentCut(140).span);
  check<32>({140, 32, .1, true}, 64);
}
