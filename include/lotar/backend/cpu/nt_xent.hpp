#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>

#include <lotar/backend/cpu/block.hpp>
#include <lotar/backend/cpu/independent.hpp>
#include <lotar/backend/cpu/panels.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/core/math.hpp>

/// NT-Xent on unit rows (see loss/nt_xent.hpp) by square blocks of the cosines, which stay in a core's cache. Cosines
/// are symmetric: those of two groups of rows are computed once, and serve the rows of both.
namespace lotar::detail {

/// The largest 1 / temperature for which sums of exp((cosine - 1) / temperature) do without the maximum of each row:
/// terms are at least e^-40, and a sum's inverse is at most e^40, far from overflow in products with coefficients.
inline constexpr float nt_xent_max_scale = 20;

/// The factors of a register tile's rows from r on: of a matrix's rows, or of its transpose's.
template <std::size_t Bytes = simd_bytes>
auto row_factors(const float* matrix, std::size_t stride) {
  return [=](std::size_t r) {
    std::array<const float*, tile_rows> row;
    for (std::size_t m = 0; m < row.size(); ++m) row[m] = matrix + (r + m) * stride;
    return [row](int m, std::size_t k) { return row[static_cast<std::size_t>(m)][k]; };
  };
}
template <std::size_t Bytes = simd_bytes>
auto column_factors(const float* matrix, std::size_t stride) {
  return [=](std::size_t r) {
    const float* const column = matrix + r;
    return [=](int m, std::size_t k) { return column[k * stride + static_cast<std::size_t>(m)]; };
  };
}

/// Unit rows u [m, d] in groups of `edge` rows, padded by zeros so that all tiles are whole.
template <std::size_t Bytes = simd_bytes>
class NtXentGroups {
  static constexpr std::size_t width = 2 * Simd<float, Bytes>::width;  // of a tile

 public:
  static constexpr std::size_t edge = 96;  ///< sets the order of sums
  static_assert(edge % tile_rows == 0 && edge % width == 0);

  template <class B>
  NtXentGroups(B& b, Threads& threads, const float* u, std::size_t m, std::size_t d)
      : threads_(threads),
        m_(m),
        d_(d),
        count_((m + edge - 1) / edge),
        padded_d_((d + width - 1) / width * width),
        rows_(b.template allocate<float>(count_ * edge * padded_d_)),
        panels_(b.template allocate<float>(count_ * edge * padded_d_)) {
    for_each([&](std::size_t i) {
      float* const to = rows_.get() + first(i) * padded_d_;
      std::memset(to, 0, edge * padded_d_ * sizeof(float));
      for (std::size_t r = 0; r < size(i); ++r)
        std::memcpy(to + r * padded_d_, u + (first(i) + r) * d, d * sizeof(float));
      pack_panels<SingleProducts<float, Bytes>, width, Bytes>(to, true, padded_d_, edge, padded_d_,
                                                              panels_.get() + first(i) * padded_d_);
    });
  }

  std::size_t rows() const { return count_ * edge; }                          ///< with padding
  std::size_t first(std::size_t i) const { return i * edge; }                 ///< row of group i
  std::size_t size(std::size_t i) const { return min(edge, m_ - first(i)); }  ///< rows of group i without padding
  std::size_t positive(std::size_t a) const { return a < m_ / 2 ? a + m_ / 2 : a - m_ / 2; }

  /// f(i) for every group.
  template <class F>
  void for_each(const F& f) const {
    threads_.parallel(count_, 1, f);
  }

  /// f(i, j) for every two groups i <= j, first those of a group with itself, then in the rounds of a round-robin
  /// tournament by the circle method: no group is in two calls at once, and it meets the others in one order.
  template <class F>
  void for_each_pair(const F& f) const {
    for_each([&](std::size_t i) { f(i, i); });
    const std::size_t players = count_ + count_ % 2, circle = players - 1;
    for (std::size_t round = 0; round < circle; ++round)
      threads_.parallel(players / 2, 1, [&](std::size_t k) {
        const std::size_t one = (round + k) % circle, other = k == 0 ? circle : (round + circle - k) % circle;
        if (max(one, other) < count_) f(min(one, other), max(one, other));
      });
  }

