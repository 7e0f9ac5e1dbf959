#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/columns.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/tensor.hpp>

/// The mean and variance of each channel: of tiles of rows, then of all.
namespace lotar::detail {

/// The rows of a matrix cut in tiles, whose sums a block takes each; the tiles' sums are then added in order. Few rows,
/// for many blocks where there are many columns, and since a sum of many large values loses digits; but no more than
/// 2048 tiles unless they are of 512 rows.
struct NormTiles {
  std::size_t rows, cols, height, count;

  NormTiles(std::size_t rows_, std::size_t cols_) : rows(rows_), cols(cols_) {
    height = max(moment_rows(cols), min<std::size_t>((rows + 2047) / 2048, 512));
    count = (rows + height - 1) / height;
  }

  /// Of kernels over tiles, which take the last tile first: its rows are what a cache still has of those that were
  /// written before.
  struct Tile {
    std::size_t number, begin, rows;
  };
  LOTAR_FN Tile tile(std::size_t item) const {
    const std::size_t number = count - 1 - item, begin = number * height;
    return {number, begin, min(height, rows - begin)};
  }
  Work work() const { return {height * cols, 0}; }
};

/// Per tile of rows: the mean of each column and the sum of squares about it.
template <class T>
struct NormTileMoments {
  static constexpr unsigned most_threads = 128;
  NormTiles tiles;
  const T* x;
  Accum<T>*mean, *squares;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const NormTiles::Tile tile = tiles.tile(i);
    const std::size_t cols = tiles.cols;
    take_moments(block, Columns<T>{x + tile.begin * cols, cols}, tile.rows, cols, mean + tile.number * cols,
                 squares + tile.number * cols);
  }
};

/// Columns that one block of the kernels below takes: few, so that each of its threads adds few of thousands of tiles.
inline constexpr std::size_t norm_strip = 4;

/// The moments of parts of the rows: of tiles, of what a backend gave, or of other processes' rows.
template <class A>
struct NormParts {
  const A *mean, *squares;  // a row a part, `stride` apart
  const A* counts;          // a part's rows, `count_stride` apart; null: tiles of `height` rows
  std::size_t parts, stride, count_stride;
  std::size_t rows, height;  // of all; 0 rows: as many as are counted

  template <class Memory>
  static NormParts of(const ColumnMoments<A, Memory>& moments, std::size_t rows) {
    const Extents<2>& extents = moments.mean.extents;
    return {moments.mean.data, moments.squares.data, moments.counts.data, extents[0], extents[1], 1, rows, 0};
  }

  LOTAR_FN A count(std::size_t part) const {
    return counts ? counts[part * count_stride] : static_cast<A>(min(height, rows - part * height));
  }

  /// Of columns from `first` on, the sums of a part's rows less the first part's mean, and of their squares. What is
  /// lost where the squares about the mean of all are taken from these, is as much as if squares were rounded 1 +
  /// (first mean - mean)^2 / variance times as coarsely: no more than 1 + rows of all / rows of the first part.
  struct Powers {
    NormParts parts;
    std::size_t first;
    LOTAR_FN static Pair<A> value(A n, A part_mean, A about_it, A origin) {
      const A shift = part_mean - origin;
      return {n * shift, fma(n * shift, shift, about_it)};
    }
    LOTAR_FN Pair<A> operator()(std::size_t p, std::size_t c) const {
      const std::size_t i = p * parts.stride + first + c;
      return value(parts.count(p), parts.mean[i], parts.squares[i], parts.mean[first + c]);
    }
    static constexpr std::size_t width = pack_width<A>;
    LOTAR_FN bool is_aligned() const {
      return parts.stride % width == 0 && are_aligned(parts.mean + first, parts.squares + first);
    }
    LOTAR_FN auto columns(std::size_t c) const {
      return [parts = parts, at = first + c, origin = load_pack<width>(parts.mean + first + c)](std::size_t p) {
        const auto means = load_pack<width>(parts.mean + p * parts.stride + at),
                   about = load_pack<width>(parts.squares + p * parts.stride + at);
        const A n = parts.count(p);
        Pair<Pack<A, width>> powers;
        for (std::size_t k = 0; k < width; ++k) {
          const Pair<A> v = value(n, means[k], about[k], origin[k]);
          powers.first[k] = v.first;
          powers.second[k] = v.second;
        }
        return powers;
      };
    }
  };

