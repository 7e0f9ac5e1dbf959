#pragma once

#include <cstddef>
#include <type_traits>

#include <lotar/backend/cpu/panels.hpp>
#include <lotar/backend/cpu/products.hpp>
#include <lotar/backend/cpu/threads.hpp>
#include <lotar/backend/cpu/tile.hpp>
#include <lotar/core/backend.hpp>

namespace lotar::detail {

/// c = alpha op(a) op(b) + beta c, by P: SingleProducts or PairProducts.
///
/// c is cut in blocks, at most gemm_rows by gemm_cols, and K in pieces of gemm_depth elements: a constant, so that the
/// order of every sum is one. Lines of a and b are packed in panels, so that tiles read them in order: those of b once
/// for all blocks, as many at a time as a cache may hold, those of a by each block.
inline constexpr std::size_t gemm_rows = 192, gemm_cols = 512, gemm_depth = 512;

template <class P, class Out, class Memory, std::size_t Bytes = simd_bytes>
class Gemm {
  using T = typename P::Stored;
  using A = Accum<T>;
  using Element = typename P::Element;

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
        depth_(op_a == Op::none ? a.cols : a.rows) {}

  /// Allocates memory for as much of b as is packed at a time, if c has several rows of blocks.
  template <class B>
  void run(B& b, Threads& threads) {
    if (c_.batches == 0 || c_.rows == 0 || c_.cols == 0) return;
    // Blocks of equal size, and some for every thread, as many for each if a few more do it; no sum depends on them.
    const auto count = static_cast<std::size_t>(threads.count());
    const std::size_t wanted = parts(count == 1 ? 1 : 4 * count, c_.batches);
    std::size_t down = block_count(c_.rows, P::rows, gemm_rows, parts(wanted, parts(c_.cols, gemm_cols)), 4);
    const std::size_t col_blocks = block_count(c_.cols, P::cols, gemm_cols, parts(wanted, down), 2);
    cols_ = parts(parts(c_.cols, col_blocks), P::cols) * P::cols;
    const std::size_t across = parts(c_.cols, cols_);
    for (std::size_t more = down; down > 1 && more <= down + (down + 2) / 3; ++more)
      if (more * across % count == 0) {
        down = more;
        break;
      }
    if (down == 1) {
      threads.parallel(c_.batches * across, 1, [&](std::size_t i) {
        multiply(i / across, 0, c_.rows, i % across * cols_, nullptr, {0, 0, 0, depth_});
      });
      return;
    }
    // At a time as many columns are packed as fit with one piece of K, then as many pieces as fit with these; all of K
    // if sums are kept.
    constexpr std::size_t most = P::together << 20, strip = 4 * P::cols;  // values; columns
    const std::size_t least_depth = max<std::size_t>(1, keeps_sums() ? depth_ : min(depth_, piece));
    const std::size_t packed_cols = min(across, max<std::size_t>(1, most / (least_depth * cols_))) * cols_;
    const std::size_t packed_depth = least_depth * max<std::size_t>(1, most / (least_depth * packed_cols));
    const auto packed = b.template allocate<Element>(parts(min(packed_depth, depth_), P::together) * packed_cols);
    for (std::size_t batch = 0; batch < c_.batches; ++batch)
      for (std::size_t first = 0; first < c_.cols; first += packed_cols)
        for (std::size_t from = 0; from == 0 || from < depth_; from += packed_depth) {
          const std::size_t cols = min(packed_cols, c_.cols - first), strips = parts(cols, strip);
          const Packed place{first, parts(cols, P::cols) * P::cols, from, min(from + packed_depth, depth_)};
          threads.parallel(parts(place.end - from, piece) * strips, 1, [&](std::size_t i) {
            const std::size_t k = from + i / strips * piece, col = i % strips * strip;
            pack<P::cols>(b_, op_b_ == Op::transpose, batch, first + col, min(strip, cols - col), k,
                          packed.get() + place_of(place, first + col, k));
          });
          const std::size_t blocks = parts(cols, cols_), tiles = parts(c_.rows, P::rows);
          threads.parallel(down * blocks, 1, [&](std::size_t i) {
            const auto row = [&](std::size_t j) { return min(c_.rows, tiles * j / down * P::rows); };
            const std::size_t block = i / blocks;
            multiply(batch, row(block), row(block + 1), first + i % blocks * cols_, packed.get(), place);
          });
        }
  }

 private:
  static constexpr bool is_direct = std::is_same_v<T, Element>;   // whether tiles may read a where it lies
  static constexpr std::size_t piece = gemm_depth * P::together;  // of K

  /// What is packed of op(b): `cols` columns from `first` on, [begin, end) of K,
  /// as [pieces of K][panels][steps][P::cols].
  struct Packed {
    std::size_t first, cols, begin, end;
  };
  std::size_t place_of(const Packed& b, std::size_t col, std::size_t k) const {
    return (k - b.begin) / P::together * b.cols + (col - b.first) * steps(k);
  }

