#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <lotar/eval/histogram.hpp>
#include <lotar/eval/projection_diagnostics.hpp>
#include <lotar/eval/rank_correlation.hpp>
#include <lotar/io/json.hpp>
#include <lotar/train/sample_record.hpp>

/// What metrics.jsonl tells of an epoch beyond its means.
namespace examples {

/// How far the size of a sample's class orders its distance, weight and loss: with LoTaR's premise that the tail lies
/// farther apart, the first is below 0.
/// @param labels  [N] of the samples, in [0, C)
/// @param counts  [C] samples of each class
inline lotar::Json rank_correlations(const lotar::SampleRecord& record, std::span<const std::int32_t> labels,
                                     std::span<const std::size_t> counts) {
  std::vector<double> sizes;
  for (const std::int32_t label : labels) sizes.push_back(static_cast<double>(counts[static_cast<std::size_t>(label)]));
  const auto correlation = [&](const std::vector<float>& values) {
    return lotar::rank_correlation(std::vector<double>(values.begin(), values.end()), sizes);
  };
  return {{"distance", correlation(record.distance)},
          {"weight", correlation(record.weight)},
          {"loss", correlation(record.loss)}};
}

/// See lotar::projection_diagnostics.
/// @param z  [2n, width], the views as there
inline lotar::Json projection_metrics(std::span<const float> z, std::size_t width) {
  const lotar::ProjectionDiagnostics d = lotar::projection_diagnostics(z, width);
  return {
      {"norm", d.norm}, {"alignment", d.alignment}, {"uniformity", d.uniformity}, {"effective_rank", d.effective_rank}};
}

/// How many samples have which weight; LoTaR's lie between 0 and 2.
inline lotar::Json weight_histogram(std::span<const float> weights) {
  constexpr double low = 0, high = 2;
  const std::vector<double> values(weights.begin(), weights.end());
  return {{"low", low}, {"high", high}, {"counts", lotar::histogram(values, low, high, 20)}};
}

}  // namespace examples
