#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/core/backend.hpp>
#include <lotar/core/math.hpp>
#include <lotar/ops/log_sum_exp.hpp>
#include <lotar/ops/reduce.hpp>

namespace lotar {
namespace detail {

/// The loss of a row, and if dlogits has data, its gradient times coefficients(r), or times `coefficient` if there are
/// none.
template <class T, class Memory>
struct CrossEntropyRow {
  View<const T, 2, Memory> logits;
  View<const std::int32_t, 1, Memory> labels;
  View<const T, 1, Memory> coefficients;
  T coefficient;
  View<T, 1, Memory> losses;
  View<T, 2, Memory> dlogits;

  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t r) const {
    const T nan = infinity<T> - infinity<T>;
    const std::size_t classes = logits.extent(1);
    const auto label = static_cast<std::size_t>(labels(r));
    const T* x = logits.data + r * classes;
    const T right = label < classes ? x[label] : nan;
    const LogSumExp<T> all = log_sum_exp(block, classes, [x](std::size_t j) { return x[j]; });
    if (block.leader()) losses(r) = all.minus(right);
    if (dlogits.data == nullptr) return;
    const T scale = label < classes ? (coefficients.data == nullptr ? coefficient : coefficients(r)) : nan;
    T* dx = dlogits.data + r * classes;
    block.for_each(classes,
                   [=](std::size_t j) { dx[j] = scale * (exp(-all.minus(x[j])) - (j == label ? T(1) : T(0))); });
  }
};

template <class B, class T>
void cross_entropy(B& b, const CrossEntropyRow<T, typename B::Memory>& row) {
  const std::size_t n = row.logits.extent(0), classes = row.logits.extent(1);
  if (classes == 0)
    throw ShapeError("cross_entropy: logits must be [N, C] with C >= 1, got " + to_string(row.logits.extents));
  check_shape("cross_entropy", "labels", Extents<1>{n}, row.labels.extents);
  check_shape("cross_entropy", "losses", Extents<1>{n}, row.losses.extents);
  b.for_each_block(n, Work{classes}, row);
}

}  // namespace detail

/// Softmax cross-entropy of each row: l_i = log sum_c exp(x_ic) - x_i,label.
///
/// @param logits  [N, C], C >= 1
/// @param labels  [N] in [0, C); a label outside makes its row's results NaN
/// @param losses  [N] out, in nats
/// @throws ShapeError if the shapes differ from these.
/// @cost   an exponential and a few flops a logit.
template <Backend B, class T>
void cross_entropy(B& b, In<T, 2, B> logits, In<std::int32_t, 1, B> labels, Out<T, 1, B> losses) {
  detail::cross_entropy<B, T>(b, {logits, labels, {}, T(0), losses, {}});
}

/// The same, and the gradient of the losses' mean.
///
/// @param dlogits  [N, C] out: (softmax(x_i) - onehot(label_i)) / N; may be logits
/// @throws ShapeError if the shapes differ from these.
/// @cost   two exponentials and a few flops a logit.
template <Backend B, class T>
void cross_entropy(B& b, In<T, 2, B> logits, In<std::int32_t, 1, B> labels, Out<T, 1, B> losses, Out<T, 2, B> dlogits) {
  check_shape("cross_entropy", "dlogits", logits.extents, dlogits.extents);
  const T coefficient = T(1) / static_cast<T>(max<std::size_t>(1, logits.extent(0)));
  detail::cross_entropy<B, T>(b, {logits, labels, {}, coefficient, losses, dlogits});
}

/// The same, and the gradient of the sum of c_i l_i.
///
/// @param coefficients  [N] c_i, taken as constants
/// @param dlogits       [N, C] out: c_i (softmax(x_i) - onehot(label_i)); may be logits
/// @throws ShapeError if the shapes differ from these.
/// @cost   two exponentials and a few flops a logit.
template <Backend B, class T>
void cross_entropy(B& b, In<T, 2, B> logits, In<std::int32_t, 1, B> labels, In<T, 1, B> coefficients,
                   Out<T, 1, B> losses, Out<T, 2, B> dlogits) {
  check_shape("cross_entropy", "coefficients", Extents<1>{logits.extent(0)}, coefficients.extents);
  check_shape("cross_entropy", "dlogits", logits.extents, dlogits.extents);
  detail::cross_entropy<B, T>(b, {logits, labels, coefficients, T(0), losses, dlogits});
}

}  // namespace lotar
