#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/backend.hpp>
#include <lotar/core/checks.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/log_sum_exp.hpp>
#include <lotar/ops/normalize_rows.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {

/// What an anchor's loss compares its positive with: all other rows, or only the negatives among them.
///
/// @source negatives: Yeh et al., Decoupled contrastive learning, ECCV 2022.
enum class Denominator { all, negatives };

/// NT-Xent at one temperature.
struct NtXentOptions {
  double temperature = .2;  ///< > 0, by which similarities are divided
  Denominator denominator = Denominator::all;
};

/// What nt_xent_forward knows about a batch and nt_xent_backward needs: u = z / max(||z||, 1e-12), similarities
/// s_ab = u_a . u_b / temperature, and per anchor a with positive p, the other view of its image:
template <class T, class B>
struct NtXent {
  Tensor<T, 2, B> u;                    ///< [2N, D] unit rows
  Tensor<T, 1, B> inverse_norms;        ///< [2N] 1 / ||z_a||, or 0 for rows shorter than 1e-12
  Tensor<T, 1, B> positives;            ///< [2N] s_ap
  Tensor<T, 1, B> log_sum_exp;          ///< [2N] log of the sum of exp(s_ab) over all b but a (and p, see Denominator)
  Tensor<T, 1, B> inverse_temperature;  ///< [1]
  Denominator denominator;
  Tensor<std::uint32_t, 1, B> halves = {};  ///< what a backend's own kernels keep of u, if anything
};

namespace detail {

/// A backend with kernels of its own for both phases on unit rows; they are false where these are not for the shape or
/// the temperature, and do nothing then.
template <class B, class T>
concept NtXentBackend = requires(B& b, const NtXent<T, B>& state, In<T, 1, B> in, Out<T, 1, B> out, Out<T, 2, B> du,
                                 bool only_negatives) {
  { B::nt_xent_halves(state.u.extents) } -> std::same_as<std::size_t>;  // words to keep
  { b.nt_xent_forward(state.u, in, only_negatives, state.halves, out, out, out) } -> std::same_as<bool>;
  { b.nt_xent_backward(state.u, state.halves, in, only_negatives, in, in, in, du) } -> std::same_as<bool>;
};

/// Rows of the similarities that are held at a time. It sets the order of the gradient's sums.
inline constexpr std::size_t nt_xent_tile_rows = 256;

template <class T, class Memory>
struct Invert {
  View<const T, 1, Memory> x;
  View<T, 1, Memory> y;
  LOTAR_FN void operator()(std::size_t i) const { y(i) = T(1) / x(i); }
};

/// Row r of a tile holds the cosines of anchor first + r; it is left with -infinity where the denominator has no term.
template <class T, class Memory>
struct NtXentRow {
  View<T, 2, Memory> tile;
  std::size_t first;
  View<const T, 1, Memory> inverse_temperature;
  Denominator denominator;
  View<T, 1, Memory> positives, log_sum_exp, losses;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t m = tile.extent(1), a = first + r, p = a < m / 2 ? a + m / 2 : a - m / 2;
    const T scale = inverse_temperature(0);
    T* cosine = tile.data + r * m;
    block.for_each(1, [&](std::size_t) {
      positives(a) = product(scale, cosine[p]);
      cosine[a] = -infinity<T>;
      if (denominator == Denominator::negatives) cosine[p] = -infinity<T>;
    });
    const LogSumExp<T> all = lotar::log_sum_exp(block, m, [=](std::size_t j) { return product(scale, cosine[j]); });
    if (!block.leader()) return;
    log_sum_exp(a) = all.minus(T(0));
    losses(a) = all.minus(positives(a));
  }
};

