#pragma once

#include <cstddef>
#include <cstring>
#include <type_traits>

#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/backend/cpu/transpose.hpp>
#include <lotar/core/backend.hpp>

namespace lotar::detail {

/// c = alpha op(a) op(b) + beta c for one block of c, at most gemm_rows by gemm_cols, over all of K.
///
/// Panels of b, and of a where it is transposed, are packed, so that the tiles read them in order. K is cut in pieces of
/// gemm_depth; the sizes are constants, so that the order of every sum is one.
inline constexpr std::size_t gemm_rows = 192, gemm_cols = 256, gemm_depth = 256;

template <class T, class Out, class Memory, std::size_t Bytes = simd_bytes>
class Gemm {
 public:
  Gemm(Op op_a, Op op_b, double alpha, const Matrix<const T, Memory>& a, const Matrix<const T, Memory>& b, double beta,
       const Matrix<Out, Memory>& c)
      : a_(a),
        b_(b),
        c_(c),
        op_a_(op_a),
        op_b_(op_b),
        alpha_(static_cast<A>(alpha)),
        beta_(static_cast<A>(beta)),
        depth_(op_a == Op::none ? a.cols : a.rows),
        col_blocks_((c.cols + gemm_cols - 1) / gemm_cols) {
    // Blocks of equal height, and some for every thread; no sum depends on them.
    constexpr std::size_t enough = 8, least_rows = 4 * tile_rows;
    const auto parts = [](std::size_t n, std::size_t size) { return (n + size - 1) / size; };
    const std::size_t wanted = parts(enough, max<std::size_t>(1, c.batches * col_blocks_));
    const std::size_t blocks = max(parts(c.rows, gemm_rows), min(wanted, parts(c.rows, least_rows)));
    block_rows_ = parts(parts(c.rows, max<std::size_t>(1, blocks)), tile_rows) * tile_rows;
    row_blocks_ = c.rows == 0 ? 0 : parts(c.rows, block_rows_);
  }

  std::size_t blocks() const { return c_.batches * row_blocks_ * col_blocks_; }

  void operator()(std::size_t block) const {
    const std::size_t batch = block / (row_blocks_ * col_blocks_), rest = block % (row_blocks_ * col_blocks_);
    const std::size_t row = rest / col_blocks_ * block_rows_, col = rest % col_blocks_ * gemm_cols;
    const std::size_t rows = min(block_rows_, c_.rows - row), cols = min(gemm_cols, c_.cols - col);
    // Where c is narrower than the sums and K is cut, the sums lie in scratch until the end, to be rounded once.
    const bool keep_sums = !std::is_same_v<Out, A> && depth_ > gemm_depth;
    constexpr std::size_t packed = (gemm_rows + gemm_cols) * gemm_depth;
    A* packed_a = reinterpret_cast<A*>(thread_scratch((packed + (keep_sums ? gemm_rows * gemm_cols : 0)) * sizeof(A)));
    A *packed_b = packed_a + gemm_rows * gemm_depth, *sums = packed_a + packed;
    Out* out = c_.data + batch * c_.batch_stride + row * c_.row_stride + col;
    const bool direct = op_a_ == Op::none;
    for (std::size_t k = 0; k == 0 || k < depth_; k += gemm_depth) {
      const std::size_t depth = min(gemm_depth, depth_ - k);
      const T* a = a_.data + batch * a_.batch_stride;
      if (!direct) pack<tile_rows>(a, op_a_ == Op::none, a_.row_stride, row, rows, k, depth, packed_a);
      pack<tile_cols<A>>(b_.data + batch * b_.batch_stride, op_b_ == Op::transpose, b_.row_stride, col, cols, k, depth,
                         packed_b);
      const A beta = k == 0 ? beta_ : A(1);
      for (std::size_t j = 0; j < cols; j += tile_cols<A>)
        for (std::size_t i = 0; i < rows; i += tile_rows)
          with_tile<A>(
              min(tile_cols<A>, cols - j), [&](auto& tile) __attribute__((always_inline)) {
                if (direct) {
                  const T* line[tile_rows];
                  for (std::size_t m = 0; m < tile_rows; ++m)
                    line[m] = a + (row + min(i + m, rows - 1)) * a_.row_stride + k;
                  tile.multiply(
                      depth, [&](int m, std::size_t p) { return static_cast<A>(line[m][p]); }, packed_b + j * depth,
                      tile_cols<A>);
                } else {
                  const A* pa = packed_a + i * depth;
                  tile.multiply(
                      depth, [&](int m, std::size_t p) { return pa[p * tile_rows + static_cast<std::size_t>(m)]; },
                      packed_b + j * depth, tile_cols<A>);
                }
                const int valid = static_cast<int>(min<std::size_t>(tile_rows, rows - i));
                for (int m = 0; m < valid; ++m) {
                  const std::size_t r = i + static_cast<std::size_t>(m), n = min(tile_cols<A>, cols - j);
                  if (keep_sums)
                    tile.store_row(m, n, alpha_, k == 0 ? A(0) : A(1), sums + r * gemm_cols + j);
                  else
                    tile.store_row(m, n, alpha_, beta, out + r * c_.row_stride + j);
                }
              });
    }
    if (!keep_sums) return;
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t c = 0; c < cols; ++c) {
        const A sum = sums[r * gemm_cols + c];
        Out& to = out[r * c_.row_stride + c];
        to = static_cast<Out>(beta_ == A(0) ? sum : sum + beta_ * static_cast<A>(to));
      }
  }

