#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/columns.hpp>

/// The mean and variance of each channel: of tiles of rows, then of all.
namespace lotar::detail {

/// The rows, of so many columns, whose sums one block takes; the blocks' sums are then added in order. Few, for many
/// blocks where there are many columns, and since a sum of many large values loses digits.
LOTAR_FN constexpr std::size_t norm_tile_rows(std::size_t cols) {
  constexpr std::size_t elements = 16384, least = 16, most = 256;
  return clamp(elements / cols, least, most);
}

inline std::size_t norm_tiles(std::size_t rows, std::size_t cols) {
  return (rows + norm_tile_rows(cols) - 1) / norm_tile_rows(cols);
}
/// What a block does: it loops over packs, and a thread of a GPU takes some of them.
inline Work norm_tile_work(std::size_t cols) { return {norm_tile_rows(cols) * cols / 32, 0}; }

/// The squares of a tile about the means of its columns.
template <class T>
struct NormSquares {
  using A = Accum<T>;
  Columns<T> x;
  const A* mean;

  LOTAR_FN static A value(A v, A m) { return (v - m) * (v - m); }
  LOTAR_FN A operator()(std::size_t r, std::size_t c) const { return value(x(r, c), mean[c]); }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return x.is_aligned() && are_aligned(mean); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [values_of = x.columns(c), m = load_pack<width>(mean + c)](std::size_t r) {
      auto values = values_of(r);
      for (std::size_t k = 0; k < width; ++k) values[k] = value(values[k], m[k]);
      return values;
    };
  }
};

/// Per tile of rows: the mean of each column and the sum of squares about it. The last tile goes first: its rows are what
/// a cache still has of those that were written before.
template <class T, class M>
struct NormTileMoments {
  View<const T, 2, M> x;
  View<Accum<T>, 2, M> mean, squares;  // [tiles, C]
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const std::size_t tile = mean.extent(0) - 1 - i, cols = x.extent(1), height = norm_tile_rows(cols);
    const std::size_t first = tile * height, rows = min(height, x.extent(0) - first);
    const Columns<T> values{x.data + first * cols, cols};
    Accum<T>* m = mean.data + tile * cols;
    block.sum_columns(rows, cols, values, m);
    block.for_each(cols, [&](std::size_t c) { m[c] /= static_cast<Accum<T>>(rows); });
    block.sum_columns(rows, cols, NormSquares<T>{values, m}, squares.data + tile * cols);
  }
};

/// Columns that one block of the kernels below takes: few, so that each of its threads adds few of thousands of tiles.
inline constexpr std::size_t norm_strip = 4;

/// The moments of parts of the rows: of tiles, or of other processes' rows.
template <class A>
struct NormParts {
  const A *mean, *squares, *counts;  // a row a part, `stride` apart; counts null: tiles of `height` of `rows` rows
  std::size_t parts, stride, rows, height;

  LOTAR_FN A count(std::size_t part) const {
    return counts ? counts[part * stride] : static_cast<A>(min(height, rows - part * height));
  }

  /// Of columns from `first` on: what a part adds to the sum; given the mean of all, to the squares about that.
  struct Sums {
    NormParts parts;
    std::size_t first;
    LOTAR_FN A operator()(std::size_t p, std::size_t c) const {
      return parts.count(p) * parts.mean[p * parts.stride + first + c];
    }
    static constexpr std::size_t width = pack_width<A>;
    LOTAR_FN bool is_aligned() const { return parts.stride % width == 0 && are_aligned(parts.mean + first); }
    LOTAR_FN auto columns(std::size_t c) const {
      return [parts = parts, at = first + c](std::size_t p) {
        auto sums = load_pack<width>(parts.mean + p * parts.stride + at);
        for (std::size_t k = 0; k < width; ++k) sums[k] *= parts.count(p);
        return sums;
      };
    }
  };
  struct Squares {
    NormParts parts;
    std::size_t first;
    const A* all;
    LOTAR_FN static A value(A squares, A count, A mean, A all) { return squares + count * (mean - all) * (mean - all); }
    LOTAR_FN A operator()(std::size_t p, std::size_t c) const {
      const std::size_t i = p * parts.stride + first + c;
      return value(parts.squares[i], parts.count(p), parts.mean[i], all[c]);
    }
    static constexpr std::size_t width = pack_width<A>;
    LOTAR_FN bool is_aligned() const {
      return parts.stride % width == 0 && are_aligned(parts.mean + first, parts.squares + first, all);
    }
    LOTAR_FN auto columns(std::size_t c) const {
      return [parts = parts, at = first + c, m = load_pack<width>(all + c)](std::size_t p) {
        const auto mean = load_pack<width>(parts.mean + p * parts.stride + at);
        auto squares = load_pack<width>(parts.squares + p * parts.stride + at);
        const A n = parts.count(p);
        for (std::size_t k = 0; k < width; ++k) squares[k] = value(squares[k], n, mean[k], m[k]);
        return squares;
      };
    }
  };

  /// The moments of all rows in columns [first, first + cols).
  /// @return the number of rows
  template <class Block>
  LOTAR_FN A merge(Block& block, std::size_t first, std::size_t cols, A* m, A* squares_about_m) const {
    A n = static_cast<A>(rows);
    if (counts) {
      n = A(0);
      for (std::size_t p = 0; p < parts; ++p) n += count(p);
    }
    block.sum_columns(parts, cols, Sums{*this, first}, m);
    block.for_each(cols, [&](std::size_t c) { m[c] /= n; });
    block.sum_columns(parts, cols, Squares{*this, first, m}, squares_about_m);
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
struct NormTiles {
  Tensor<A, 2, B> mean, squares;  // [tiles, C]
  NormParts<A> parts;

  template <class T>
  NormTiles(B& b, const View<const T, 2, typename B::Memory>& x) {
    const std::size_t rows = x.extent(0), cols = x.extent(1), height = norm_tile_rows(cols);
    const std::size_t tiles = norm_tiles(rows, cols);
    mean = Tensor<A, 2, B>(b, {{tiles, cols}});
    squares = Tensor<A, 2, B>(b, {{tiles, cols}});
    b.for_each_block(tiles, norm_tile_work(cols), NormTileMoments<T, typename B::Memory>{x, mean, squares});
    parts = {mean.data, squares.data, nullptr, tiles, cols, rows, height};
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
