#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/ops/normalize_rows.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {

/// How the distance of an image's two views is measured: ||u - v||, or its square.
enum class ViewDistance { l2, squared_l2 };
/// What it is measured on: the projections z, or z / max(||z||, 1e-12).
enum class Projections { raw, normalized };

/// LoTaR: how far apart an image's two views lie in the batch decides what its loss weighs.
struct LotarOptions {
  double sign = 1;  ///< 1: distant views weigh more; -1: close ones do; 0: all weigh the same, as in SimCLR
  ViewDistance distance = ViewDistance::l2;
  Projections projections = Projections::raw;
  bool gradient_through_weights = false;  ///< whether training also moves the weights, or takes them as constants
};

/// Forms of the method: "readme" (the default options), "thesis_code" and "figure" as it was published; "normalized",
/// readme's on projections of length 1, whose distances no growth of the projections changes.
/// @throws ConfigError for any other name.
inline LotarOptions lotar_preset(std::string_view name) {
  if (name == "readme") return {};
  if (name == "thesis_code") return {.sign = -1, .gradient_through_weights = true};
  if (name == "figure") return {.distance = ViewDistance::squared_l2};
  if (name == "normalized") return {.projections = Projections::normalized};
  throw ConfigError("lotar_preset: there is no \"" + std::string(name) +
                    "\"; known: readme, thesis_code, figure, normalized");
}

namespace detail {

/// The two views of image i, as their distance sees them: u = x * scale, and v of y; equal views are exactly equal.
template <class T, class Memory>
struct ViewPair {
  const T *x, *y;
  RowScale<T> x_scale{1, 1}, y_scale{1, 1};

  template <class Block>
  LOTAR_FN ViewPair(Block& block, const View<const T, 2, Memory>& z, std::size_t i, Projections projections)
      : x(z.data + i * z.extent(1)), y(z.data + (i + z.extent(0) / 2) * z.extent(1)) {
    if (projections == Projections::raw) return;
    x_scale = row_scale(block, x, z.extent(1));
    y_scale = row_scale(block, y, z.extent(1));
  }

  LOTAR_FN T u(std::size_t j) const { return product(x[j], x_scale.forward); }
  LOTAR_FN T v(std::size_t j) const { return product(y[j], y_scale.forward); }
};

template <class T, class Memory>
struct ViewDistanceOf {
  View<const T, 2, Memory> z;
  ViewDistance distance;
  Projections projections;
  View<T, 1, Memory> d;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const ViewPair<T, Memory> pair(block, z, i, projections);
    const T sum = block_sum(block, z.extent(1), [&pair](std::size_t j) {
      const T e = pair.u(j) - pair.v(j);
      return e * e;
    });
    if (block.leader()) d(i) = distance == ViewDistance::l2 ? sqrt(sum) : sum;
  }
};

/// dz += dd_i times the derivative of d_i, for the two rows of image i.
template <class T, class Memory>
struct ViewDistanceBackward {
  View<const T, 2, Memory> z;
  ViewDistance distance;
  Projections projections;
  View<const T, 1, Memory> d, dd;
  View<T, 2, Memory> dz;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const ViewPair<T, Memory> pair(block, z, i, projections);
    const std::size_t n = z.extent(1);
    // e = u - v, d e^2 = 2 e, d |e| = e / |e|; dd goes last, as dd / |e| may overflow
    const T along = distance == ViewDistance::squared_l2 ? T(2) : (d(i) > T(0) ? T(1) / d(i) : T(0)), dd_i = dd(i);
    T along_x = 0, along_y = 0;  // what the normalisation takes out again
    if (projections == Projections::normalized) {
      along_x = block_sum(block, n, [&pair](std::size_t j) {
        const T u = pair.u(j), v = pair.v(j);
        return u * (u - v);
      });
      along_y = block_sum(block, n, [&pair](std::size_t j) {
        const T u = pair.u(j), v = pair.v(j);
        return v * (v - u);
      });
    }
    T *dx = dz.data + i * n, *dy = dz.data + (i + d.extent(0)) * n;
    block.for_each(n, [&](std::size_t j) {
      const T u = pair.u(j), v = pair.v(j);
      dx[j] += dd_i * (along * (u - v - u * along_x)) * pair.x_scale.backward;
      dy[j] += dd_i * (along * (v - u - v * along_y)) * pair.y_scale.backward;
    });
  }
};

