#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/normalize_rows.hpp>
#include <lotar/ops/reduce.hpp>
#include <lotar/ops/top_k.hpp>

namespace lotar {

struct KnnOptions {
  std::size_t k = 20;                                 ///< neighbours, 1..N
  double temperature = 0.07;                          ///< > 0
  std::size_t scores_at_once = std::size_t{1} << 24;  ///< bounds the memory; at least one query's, N
};

namespace detail {

/// The class of one query: neighbours vote by similarity, and each sums up the votes for its own class.
template <class A, class Memory>
struct KnnVote {
  View<const A, 2, Memory> similarities;            // [rows, k], largest first
  View<const std::uint32_t, 2, Memory> neighbours;  // [rows, k]
  View<const std::int32_t, 1, Memory> labels;
  A temperature;
  View<std::int32_t, 1, Memory> predictions;
  static constexpr bool large_scratch = true;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t k = similarities.extent(1);
    const A* similarity = similarities.data + r * k;
    const std::uint32_t* neighbour = neighbours.data + r * k;
    const std::int32_t* label = labels.data;
    const A divisor = temperature;
    A* weights = block.template scratch<A>(k);
    A* votes = block.template scratch<A>(k);
    block.for_each(k, [=](std::size_t j) { weights[j] = exp((similarity[j] - similarity[0]) / divisor); });
    block.for_each(k, [=](std::size_t j) {
      A sum = 0;
      for (std::size_t i = 0; i < k; ++i) sum += label[neighbour[i]] == label[neighbour[j]] ? weights[i] : A(0);
      votes[j] = sum;
    });
    constexpr std::int32_t none = 0x7FFFFFFF;  // above every class
    const A most = block_max(block, k, [votes](std::size_t j) { return votes[j]; });
    const std::int32_t winner = block.reduce(
        k, none, [=](std::size_t j) { return votes[j] == most ? label[neighbour[j]] : none; },
        [](std::int32_t a, std::int32_t b) { return min(a, b); });
    if (block.leader()) predictions(r) = winner == none ? -1 : winner;
  }
};

}  // namespace detail

/// Classes by the k nearest neighbours: each votes for its class with weight exp(cosine similarity / temperature).
///
/// Of equally near neighbours those of lower index count, of classes with equal votes the lower one.
/// @tparam A           float or double
/// @param bank         [N, D] features of known class, k <= N < 2^32; as the queries, of any length whose square is
///                     finite (see RowScale)
/// @param labels       [N]
/// @param queries      [M, D]
/// @param predictions  [M] out; -1 where a query or a neighbour is NaN: a NaN in the bank is near to every query
/// @throws ShapeError if the shapes differ from these.
/// @throws ConfigError for an option out of its range.
/// @cost   2 M N D flops, about 20 passes over M N scores and M k^2 votes; scratch: N D values, and the scores;
///         for k neighbours as top_k.
/// @source Wu et al. 2018, arXiv:1805.01978, section 3.4.
template <class A, Backend B>
void knn_classify(B& b, In<A, 2, B> bank, In<std::int32_t, 1, B> labels, In<A, 2, B> queries, const KnnOptions& options,
                  Out<std::int32_t, 1, B> predictions) {
  using M = typename B::Memory;
  const std::size_t n = bank.extent(0), width = bank.extent(1), count = queries.extent(0), k = options.k;
  check_shape("knn_classify", "labels", Extents<1>{n}, labels.extents);
  check_shape("knn_classify", "queries", Extents<2>{count, width}, queries.extents);
  check_shape("knn_classify", "predictions", Extents<1>{count}, predictions.extents);
  if (k == 0 || k > n)
    throw ConfigError("knn_classify: k must be in [1, " + std::to_string(n) + "], got " + std::to_string(k));
  check_positive<A>("knn_classify", "temperature", options.temperature);

  const std::size_t tile = min(count, max<std::size_t>(1, options.scores_at_once / n));
  const Tensor<A, 2, B> known(b, {n, width}), unit(b, {tile, width}), scores(b, {tile, n}), nearest(b, {tile, k});
  const Tensor<std::uint32_t, 2, B> neighbours(b, {tile, k});
  const Tensor<A, 1, B> norms(b, {max(n, tile)});
  normalize_rows(b, bank, known.view(), norms.rows(0, n));
  for (std::size_t first = 0; first < count; first += tile) {
    const std::size_t rows = min(tile, count - first);
    normalize_rows(b, queries.rows(first, rows), unit.rows(0, rows), norms.rows(0, rows));
    b.gemm(Op::none, Op::transpose, 1, unit.rows(0, rows), known, 0, scores.rows(0, rows));
    top_k(b, scores.rows(0, rows), nearest.rows(0, rows), neighbours.rows(0, rows));
    b.for_each_block(rows, Work{k * k, 2 * scratch_size<A>(k)},
                     detail::KnnVote<A, M>{nearest.rows(0, rows), neighbours.rows(0, rows), labels,
                                           static_cast<A>(options.temperature), predictions.rows(first, rows)});
  }
}

}  // namespace lotar