/// Row r of a tile holds the cosines c_ab of anchor a = first + r with the rows b >= first; they become d(sum of
/// coefficient l) / d c_ab, where a pair counts as (a, b) in the loss of a and as (b, a) in that of b: so the matrix of
/// them is symmetric, and this half is all of it.
template <class T, class Memory>
struct NtXentRowBackward {
  View<T, 2, Memory> tile;
  std::size_t first, count;  // count: of all rows
  View<const T, 1, Memory> inverse_temperature;
  Denominator denominator;
  View<const T, 1, Memory> log_sum_exp, coefficients, of_positives;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t cols = tile.extent(1), a = first + r, p = a < count / 2 ? a + count / 2 : a - count / 2;
    const T scale = inverse_temperature(0), all = log_sum_exp(a), weight = scale * coefficients(a);
    const T *alls = log_sum_exp.data + first, *weights = coefficients.data + first;
    T* cosine = tile.data + r * cols;
    // softmax of row a at b, and of row b at a
    block.for_each(cols, [=](std::size_t j) {
      const T s = product(scale, cosine[j]);
      cosine[j] = weight * exp(s - all) + scale * weights[j] * exp(s - alls[j]);
    });
    block.for_each(1, [&](std::size_t) {
      cosine[r] = T(0);
      if (p < first) return;
      T& positive = cosine[p - first];
      if (denominator == Denominator::negatives) positive = T(0);
      positive -= scale * of_positives(a) + scale * of_positives(p);
    });
  }
};

}  // namespace detail

/// NT-Xent, the contrastive loss of SimCLR, of each anchor: the cross-entropy of picking the other view of its image
/// among all rows but its own.
///
/// @param z            [2N, D] projections, N >= 1, of any length whose square is finite (see RowScale); rows i and
///                     i + N are the two views of image i
/// @param temperature  [1] > 0, which is not checked: it lies on the backend, where it may change from step to step
/// @param denominator  `negatives` takes the positive out of the sum below: then N >= 2, and losses may be negative
/// @param losses       [2N] out: l_a = log sum_{b != a} exp(s_ab) - s_ap in nats, >= 0; log(2N - 1) if all rows are
///                     equal
/// @return             what nt_xent_backward needs
/// @throws ShapeError if the shapes differ from these.
/// @cost   8 N^2 D flops; a copy of z, and 256 rows of 2N values of scratch. On Cpu with float and temperatures from
///         0.05 on: half the flops by up to N / 96 threads, and two more copies of z instead of the rows. On CUDA with
///         float and D a multiple of 16 up to 128: 24 N^2 D flops on tensor cores, two copies of z (D counts as the
///         next of 32, 64 and 128), at most 16 pairs of floats a row of scratch.
/// @source Chen et al., A simple framework for contrastive learning of visual representations, ICML 2020, eq. 1.
template <Backend B, class T>
NtXent<T, B> nt_xent_forward(B& b, In<T, 2, B> z, In<T, 1, B> temperature, Denominator denominator,
                             Out<T, 1, B> losses) {
  const std::size_t m = z.extent(0), least = denominator == Denominator::negatives ? 2 : 1;
  if (m < 2 * least || m % 2 != 0)
    throw ShapeError("nt_xent_forward: z must be [2N, D] with N >= " + std::to_string(least) + ", got " +
                     to_string(z.extents));
  check_shape("nt_xent_forward", "temperature", Extents<1>{1}, temperature.extents);
  check_shape("nt_xent_forward", "losses", Extents<1>{m}, losses.extents);

  NtXent<T, B> state{{b, z.extents}, {b, {m}}, {b, {m}}, {b, {m}}, {b, {1}}, denominator};
  b.for_each(1, detail::Invert<T, typename B::Memory>{temperature, state.inverse_temperature});
  normalize_rows(b, z, state.u, state.inverse_norms);
  if constexpr (detail::NtXentBackend<B, T>) {
    if (const std::size_t words = B::nt_xent_halves(z.extents); words > 0) state.halves = {b, {words}};
    if (b.nt_xent_forward(state.u, state.inverse_temperature, denominator == Denominator::negatives, state.halves,
                          state.positives.view(), state.log_sum_exp.view(), losses))
      return state;
  }
  const Tensor<T, 2, B> scratch(b, {min(m, detail::nt_xent_tile_rows), m});
  for (std::size_t first = 0; first < m; first += detail::nt_xent_tile_rows) {
    const auto tile = scratch.rows(0, min(m - first, detail::nt_xent_tile_rows));
    b.gemm(Op::none, Op::transpose, 1, state.u.rows(first, tile.extent(0)), state.u.view(), 0, tile);
    b.for_each_block(tile.extent(0), Work{m},
                     detail::NtXentRow<T, typename B::Memory>{tile, first, state.inverse_temperature, denominator,
                                                              state.positives, state.log_sum_exp, losses});
  }
  return state;
}

