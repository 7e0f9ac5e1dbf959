#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {

/// How a row x is scaled to unit length: u = x / max(||x||, 1e-12).
///
/// A row shorter than 1e-12 has no direction to speak of. It is divided by 1e-12, so zero stays zero, and is taken as a
/// constant: its gradient is zero, where the exact derivative would be 1e12 times du. A row whose ||x||^2 is not finite
/// becomes NaN, as does its gradient, so that it shows.
template <class T>
struct RowScale {
  T forward;   ///< 1 / max(||x||, 1e-12)
  T backward;  ///< 1 / ||x||; 0 for rows shorter than 1e-12
};

/// The scale of the n values at x, by all threads of a block.
template <class Block, class T>
LOTAR_FN RowScale<T> row_scale(Block& block, const T* x, std::size_t n) {
  constexpr T shortest = T(1e-12);
  const T norm = sqrt(block_sum(block, n, [x](std::size_t j) { return x[j] * x[j]; }));
  const T overflow = norm - norm;  // 0, or NaN
  return {T(1) / max(norm, shortest) + overflow, (norm < shortest ? T(0) : T(1) / norm) + overflow};
}

namespace detail {

template <class T, class Memory>
struct NormalizeRow {
  View<const T, 2, Memory> x;
  View<T, 2, Memory> u;
  View<T, 1, Memory> inverse_norms;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t n = x.extent(1);
    const T* from = x.data + r * n;
    T* to = u.data + r * n;
    const RowScale<T> scale = row_scale(block, from, n);
    block.for_each(n, [=](std::size_t j) { to[j] = from[j] * scale.forward; });
    if (block.leader()) inverse_norms(r) = scale.backward;
  }
};

template <class T, class Memory>
struct NormalizeRowBackward {
  View<const T, 2, Memory> u;
  View<const T, 1, Memory> inverse_norms;
  View<const T, 2, Memory> du;
  View<T, 2, Memory> dx;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const std::size_t n = u.extent(1);
    const T *unit = u.data + r * n, *from = du.data + r * n;
    T* to = dx.data + r * n;
    const T inverse_norm = inverse_norms(r);
    const T along = block_sum(block, n, [=](std::size_t j) { return unit[j] * from[j]; });
    block.for_each(n, [=](std::size_t j) { to[j] = (from[j] - along * unit[j]) * inverse_norm; });
  }
};

}  // namespace detail

/// Rows of unit length: u = x / max(||x||, 1e-12).
///
/// @param x              [rows, n], of any length whose square is finite; other rows become NaN
/// @param u              [rows, n] out; may be x
/// @param inverse_norms  [rows] out: 1 / ||x||, or 0 for a row shorter than 1e-12
/// @throws ShapeError if the shapes differ from these.
/// @cost                 2 passes over x
template <Backend B, class T>
void normalize_rows(B& b, In<T, 2, B> x, Out<T, 2, B> u, Out<T, 1, B> inverse_norms) {
  check_shape("normalize_rows", "u", x.extents, u.extents);
  check_shape("normalize_rows", "inverse_norms", Extents<1>{x.extent(0)}, inverse_norms.extents);
  b.for_each_block(x.extent(0), Work{x.extent(1)}, detail::NormalizeRow<T, typename B::Memory>{x, u, inverse_norms});
}

/// The gradient of normalize_rows: dx = (I - u u^T) du / ||x||, and zero for rows shorter than 1e-12 (see RowScale).
///
/// @param u              [rows, n] as normalize_rows gave it
/// @param inverse_norms  [rows] as normalize_rows gave it
/// @param du             [rows, n]
/// @param dx             [rows, n] out; may be du
/// @throws ShapeError if the shapes differ from these.
/// @cost                 2 passes over u and du
template <Backend B, class T>
void normalize_rows_backward(B& b, In<T, 2, B> u, In<T, 1, B> inverse_norms, In<T, 2, B> du, Out<T, 2, B> dx) {
  check_shape("normalize_rows_backward", "inverse_norms", Extents<1>{u.extent(0)}, inverse_norms.extents);
  check_shape("normalize_rows_backward", "du", u.extents, du.extents);
  check_shape("normalize_rows_backward", "dx", u.extents, dx.extents);
  b.for_each_block(u.extent(0), Work{u.extent(1)},
                   detail::NormalizeRowBackward<T, typename B::Memory>{u, inverse_norms, du, dx});
}

}  // namespace lotar