 private:
  using A = Accum<T>;

  /// Lines [line, line + lines) of the operand, steps [k, k + depth), as panels of Width lines: panel[k][line], zeros
  /// past the end. `line_major`: the operand is stored [line][k], else [k][line].
  template <std::size_t Width>
  static void pack(const T* from, bool line_major, std::size_t stride, std::size_t line, std::size_t lines,
                   std::size_t k, std::size_t depth, A* to) {
    constexpr std::size_t strip = 16;  // steps of a line read at a time when lines become columns
    constexpr std::size_t square = Simd<A>::width;
    for (std::size_t first = 0; first < lines; first += Width, to += Width * depth) {
      const std::size_t n = min(Width, lines - first);
      const T* origin = line_major ? from + (line + first) * stride + k : from + k * stride + line + first;
      if (n < Width) std::memset(to, 0, Width * depth * sizeof(A));
      if (!line_major) {
        for (std::size_t p = 0; p < depth; ++p)
          for (std::size_t l = 0; l < n; ++l) to[p * Width + l] = static_cast<A>(origin[p * stride + l]);
        continue;
      }
      std::size_t p = 0;
      if constexpr (std::is_same_v<T, A>)
        for (; p + square <= depth; p += square) transpose_lines<Width>(origin + p, stride, n, to + p * Width);
      for (; p < depth; p += strip)
        for (std::size_t l = 0; l < n; ++l)
          for (std::size_t q = p; q < min(p + strip, depth); ++q)
            to[q * Width + l] = static_cast<A>(origin[l * stride + q]);
    }
  }

  /// As many steps of a panel as a register has lanes, from n <= Width lines.
  template <std::size_t Width>
  static void transpose_lines(const A* from, std::size_t stride, std::size_t n, A* to) {
    constexpr std::size_t square = Simd<A>::width;
    if constexpr (Width % square == 0) {
      for (std::size_t l = 0; l < n; l += square)
        transpose_square(from + l * stride, stride, min(square, n - l), to + l, Width);
    } else {
      A turned[square * square];
      for (std::size_t l = 0; l < n; l += square) {
        transpose_square(from + l * stride, stride, min(square, n - l), turned, square);
        for (std::size_t p = 0; p < square; ++p)
          std::memcpy(to + p * Width + l, turned + p * square, min(square, Width - l) * sizeof(A));
      }
    }
  }

  Matrix<const T, Memory> a_, b_;
  Matrix<Out, Memory> c_;
  Op op_a_, op_b_;
  A alpha_, beta_;
  std::size_t depth_, col_blocks_, block_rows_, row_blocks_;
};

}  // namespace lotar::detail