/// The same at one temperature.
/// @throws ShapeError as above, ConfigError unless the temperature is finite and > 0.
template <Backend B, class T>
NtXent<T, B> nt_xent_forward(B& b, In<T, 2, B> z, const NtXentOptions& options, Out<T, 1, B> losses) {
  check_positive<T>("nt_xent_forward", "temperature", options.temperature);
  const Tensor<T, 1, B> temperature(b, {1});
  b.fill(temperature.view(), static_cast<T>(options.temperature));
  return nt_xent_forward<B, T>(b, z, temperature, options.denominator, losses);
}

/// The gradient of sum_a c_a l_a, the losses of nt_xent_forward weighted by coefficients that stand between the phases:
/// c_a = 1 / 2N is SimCLR's mean; for any other function of the losses, c_a is its derivative by l_a.
///
/// With P_ab the softmax of row a and Y_ab = [b = p(a)], ds_ab = (c_a P_ab - e_a Y_ab) + (c_b P_ba - e_b Y_ba), and
/// dz_a = (I - u_a u_a^T) sum_b ds_ab u_b / (temperature ||z_a||). Rows shorter than 1e-12 get no gradient (see
/// RowScale).
///
/// @param state         what nt_xent_forward returned
/// @param coefficients  [2N] c_a, of the sum over other rows; taken as constants
/// @param of_positives  [2N] e_a, of -s_ap: c_a itself unless the positives are weighted on their own
/// @param dz            [2N, D] out
/// @throws ShapeError if the shapes differ from these.
/// @cost   12 N^2 D flops where N is large; 256 rows of 2N values of scratch.
///         On Cpu as above: two copies of z. On CUDA as above: 48 N^2 D on tensor cores, and at most 16 copies of z.
template <Backend B, class T>
void nt_xent_backward(B& b, const NtXent<T, B>& state, In<T, 1, B> coefficients, In<T, 1, B> of_positives,
                      Out<T, 2, B> dz) {
  const std::size_t m = state.u.extent(0);
  check_shape("nt_xent_backward", "coefficients", Extents<1>{m}, coefficients.extents);
  check_shape("nt_xent_backward", "of_positives", Extents<1>{m}, of_positives.extents);
  check_shape("nt_xent_backward", "dz", state.u.extents, dz.extents);

  if constexpr (detail::NtXentBackend<B, T>) {
    if (b.nt_xent_backward(state.u, state.halves, state.inverse_temperature,
                           state.denominator == Denominator::negatives, state.log_sum_exp, coefficients, of_positives,
                           dz))
      return normalize_rows_backward(b, state.u, state.inverse_norms, dz, dz);
  }
  using M = typename B::Memory;
  const Tensor<T, 1, B> scratch(b, {min(m, detail::nt_xent_tile_rows) * m});
  for (std::size_t first = 0; first < m; first += detail::nt_xent_tile_rows) {
    const std::size_t cols = m - first, rows = min(cols, detail::nt_xent_tile_rows);
    const auto others = state.u.rows(first, cols), anchors = state.u.rows(first, rows);
    const View<T, 2, M> tile(scratch.data, {rows, cols});
    const double beta = first == 0 ? 0 : 1;
    b.gemm(Op::none, Op::transpose, 1, anchors, others, 0, tile);
    b.for_each_block(rows, Work{cols},
                     detail::NtXentRowBackward<T, M>{tile, first, m, state.inverse_temperature, state.denominator,
                                                     state.log_sum_exp, coefficients, of_positives});
    b.gemm(Op::none, Op::none, 1, tile, others, beta, dz.rows(first, rows));  // du
    if (rows < cols)
      b.gemm(Op::transpose, Op::none, 1, Matrix<const T, M>(tile.data + rows, rows, cols - rows, cols), anchors, beta,
             dz.rows(first + rows, cols - rows));
  }
  normalize_rows_backward(b, state.u, state.inverse_norms, dz, dz);
}

/// The same with c_a for the positives too.
/// @throws ShapeError as above.
template <Backend B, class T>
void nt_xent_backward(B& b, const NtXent<T, B>& state, In<T, 1, B> coefficients, Out<T, 2, B> dz) {
  nt_xent_backward<B, T>(b, state, coefficients, coefficients, dz);
}

}  // namespace lotar