  /// The moments of all rows in columns [first, first + cols).
  /// @return the number of rows
  template <class Block>
  LOTAR_FN A merge(Block& block, std::size_t first, std::size_t cols, A* m, A* squares_about_m) const {
    A n = static_cast<A>(rows);
    for (std::size_t p = 0; rows == 0 && p < parts; ++p) n += count(p);
    block.sum_columns(parts, cols, Powers{*this, first}, m, squares_about_m);
    block.for_each(cols, [&](std::size_t c) {
      const A shift = m[c] / n;
      squares_about_m[c] = max(fma(-shift, m[c], squares_about_m[c]), A(0));
      m[c] = mean[first + c] + shift;
    });
    return n;
  }
};

/// The work items of kernels over strips of columns.
inline std::size_t norm_strips(std::size_t cols) { return (cols + norm_strip - 1) / norm_strip; }
template <class A>
Work norm_strip_work(std::size_t parts) {
  return {parts * norm_strip, scratch_size<A>(norm_strip)};
}

/// The moments of the tiles of x [M, C].
template <class A, class B>
struct NormStatistics {
  Tensor<A, 2, B> mean, squares;  // [tiles, C]
  NormParts<A> parts{};

  NormStatistics() = default;
  template <class T>
  NormStatistics(B& b, const View<const T, 2, typename B::Memory>& x) {
    const NormTiles tiles(x.extent(0), x.extent(1));
    mean = Tensor<A, 2, B>(b, {{tiles.count, tiles.cols}});
    squares = Tensor<A, 2, B>(b, {{tiles.count, tiles.cols}});
    b.for_each_block(tiles.count, tiles.work(), NormTileMoments<T>{tiles, x.data, mean.data, squares.data});
    parts = {mean.data, squares.data, nullptr, tiles.count, tiles.cols, 0, tiles.rows, tiles.height};
  }
};

/// The moments of this process' rows, for the others: means, sums of squares, and the number of rows.
template <class A, class M>
struct NormOwnMoments {
  NormParts<A> tiles;
  std::size_t channels;
  View<A, 2, M> out;  // [1, 2 C + 1]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, channels - first);
    const A n = tiles.merge(block, first, cols, out.data + first, out.data + channels + first);
    if (strip == 0 && block.leader()) out.data[2 * channels] = n;
  }
};

/// The moments of all rows from those of the parts; folds them into the running statistics.
template <class A, class M>
struct NormMoments {
  NormParts<A> from;
  A epsilon, momentum;
  View<A, 1, M> mean, scale;  // of the batch, and 1 / its standard deviation
  A *running_mean, *running_var;
  A* count;  // null, or where the number of rows goes
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t strip) const {
    const std::size_t first = strip * norm_strip, cols = min(norm_strip, mean.extent(0) - first);
    A* m = mean.data + first;
    A* squares = block.template scratch<A>(norm_strip);
    const A n = from.merge(block, first, cols, m, squares);
    block.for_each(cols, [&](std::size_t c) {
      A &mean_then = running_mean[first + c], &var_then = running_var[first + c];
      mean_then += momentum * (m[c] - mean_then);
      var_then += momentum * (squares[c] / (n - A(1)) - var_then);
      scale(first + c) = A(1) / sqrt(squares[c] / n + epsilon);
    });
    if (count && strip == 0 && block.leader()) *count = n;
  }
};

template <class A>
struct NormRunning {
  const A *running_mean, *running_var;
  A epsilon;
  A *mean, *scale;
  LOTAR_FN void operator()(std::size_t c) const {
    mean[c] = running_mean[c];
    scale[c] = A(1) / sqrt(running_var[c] + epsilon);
  }
};

}  // namespace lotar::detail