  /// block [edge, edge] = the cosines of groups i and j; -infinity past the last row of j.
  void cosines(std::size_t i, std::size_t j, float* block) const {
    products(
        size(i), size(j), padded_d_, row_factors<Bytes>(rows_.get() + first(i) * padded_d_, padded_d_),
        panels_.get() + first(j) * padded_d_, width * padded_d_,
        width, [&](const auto& tile, std::size_t r, std::size_t c) __attribute__((always_inline)) {
          tile.store(block + r * edge + c, edge);
        });
    for (std::size_t r = 0; size(j) < edge && r < size(i); ++r)
      for (std::size_t c = size(j); c < edge; ++c) block[r * edge + c] = -std::numeric_limits<float>::infinity();
  }

  /// The rows of group i of out [m, d] = block [edge, edge] times the rows of group j + beta out.
  void add_rows(std::size_t i, std::size_t j, const float* block, float beta, float* out) const {
    add_products(i, j, row_factors<Bytes>(block, edge), beta, out);
  }

  /// The rows of group j of out += the transpose of the block times the rows of group i.
  void add_columns(std::size_t i, std::size_t j, const float* block, float* out) const {
    add_products(j, i, column_factors<Bytes>(block, edge), 1, out);
  }

 private:
  /// store(tile, r, c) for every tile of the product of a [rows, depth] and b [depth, cols], whole ones.
  /// @param a  row_factors or column_factors
  /// @param b  panels of `width` columns, `panel` apart; their rows b_row apart
  template <class A, class Store>
  static void products(std::size_t rows, std::size_t cols, std::size_t depth, const A& a, const float* b,
                       std::size_t panel, std::size_t b_row, const Store& store) {
    for (std::size_t c = 0; c < cols; c += width, b += panel)
      for (std::size_t r = 0; r < rows; r += tile_rows) {
        Tile<float, 2, Bytes> tile;
        tile.multiply(depth, a(r), b, b_row);
        store(tile, r, c);
      }
  }

  /// The rows of group i of out = a times the rows of group j + beta out.
  template <class A>
  void add_products(std::size_t i, std::size_t j, const A& a, float beta, float* out) const {
    const std::size_t rows = size(i);
    out += first(i) * d_;
    products(
        rows, d_, size(j), a, rows_.get() + first(j) * padded_d_, width,
        padded_d_, [&](const auto& tile, std::size_t r, std::size_t c) __attribute__((always_inline)) {
          for (std::size_t m = 0; m < min<std::size_t>(tile_rows, rows - r); ++m)
            tile.store_row(static_cast<int>(m), min(width, d_ - c), 1, beta, out + (r + m) * d_ + c);
        });
  }

