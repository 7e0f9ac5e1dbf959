#pragma once

#include <cstddef>

#include <lotar/core/bf16.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>

/// What is summed down the columns of a matrix by Block::sum_columns: its values, and their moments.
namespace lotar {

/// The values of a matrix [rows, cols] of T as Accum<T>, for Block::sum_columns.
template <class T>
struct Columns {
  using A = Accum<T>;
  const T* from;
  std::size_t cols;

  LOTAR_FN A operator()(std::size_t r, std::size_t c) const { return static_cast<A>(from[r * cols + c]); }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return cols % width == 0 && are_aligned(from); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [from = from + c, cols = cols](std::size_t r) { return to_accum(load_pack<width>(from + r * cols)); };
  }
};

namespace detail {

/// The values of some rows less those of the first, and their squares: what is lost where the squares about the mean
/// are taken from these, is as much as if values were rounded 1 + (first - mean)^2 / variance times as coarsely, on
/// average 2 times, and no more than 1 + rows times, since the first is one of them.
template <class T>
struct ColumnPowers {
  using A = Accum<T>;
  Columns<T> x;

  LOTAR_FN static Pair<A> value(A v, A first) { return {v - first, (v - first) * (v - first)}; }
  LOTAR_FN Pair<A> operator()(std::size_t r, std::size_t c) const { return value(x(r, c), x(0, c)); }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return x.is_aligned(); }
  LOTAR_FN auto columns(std::size_t c) const {
    const auto values_of = x.columns(c);
    return [values_of, first = values_of(0)](std::size_t r) {
      const auto values = values_of(r);
      Pair<Pack<A, width>> powers;
      for (std::size_t k = 0; k < width; ++k) {
        const Pair<A> v = value(values[k], first[k]);
        powers.first[k] = v.first;
        powers.second[k] = v.second;
      }
      return powers;
    };
  }
};

}  // namespace detail

/// Rows whose moments are best taken at once: 16384 values, but 16 to 256 rows.
LOTAR_FN inline std::size_t moment_rows(std::size_t cols) {
  return clamp<std::size_t>(16384 / max<std::size_t>(cols, 1), 16, 256);
}

/// The mean of each column of a matrix and the sum of squares about it, in one pass over at most some hundred rows.
///
/// @param values  [rows, cols] at least; rows >= 1
/// @param mean, squares  out: [cols]
template <class Block, class T>
LOTAR_FN void take_moments(Block& block, const Columns<T>& values, std::size_t rows, std::size_t cols, Accum<T>* mean,
                           Accum<T>* squares) {
  using A = Accum<T>;
  block.sum_columns(rows, cols, detail::ColumnPowers<T>{values}, mean, squares);
  block.for_each(cols, [&](std::size_t c) {
    const A shift = mean[c] / static_cast<A>(rows);
    squares[c] = max(fma(-shift, mean[c], squares[c]), A(0));
    mean[c] = values(0, c) + shift;
  });
}

}  // namespace lotar
