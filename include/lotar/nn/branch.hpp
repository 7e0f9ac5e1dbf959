#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <lotar/core/math.hpp>
#include <lotar/core/parameters.hpp>
#include <lotar/nn/pass.hpp>
#include <lotar/nn/state.hpp>

namespace lotar {

/// Where a second branch of a network finds its parameters: it has norms of its own, and shares all else.
struct BranchTable {
  std::size_t size = 0;               ///< of one branch's flat parameters: the table's before the branch was declared
  std::size_t statistics_size = 0;    ///< of its flat statistics
  std::size_t statistics_offset = 0;  ///< of its statistics in the table's, in the same order and with the same gaps
  std::vector<std::uint32_t> source;  ///< [size] where each parameter lies in the table's flat array

  /// Declares a second set of all norms' entries and statistics.
  /// @param table   of a whole network; grows
  /// @param prefix  of the new names
  /// @throws ConfigError if a name is taken.
  BranchTable(ParameterTable& table, const std::string& prefix)
      : size(table.size()), statistics_size(table.statistics_size()), statistics_offset(table.statistics_size()) {
    source.resize(size);
    for (std::size_t i = 0; i < size; ++i) source[i] = static_cast<std::uint32_t>(i);
    for (const Parameter& p : std::vector<Parameter>(table.parameters())) {
      if (p.kind != ParameterKind::norm) continue;
      const std::size_t offset = table.add(prefix + p.name, p.shape, p.kind, p.init);
      for (std::size_t i = 0; i < p.size; ++i) source[p.offset + i] = static_cast<std::uint32_t>(offset + i);
    }
    for (const Parameter& p : std::vector<Parameter>(table.statistics()))
      table.add_statistic(prefix + p.name, p.shape, p.init.scale);
  }
};

namespace detail {

template <class A, class M>
struct GatherBranch {
  View<const A, 1, M> values, mask;
  View<const std::uint32_t, 1, M> source;
  View<A, 1, M> out;
  LOTAR_FN void operator()(std::size_t i) const { out(i) = mask(i) * values(source(i)); }
};

template <class A, class M>
struct AddBranchGradients {
  View<const A, 1, M> gradients, mask;
  View<const std::uint32_t, 1, M> source;
  View<A, 1, M> out;
  LOTAR_FN void operator()(std::size_t i) const { out(source(i)) += mask(i) * gradients(i); }
};

}  // namespace detail

/// A second branch of a network on a backend: mask * w, and norms of its own.
///
/// @tparam T  as NetworkState's
/// @source Jiang et al., Self-damaging contrastive learning, ICML 2021: its pruned branch.
template <class T, class B>
class Branch {
 public:
  using A = Accum<T>;

  /// Takes four arrays of table.size entries, five where T is not Accum<T>.
  Branch(B& b, const BranchTable& table)
      : mask(b, {table.size}),
        source_(b, {table.size}, table.source),
        values_(b, {table.size}),
        gradients_(b, {table.size}),
        statistics_offset_(table.statistics_offset),
        statistics_size_(table.statistics_size) {
    for (const std::uint32_t i : table.source) reach_ = max(reach_, std::size_t{i} + 1);
    b.fill(mask.view(), A(1));
    if constexpr (!std::is_same_v<T, A>) filters_ = Tensor<T, 1, B>(b, values_.extents);
  }

  /// A pass of the branch over the state's parameters as they are now and under the mask. Its gradients begin at zero.
  /// It refers to this branch's arrays, until the next pass is made.
  /// @throws ShapeError if the state is not one of the table in which the branch was declared.
  /// @cost 1 pass over the parameters
  Pass<T, B> pass(B& b, NetworkState<T, B>& state, bool training) {
    using M = typename B::Memory;
    check("Branch::pass", state);
    b.for_each(values_.size(), detail::GatherBranch<A, M>{state.values, mask, source_, values_});
    const auto statistics = state.statistics.rows(statistics_offset_, statistics_size_);
    return detail::bind_pass<T, B>(b, values_, gradients_, statistics, filters_, training);
  }

  /// Adds the gradients of the last pass to the state's, those of masked weights left out.
  /// @throws ShapeError as pass does.
  void add_gradients(B& b, NetworkState<T, B>& state) const {
    using M = typename B::Memory;
    check("Branch::add_gradients", state);
    b.for_each(values_.size(), detail::AddBranchGradients<A, M>{gradients_, mask, source_, state.gradients});
  }

  Tensor<A, 1, B> mask;  ///< [BranchTable::size] of 0 and 1, by which parameters are multiplied; at first all 1

 private:
  void check(const char* where, const NetworkState<T, B>& state) const {
    const std::size_t statistics = statistics_offset_ + statistics_size_;
    if (state.values.size() < reach_ || state.gradients.size() < reach_ || state.statistics.size() < statistics)
      throw ShapeError(std::string(where) + ": the state must be of the table with the branch: at least " +
                       std::to_string(reach_) + " parameters and " + std::to_string(statistics) + " statistics, got " +
                       std::to_string(state.values.size()) + " and " + std::to_string(state.statistics.size()));
  }

  Tensor<std::uint32_t, 1, B> source_;
  Tensor<A, 1, B> values_, gradients_;
  Tensor<T, 1, B> filters_;
  std::size_t statistics_offset_, statistics_size_, reach_ = 0;
};

}  // namespace lotar
