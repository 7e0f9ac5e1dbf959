#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/radix_select.hpp>

namespace lotar {
namespace detail {

/// Orders the prunable weights by magnitude, equal ones by their place, and all others above them.
template <class A, class Memory>
struct MagnitudeKey {
  View<const A, 1, Memory> values;
  View<const std::uint8_t, 1, Memory> prunable;

  LOTAR_FN std::uint64_t operator()(std::size_t i) const {
    if (prunable(i) == 0) return ~std::uint64_t{0};
    const auto bits = bits_as<std::uint32_t>(static_cast<float>(values(i))) & 0x7FFFFFFFu;
    return std::uint64_t{bits} << 32 | static_cast<std::uint32_t>(i);
  }
};

template <class A, class Memory>
struct MaskBelow {
  MagnitudeKey<A, Memory> key;
  View<const std::uint64_t, 1, Memory> threshold;
  View<A, 1, Memory> mask;
  LOTAR_FN void operator()(std::size_t i) const { mask(i) = key(i) < threshold(0) ? A(0) : A(1); }
};

}  // namespace detail

/// Global magnitude pruning: which weights of all convolutions together are the smallest.
///
/// @source Frankle and Carbin, The lottery ticket hypothesis, ICLR 2019; as SDCLR prunes (Jiang et al., Self-damaging
///         contrastive learning, ICML 2021).
template <class A, Backend B>
class MagnitudePruning {
 public:
  /// @param table     whose parameters of kind conv are prunable
  /// @param size      of the mask: that of a branch's flat parameters, which begin as the table's do (see BranchTable)
  /// @param fraction  of these to prune, in (0, 1): ceil(fraction n) of n, but at most n - 1
  /// @throws ConfigError for a fraction out of range, or a table without convolutions.
  MagnitudePruning(B& b, const ParameterTable& table, std::size_t size, double fraction) : prunable_(b, {size}) {
    if (!(fraction > 0 && fraction < 1))
      throw ConfigError("MagnitudePruning: the fraction must be in (0, 1), got " + number_text(fraction));
    std::vector<std::uint8_t> prunable(size);
    std::size_t n = 0;
    for (const Parameter& p : table.parameters()) {
      if (p.kind != ParameterKind::conv || p.offset + p.size > size) continue;
      for (std::size_t i = 0; i < p.size; ++i) prunable[p.offset + i] = 1;
      n += p.size;
    }
    if (n == 0) throw ConfigError("MagnitudePruning: there are no convolutions to prune");
    // 0.07 * 100 is a little above 7: the product's rounding must not prune one more.
    const double wanted = fraction * static_cast<double>(n) * (1 - 1e-12);
    pruned_ = min(n - 1, static_cast<std::size_t>(std::ceil(wanted)));
    b.upload(prunable, prunable_.view());
  }

  /// How many weights mask() leaves out.
  std::size_t pruned() const { return pruned_; }

  /// 0 for the weights to prune, of equal ones those that stand first; 1 for all other entries.
  ///
  /// @param values  [size or more], finite; magnitudes are compared as float
  /// @param mask    [size] out
  /// @throws ShapeError if the shapes differ from these.
  /// @cost   9 passes over the values
  void mask(B& b, In<A, 1, B> values, Out<A, 1, B> mask) const {
    if (values.size() < mask.size())
      throw ShapeError("MagnitudePruning::mask: values must be at least " + to_string(prunable_.extents) + ", got " +
                       to_string(values.extents));
    check_shape("MagnitudePruning::mask", "mask", prunable_.extents, mask.extents);
    const detail::MagnitudeKey<A, typename B::Memory> key{values, prunable_.view()};
    const Tensor<std::uint64_t, 1, B> threshold(b, {1});
    radix_select(b, mask.size(), key, pruned_, threshold.view());
    b.for_each(mask.size(), detail::MaskBelow<A, typename B::Memory>{key, threshold.view(), mask});
  }

 private:
  Tensor<std::uint8_t, 1, B> prunable_;
  std::size_t pruned_ = 0;
};

}  // namespace lotar
