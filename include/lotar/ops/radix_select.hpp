#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/tensor.hpp>

namespace lotar {
namespace detail {

/// What is known of the key that is looked for: its leading bits, and its rank among the keys that have them.
struct RadixSearch {
  std::uint64_t prefix = 0;
  std::uint32_t rank = 0;
};

inline constexpr unsigned radix_bits = 8;
inline constexpr std::size_t radix_buckets = std::size_t{1} << radix_bits;
inline constexpr std::size_t radix_tile = 1 << 15;  // keys of a block

/// Counts the keys of a tile that have the prefix by their next bits.
template <class Key>
struct RadixHistogram {
  Key key;
  std::size_t n;
  const RadixSearch* search;
  unsigned shift;  // of the next bits
  std::uint32_t* counts;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t tile) const {
    const std::size_t first = tile * radix_tile, count = min(radix_tile, n - first);
    const std::uint64_t prefix = search->prefix;
    std::uint32_t* const local = block.template scratch<std::uint32_t>(radix_buckets);
    block.for_each(radix_buckets, [=](std::size_t i) { local[i] = 0; });
    block.for_each(count, [&](std::size_t i) {
      const std::uint64_t k = key(first + i) >> shift;
      if (k >> radix_bits == prefix) block.add(local + k % radix_buckets, 1u);
    });
    block.for_each(radix_buckets, [&](std::size_t i) {
      if (local[i] > 0) block.add(counts + i, local[i]);
    });
  }
};

/// Goes into the bucket that holds the rank, and empties the counts.
struct RadixDescend {
  std::uint32_t* counts;
  RadixSearch* search;

  LOTAR_FN void operator()(std::size_t) const {
    RadixSearch s = *search;
    std::size_t bucket = 0;
    while (bucket + 1 < radix_buckets && s.rank >= counts[bucket]) s.rank -= counts[bucket++];
    s.prefix = s.prefix << radix_bits | bucket;
    *search = s;
    for (std::size_t i = 0; i < radix_buckets; ++i) counts[i] = 0;
  }
};

}  // namespace detail

/// The rank-th smallest of n keys, from the leading bits down; keys are computed anew in each of the eight passes.
///
/// @tparam Key  a kernel: key(i) is a std::uint64_t for i < n
/// @param rank  < n < 2^32; 0: the smallest
/// @param out   [1] out
/// @throws ConfigError for a rank or n out of range, ShapeError if out is not [1].
/// @cost   8 passes over the keys; 1 KiB of scratch, and as much a block.
template <Backend B, class Key>
void radix_select(B& b, std::size_t n, const Key& key, std::size_t rank, Out<std::uint64_t, 1, B> out) {
  using namespace detail;
  if (rank >= n || n > std::numeric_limits<std::uint32_t>::max())
    throw ConfigError("radix_select: the rank must be below n, and n below 2^32, got " + std::to_string(rank) + " of " +
                      std::to_string(n));
  check_shape("radix_select", "out", Extents<1>{1}, out.extents);
  const RadixSearch start{0, static_cast<std::uint32_t>(rank)};
  const Tensor<RadixSearch, 1, B> search(b, {1});
  const Tensor<std::uint32_t, 1, B> counts(b, {radix_buckets});
  b.fill(search.view(), start);
  b.fill(counts.view(), 0u);
  const Work work{min(n, radix_tile), scratch_size<std::uint32_t>(radix_buckets)};
  for (unsigned shift = 64; shift > 0;) {
    shift -= radix_bits;
    b.for_each_block((n + radix_tile - 1) / radix_tile, work,
                     RadixHistogram<Key>{key, n, search.data, shift, counts.data});
    b.for_each(1, RadixDescend{counts.data, search.data});
  }
  b.copy(View<const std::uint64_t, 1, typename B::Memory>(&search.data->prefix, {1}), out);
}

}  // namespace lotar
