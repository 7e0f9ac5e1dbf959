#pragma once

#include <concepts>
#include <cstddef>

#include <lotar/core/backend.hpp>

namespace lotar {

/// A part of n items: those from first on.
struct Share {
  std::size_t first = 0, size = 0;
  bool operator==(const Share&) const = default;
};

/// The part of n items that a rank takes: the ranks' parts follow each other, and differ by one item at most.
constexpr Share share(std::size_t n, std::size_t rank, std::size_t ranks) {
  const std::size_t first = n * rank / ranks;
  return {first, n * (rank + 1) / ranks - first};
}

/// A backend in several processes, the ranks, that call its members in the same order and wait for each other there.
///
/// Results are the same bits on all ranks.
template <class B>
concept Distributed = Backend<B> &&
    requires(B& b, View<float, 1, typename B::Memory> v, View<const float, 1, typename B::Memory> cv) {
  { b.rank() } -> std::same_as<std::size_t>;   // of this process, below ranks()
  { b.ranks() } -> std::same_as<std::size_t>;  // how many there are
  b.all_reduce(v);                             // v = the sum of all ranks' v, in an order that is always the same
  b.all_gather(cv, v);                         // v = all ranks' parts, of which each is a share of v's rows
};

/// How many processes a backend computes in: one unless it is distributed.
template <class B>
std::size_t rank_count(const B& b) {
  if constexpr (Distributed<B>)
    return b.ranks();
  else
    return 1;
}

/// This process' part of n items: all of them on a backend that is not distributed.
template <class B>
Share own_share(const B& b, std::size_t n) {
  if constexpr (Distributed<B>)
    return share(n, b.rank(), b.ranks());
  else
    return {0, n};
}

/// @throws ShapeError unless a part is this process' share of the rows of the whole.
template <class B, std::size_t N>
void check_own_share(const char* call, const B& b, const Extents<N>& part, const Extents<N>& whole) {
  Extents<N> wanted = whole;
  wanted[0] = own_share(b, whole[0]).size;
  check_shape(call, "part", wanted, part);
}

}  // namespace lotar