/// What the weights need to know of the distances, by all threads of a block.
template <class T>
struct Spread {
  T low, high;
  T mean;   ///< of d - low, as that of d itself is rounded, which shows where all are nearly equal
  T slope;  ///< sign / (high - low), or 0 if all are equal, or so nearly so that it overflows

  template <class Block, class Memory>
  LOTAR_FN Spread(Block& block, const View<const T, 1, Memory>& d, T sign) {
    const T* x = d.data;
    const auto value = [x](std::size_t i) { return x[i]; };
    low = block_min(block, d.size(), value);
    high = block_max(block, d.size(), value);
    const auto above = [x, least = low](std::size_t i) { return x[i] - least; };
    mean = block_sum(block, d.size(), above) / static_cast<T>(d.size());
    slope = sign / (high - low);
    if (!is_finite(slope)) slope = T(0);
  }

  /// d less its mean, scaled to [-1, 1].
  LOTAR_FN T operator()(T d) const { return slope * ((d - low) - mean); }
};

template <class T, class Memory>
struct LotarWeights {
  View<const T, 1, Memory> d;
  T sign;
  View<T, 1, Memory> w;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const Spread<T> spread(block, d, sign);
    block.for_each(d.size(), [&](std::size_t i) { w(i) = T(1) + spread(d(i)); });
  }
};

/// dd = the derivative by d of sum_i w_i g_i, g_i = (l_i + l_{i+N}) / 2N.
template <class T, class Memory>
struct LotarWeightsBackward {
  View<const T, 1, Memory> d, losses;
  T sign;
  View<T, 1, Memory> dd;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t n = d.size();
    const T *x = d.data, *l = losses.data;
    const Spread<T> spread(block, d, sign);
    const T low = spread.low, high = spread.high, slope = spread.slope;
    const T half = T(0.5) / static_cast<T>(n);
    const auto g = [=](std::size_t i) { return half * (l[i] + l[i + n]); };
    const T g_mean = block_sum(block, n, g) / static_cast<T>(n);
    const T lows = block_sum(block, n, [=](std::size_t i) { return x[i] == low ? T(1) : T(0); });
    const T highs = block_sum(block, n, [=](std::size_t i) { return x[i] == high ? T(1) : T(0); });
    // d slope / d (high - low) = -slope^2 sign = -slope / (high - low); one slope goes to the differences, which it
    // brings to [-1, 1], as its square may overflow
    const T by_range = -sign * slope * block_sum(block, n, [=](std::size_t i) { return g(i) * spread(x[i]); });
    block.for_each(n, [&](std::size_t i) {
      dd(i) =
          slope * (g(i) - g_mean) + by_range * ((x[i] == high ? 1 / highs : T(0)) - (x[i] == low ? 1 / lows : T(0)));
    });
  }
};

template <class T, class Memory>
struct PairCoefficients {
  View<const T, 1, Memory> w;
  View<T, 1, Memory> coefficients;
  LOTAR_FN void operator()(std::size_t a) const {
    const std::size_t n = w.size();
    coefficients(a) = w(a < n ? a : a - n) / static_cast<T>(2 * n);
  }
};

/// N of [2N, D].
template <class T, class Memory>
std::size_t images(const char* where, const View<T, 2, Memory>& z) {
  if (z.extent(0) == 0 || z.extent(0) % 2 != 0)
    throw ShapeError(std::string(where) + ": z must be [2N, D] with N >= 1, got " + to_string(z.extents));
  return z.extent(0) / 2;
}

template <class T>
T checked_sign(const char* where, double sign) {
  if (sign != 1 && sign != -1 && sign != 0)
    throw ConfigError(std::string(where) + ": sign must be 1, -1 or 0, got " + number_text(sign));
  return static_cast<T>(sign);
}

}  // namespace detail