  Threads& threads_;
  std::size_t m_, d_, count_, padded_d_;
  std::shared_ptr<float[]> rows_;    // [rows, padded_d]
  std::shared_ptr<float[]> panels_;  // [rows / width, padded_d, width]
};

/// The losses of all anchors, and what backward needs.
///
/// @param u  [m, d]
/// @param positives, log_sum_exp, losses  [m] out
/// @return false, and nothing is done, above nt_xent_max_scale
template <class B, std::size_t Bytes = simd_bytes>
bool nt_xent_forward(B& b, Threads& threads, const float* u, std::size_t m, std::size_t d, float scale,
                     bool only_negatives, float* positives, float* log_sum_exp, float* losses) {
  if (!(scale <= nt_xent_max_scale)) return false;
  const NtXentGroups<Bytes> groups(b, threads, u, m, d);
  constexpr std::size_t edge = NtXentGroups<Bytes>::edge;
  const auto memory = b.template allocate<float>(groups.rows());
  float* const sums = memory.get();  // over a row's negatives
  groups.for_each_pair([&](std::size_t i, std::size_t j) {
    constexpr float none = -std::numeric_limits<float>::infinity();  // the cosine of what is not in the sum
    const std::size_t first_i = groups.first(i), first_j = groups.first(j), cols = groups.size(j);
    auto* const block = reinterpret_cast<float*>(thread_scratch((edge * edge + edge) * sizeof(float)));
    float* const column_sums = block + edge * edge;
    std::memset(column_sums, 0, edge * sizeof(float));
    groups.cosines(i, j, block);
    for (std::size_t r = 0; r < groups.size(i); ++r) {
      float* const row = block + r * edge;
      const std::size_t p = groups.positive(first_i + r);
      if (p >= first_j && p < first_j + cols) {
        positives[first_i + r] = positives[p] = scale * row[p - first_j];
        row[p - first_j] = none;
      }
      if (i == j) row[r] = none;
      independent(0, edge, [=](std::size_t c) {
        row[c] = exp(fma(scale, row[c], -scale));
        column_sums[c] += row[c];
      });
      const float sum = CpuBlock(nullptr).reduce(
          edge, 0.f, [row](std::size_t c) { return row[c]; }, [](float x, float y) { return x + y; });
      sums[first_i + r] = i == j ? sum : sums[first_i + r] + sum;
    }
    for (std::size_t c = 0; i != j && c < cols; ++c) sums[first_j + c] += column_sums[c];
  });
  groups.for_each([&](std::size_t i) {
    for (std::size_t a = groups.first(i); a < groups.first(i) + groups.size(i); ++a) {
      const float positive = exp(positives[a] - scale), rest = sums[a] / positive;
      log_sum_exp[a] = scale + log(only_negatives ? sums[a] : sums[a] + positive);
      losses[a] = log(only_negatives ? rest : 1 + rest);
    }
  });
  return true;
}

/// du = the gradient by u of the sum over a of coefficients[a] losses[a], with
/// of_positives[a] for the share of positives.
///
/// @param u  [m, d]
/// @param log_sum_exp, coefficients, of_positives  [m]
/// @param du  [m, d] out
/// @return false, and nothing is done, above nt_xent_max_scale
template <class B, std::size_t Bytes = simd_bytes>
bool nt_xent_backward(B& b, Threads& threads, const float* u, std::size_t m, std::size_t d, float scale,
                      bool only_negatives, const float* log_sum_exp, const float* coefficients,
                      const float* of_positives, float* du) {
  if (!(scale <= nt_xent_max_scale)) return false;
  const NtXentGroups<Bytes> groups(b, threads, u, m, d);
  constexpr std::size_t edge = NtXentGroups<Bytes>::edge;
  const auto memory = b.template allocate<float>(groups.rows());
  float* const factors = memory.get();  // of exp((cosine - 1) / temperature) in the gradient of a row's loss
  for (std::size_t a = 0; a < groups.rows(); ++a)
    factors[a] = a < m ? scale * coefficients[a] * exp(scale - log_sum_exp[a]) : 0.f;
  groups.for_each_pair([&](std::size_t i, std::size_t j) {
    const std::size_t first_i = groups.first(i), first_j = groups.first(j);
    auto* const block = reinterpret_cast<float*>(thread_scratch(edge * edge * sizeof(float)));
    groups.cosines(i, j, block);
    for (std::size_t r = 0; r < groups.size(i); ++r) {
      float* const row = block + r * edge;
      const float own = factors[first_i + r];
      const float* const others = factors + first_j;
      independent(0, edge, [=](std::size_t c) { row[c] = exp(fma(scale, row[c], -scale)) * (own + others[c]); });
      if (i == j) row[r] = 0;
      const std::size_t p = groups.positive(first_i + r);
      if (p < first_j || p >= first_j + groups.size(j)) continue;
      if (only_negatives) row[p - first_j] = 0;
      row[p - first_j] -= scale * of_positives[first_i + r] + scale * of_positives[p];
    }
    groups.add_rows(i, j, block, i == j ? 0.f : 1.f, du);
    if (i != j) groups.add_columns(i, j, block, du);
  });
  return true;
}

}  // namespace lotar::detail
