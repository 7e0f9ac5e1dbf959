#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>

namespace lotar {
namespace detail {

template <class T>
using OrderKey = std::make_signed_t<typename Ieee<T>::Bits>;
template <class T>
inline constexpr OrderKey<T> largest_key = std::numeric_limits<OrderKey<T>>::max();

/// A signed integer that orders as the numbers do; -0 equals 0. All NaN, whose sign differs between processors, is one
/// key above all others.
template <class T>
LOTAR_FN inline OrderKey<T> order_key(T x) {
  using Key = OrderKey<T>;
  using Bits = typename Ieee<T>::Bits;
  const Key bits = bits_as<Key>(x + T(0));
  const Key with_sign = static_cast<Key>(bits ^ (bits >> std::numeric_limits<Key>::digits & largest_key<T>));
  // NaN with a minus has the lowest of these: a step down by their number goes round to the top, above NaN with a plus
  constexpr Bits step = (Bits(1) << Ieee<T>::mantissa) - 1, infinity = static_cast<Bits>(largest_key<T>) - 2 * step;
  return min(static_cast<Key>(static_cast<Bits>(with_sign) - step), static_cast<Key>(infinity + 1));
}

/// The k largest of one row: bisection over keys finds the smallest of them, two passes over chunks of columns collect
/// it and all above it in the columns' order, then each goes to its rank.
template <class T, class Memory>
struct TopKRow {
  View<const T, 2, Memory> scores;
  View<T, 2, Memory> values;
  View<std::uint32_t, 2, Memory> indices;

  using Key = OrderKey<T>;
  static constexpr std::size_t chunks = 256;
  static constexpr bool large_scratch = true;

  static std::size_t scratch_bytes(std::size_t k) {
    return 2 * scratch_size<std::uint32_t>(chunks + 1) + scratch_size<T>(k) + scratch_size<std::uint32_t>(k);
  }

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t row) const {
    const std::size_t n = scores.extent(1), width = (n + chunks - 1) / chunks;
    const auto k = static_cast<std::uint32_t>(values.extent(1));
    const T* s = scores.data + row * n;
    const Key threshold = kth_largest(block, s, n, k);

    // How many in each chunk are above the threshold and equal to it; then, how many before each chunk.
    auto* above = block.template scratch<std::uint32_t>(chunks + 1);
    auto* equal = block.template scratch<std::uint32_t>(chunks + 1);
    block.for_each(chunks, [=](std::size_t c) {
      std::uint32_t more = 0, same = 0;
      for (std::size_t i = c * width; i < min(n, (c + 1) * width); ++i) {
        more += order_key(s[i]) > threshold;
        same += order_key(s[i]) == threshold;
      }
      above[c + 1] = more;
      equal[c + 1] = same;
    });
    block.for_each(1, [=](std::size_t) {
      above[0] = equal[0] = 0;
      for (std::size_t c = 0; c < chunks; ++c) {
        above[c + 1] += above[c];
        equal[c + 1] += equal[c];
      }
    });
    const std::uint32_t all_above = above[chunks];

    // Those above come first, then as many of the equal ones as there is room for: the ones of the lowest columns.
    auto* found = block.template scratch<T>(k);
    auto* column = block.template scratch<std::uint32_t>(k);
    block.for_each(chunks, [=](std::size_t c) {
      std::uint32_t more = above[c], same = all_above + equal[c];
      for (std::size_t i = c * width; i < min(n, (c + 1) * width); ++i) {
        const Key key = order_key(s[i]);
        if (key < threshold) continue;
        const std::uint32_t place = key > threshold ? more++ : same++;
        if (place >= k) continue;
        found[place] = s[i];
        column[place] = static_cast<std::uint32_t>(i);
      }
    });

    T* value = values.data + row * k;
    std::uint32_t* index = indices.data + row * k;
    block.for_each(k, [=](std::size_t j) {
      std::size_t rank = j;
      if (j < all_above) {
        const Key key = order_key(found[j]);
        rank = 0;
        for (std::size_t i = 0; i < all_above; ++i) {
          const Key other = order_key(found[i]);
          rank += other > key || (other == key && i < j);
        }
      }
      value[rank] = found[j];
      index[rank] = column[j];
    });
  }

 private:
  /// A key that exactly k of the n scores reach or, because of ties, the largest one that more do.
  template <class Block>
  LOTAR_FN static Key kth_largest(Block& block, const T* s, std::size_t n, std::uint32_t k) {
    using Bits = std::make_unsigned_t<Key>;
    const auto key = [s](std::size_t i) { return order_key(s[i]); };
    Key low = block.reduce(n, largest_key<T>, key, [](Key a, Key b) { return min(a, b); });
    Key high = block.reduce(n, static_cast<Key>(-largest_key<T> - 1), key, [](Key a, Key b) { return max(a, b); });
    while (low < high) {  // at least k reach low, fewer than k reach high + 1
      const Bits gap = static_cast<Bits>(static_cast<Bits>(high) - static_cast<Bits>(low));
      const Key middle = static_cast<Key>(static_cast<Bits>(low) + gap / 2 + gap % 2);
      const auto reach = block.reduce(
          n, std::uint32_t{0}, [=](std::size_t i) { return static_cast<std::uint32_t>(order_key(s[i]) >= middle); },
          [](std::uint32_t a, std::uint32_t b) { return a + b; });
      if (reach == k) return middle;
      if (reach > k)
        low = middle;
      else
        high = static_cast<Key>(middle - 1);
    }
    return low;
  }
};

}  // namespace detail

/// The k largest values of each row and where they are, largest first, equal ones by ascending column. NaN counts as
/// the largest of all, so that it shows.
///
/// @param scores   [rows, n], k <= n < 2^32; rows of a large matrix may come in as many calls as one likes
/// @param values   [rows, k] out
/// @param indices  [rows, k] out: columns
/// @throws ShapeError if the shapes differ from these.
/// @cost   about 20 passes over the scores, and k^2 comparisons a row; scratch a row: k values and k columns. On a GPU
///         it is in shared memory, if that has room for it (k up to some ten thousand), else in main memory.
template <Backend B, class T>
void top_k(B& b, In<T, 2, B> scores, Out<T, 2, B> values, Out<std::uint32_t, 2, B> indices) {
  const std::size_t rows = scores.extent(0), n = scores.extent(1), k = values.extent(1);
  if (k == 0 || k > n || n > std::numeric_limits<std::uint32_t>::max())
    throw ShapeError("top_k: k must be in 1..n and n below 2^32 for scores [rows, n], values [rows, k], got " +
                     to_string(scores.extents) + " and " + to_string(values.extents));
  check_shape("top_k", "values", {rows, k}, values.extents);
  check_shape("top_k", "indices", {rows, k}, indices.extents);
  using Kernel = detail::TopKRow<T, typename B::Memory>;
  b.for_each_block(rows, Work{n, Kernel::scratch_bytes(k)}, Kernel{scores, values, indices});
}

}  // namespace lotar