  /// Where c is narrower than the sums and K is cut, the sums lie in scratch until the end, to be rounded once.
  bool keeps_sums() const { return !std::is_same_v<Out, A> && depth_ > piece; }

  static constexpr std::size_t parts(std::size_t n, std::size_t size) { return (n + size - 1) / size; }

  /// In how many blocks n lines are cut: of at most `most` lines, and as many as are wanted if each has `least` tiles.
  static std::size_t block_count(std::size_t n, std::size_t tile, std::size_t most, std::size_t wanted,
                                 std::size_t least) {
    return max(parts(n, most), min(wanted, parts(n, least * tile)));
  }

  /// Steps of the piece of K that begins at k.
  std::size_t steps(std::size_t k) const { return parts(min(piece, depth_ - k), P::together); }

  /// Lines of an operand, rows of op(a) or columns of op(b), and the piece of K that begins at k.
  template <std::size_t Width>
  void pack(const Matrix<const T, Memory>& from, bool line_major, std::size_t batch, std::size_t line,
            std::size_t lines, std::size_t k, Element* to) const {
    const std::size_t at = line_major ? line * from.row_stride + k : k * from.row_stride + line;
    pack_panels<P, Width>(from.data + batch * from.batch_stride + at, line_major, from.row_stride, lines,
                          min(piece, depth_ - k), to);
  }

  /// Rows [row, end) of the block of c whose columns begin at col, over the part of K that `place` has.
  /// @param b  op(b) as `place` says; null: to be packed here
  void multiply(std::size_t batch, std::size_t row, std::size_t end, std::size_t col, const Element* b,
                Packed place) const {
    const std::size_t rows = end - row, cols = min(cols_, c_.cols - col);
    const bool keep_sums = keeps_sums();
    const bool direct = is_direct && op_a_ == Op::none && cols <= 2 * P::cols;
    const std::size_t a_bytes = scratch_size<Element>(gemm_rows * gemm_depth + P::cols);
    const std::size_t b_bytes = scratch_size<Element>(b == nullptr ? gemm_cols * gemm_depth : 0);
    std::byte* const scratch =
        thread_scratch(a_bytes + b_bytes + scratch_size<A>(keep_sums ? gemm_rows * gemm_cols : 0));
    auto* const packed_a = reinterpret_cast<Element*>(scratch);
    auto* const packed_b = reinterpret_cast<Element*>(scratch + a_bytes);
    auto* const sums = reinterpret_cast<A*>(scratch + a_bytes + b_bytes);
    Out* const out = c_.data + batch * c_.batch_stride + row * c_.row_stride + col;
    for (std::size_t k = place.begin; k == 0 || k < place.end; k += piece) {
      const std::size_t depth = steps(k);
      const A beta = k == 0 ? beta_ : A(1);
      const Element* panel = packed_b;
      if (b != nullptr)
        panel = b + place_of(place, col, k);
      else
        pack<P::cols>(b_, op_b_ == Op::transpose, batch, col, cols, k, packed_b);
      if (!direct) pack<P::rows>(a_, op_a_ == Op::none, batch, row, rows, k, packed_a);
      for (std::size_t j = 0; j < cols; j += P::cols, panel += depth * P::cols)
        for (std::size_t i = 0; i < rows; i += P::rows) {
          const std::size_t n = min(P::cols, cols - j);
          P::with_tile(
              n, [&](auto& tile) __attribute__((always_inline)) {
                if (!direct) {
                  const Element* const a = packed_a + i * depth;
                  tile.multiply(
                      depth, [&](int m, std::size_t p) { return a[p * P::rows + static_cast<std::size_t>(m)]; }, panel,
                      P::cols);
                } else if constexpr (is_direct) {
                  const T* a[P::rows];
                  for (std::size_t m = 0; m < P::rows; ++m)
                    a[m] = a_.data + batch * a_.batch_stride + (row + min(i + m, rows - 1)) * a_.row_stride + k;
                  tile.multiply(
                      depth, [&](int m, std::size_t p) { return a[m][p]; }, panel, P::cols);
                }
                const int valid = static_cast<int>(min<std::size_t>(P::rows, rows - i));
                for (int m = 0; m < valid; ++m) {
                  const std::size_t r = i + static_cast<std::size_t>(m);
                  if (keep_sums)
                    tile.store_row(m, n, alpha_, k == 0 ? A(0) : A(1), sums + r * gemm_cols + j);
                  else
                    tile.store_row(m, n, alpha_, beta, out + r * c_.row_stride + j);
                }
              });
        }
    }
    if (!keep_sums) return;
    for (std::size_t r = 0; r < rows; ++r)
      store_scaled(sums + r * gemm_cols, cols, A(1), beta_, out + r * c_.row_stride);
  }

  Matrix<const T, Memory> a_, b_;
  Matrix<Out, Memory> c_;
  Op op_a_, op_b_;
  A alpha_, beta_;
  std::size_t depth_, cols_ = 0;
};

}  // namespace lotar::detail