/// How far apart the two views of each image are: d_i = ||z_i - z_{i+N}||, or its square; of raw or unit rows.
///
/// @param z  [2N, D], N >= 1; rows i and i + N are the two views of image i; of any length whose square is finite, if
///           they are normalised (see RowScale)
/// @param d  [N] out
/// @throws ShapeError if the shapes differ from these.
/// @cost   3 N D flops of raw rows, 9 N D of unit rows.
template <Backend B, class T>
void view_distances(B& b, In<T, 2, B> z, const LotarOptions& options, Out<T, 1, B> d) {
  const std::size_t n = detail::images("view_distances", z);
  check_shape("view_distances", "d", Extents<1>{n}, d.extents);
  b.for_each_block(n, Work{z.extent(1)},
                   detail::ViewDistanceOf<T, typename B::Memory>{z, options.distance, options.projections, d});
}

/// LoTaR's weights, w_i = 1 + sign (d_i - mean d) / (max d - min d): their mean is 1, so is their range, and no shift
/// or scaling of d changes them. All are 1 if all d are equal.
///
/// @param d  [N]
/// @param w  [N] out
/// @throws ShapeError if the shapes differ from these, ConfigError unless the sign is 1, -1 or 0.
/// @cost   four passes over d, by one block.
/// @source the LoTaR thesis, "A reweighting based self-supervised learning method for long-tailed recognition".
template <Backend B, class T>
void lotar_weights(B& b, In<T, 1, B> d, const LotarOptions& options, Out<T, 1, B> w) {
  check_shape("lotar_weights", "w", d.extents, w.extents);
  const T sign = detail::checked_sign<T>("lotar_weights", options.sign);
  b.for_each_block(1, Work{d.size()}, detail::LotarWeights<T, typename B::Memory>{d, sign, w});
}

/// The coefficients of nt_xent_backward for weighted images: c_i = c_{i+N} = w_i / 2N.
///
/// @param w             [N]
/// @param coefficients  [2N] out
/// @throws ShapeError if the shapes differ from these.
/// @cost   one pass over the coefficients.
template <Backend B, class T>
void pair_coefficients(B& b, In<T, 1, B> w, Out<T, 1, B> coefficients) {
  check_shape("pair_coefficients", "coefficients", Extents<1>{2 * w.size()}, coefficients.extents);
  b.for_each(2 * w.size(), detail::PairCoefficients<T, typename B::Memory>{w, coefficients});
}

/// The part of LoTaR's gradient that passes through its weights: dz += sum_i (l_i + l_{i+N}) / 2N dw_i / dz.
///
/// Ties for the largest or the smallest distance share its part evenly; a distance of 0 has no gradient, and neither
/// have distances that are all equal. It grows as 1 / (max d - min d). Adds nothing unless
/// options.gradient_through_weights.
///
/// @param z       [2N, D] as view_distances read it
/// @param d       [N] as view_distances gave it
/// @param losses  [2N] as nt_xent_forward gave them
/// @param dz      [2N, D] added to
/// @throws ShapeError if the shapes differ from these, ConfigError unless the sign is 1, -1 or 0.
/// @cost   some 10 N D flops of raw rows, 30 N D of unit rows, and eight passes over d by
///         one block; N values of scratch.
template <Backend B, class T>
void lotar_weights_backward(B& b, In<T, 2, B> z, In<T, 1, B> d, In<T, 1, B> losses, const LotarOptions& options,
                            Out<T, 2, B> dz) {
  const std::size_t n = detail::images("lotar_weights_backward", z);
  check_shape("lotar_weights_backward", "d", Extents<1>{n}, d.extents);
  check_shape("lotar_weights_backward", "losses", Extents<1>{2 * n}, losses.extents);
  check_shape("lotar_weights_backward", "dz", z.extents, dz.extents);
  const T sign = detail::checked_sign<T>("lotar_weights_backward", options.sign);
  if (!options.gradient_through_weights) return;
  using Memory = typename B::Memory;
  const Tensor<T, 1, B> dd(b, {n});
  b.for_each_block(1, Work{n}, detail::LotarWeightsBackward<T, Memory>{d, losses, sign, dd});
  b.for_each_block(n, Work{z.extent(1)},
                   detail::ViewDistanceBackward<T, Memory>{z, options.distance, options.projections, d, dd, dz});
}

}  // namespace lotar
