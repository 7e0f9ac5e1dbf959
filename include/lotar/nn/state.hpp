#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <lotar/core/backend.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/nn/init.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {
namespace detail {

/// to = from, rounded, of matrices [rows, cols].
template <class T>
struct Narrow {
  const Accum<T>* from;
  T* to;
  std::size_t cols;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    to[r * cols + c] = static_cast<T>(from[r * cols + c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(from, to); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c](std::size_t r) {
      const auto values = load_pack<width>(f.from + r * f.cols + c);
      Pack<T, width> narrow;
      for (std::size_t k = 0; k < width; ++k) narrow[k] = static_cast<T>(values[k]);
      store_pack(narrow, f.to + r * f.cols + c);
    };
  }
};

/// to = from, rounded; as a matrix, and what does not fill a row of it.
template <class T, class B>
void narrow(B& b, const In<Accum<T>, 1, B>& from, const Out<T, 1, B>& to) {
  constexpr std::size_t cols = 512;
  const std::size_t rows = to.size() / cols, done = rows * cols;
  b.for_each(rows, cols, Narrow<T>{from.data, to.data, cols});
  const std::size_t rest = to.size() - done;
  b.for_each(rest > 0 ? 1 : 0, rest, Narrow<T>{from.data + done, to.data + done, rest});
}

/// A pass over flat arrays. Training: the gradients are set to zero, to be added to.
/// @param filters  room for the values as T where T is another type than Accum<T>
template <class T, class B>
Pass<T, B> bind_pass(B& b, const Tensor<Accum<T>, 1, B>& values, const Tensor<Accum<T>, 1, B>& gradients,
                     const Out<Accum<T>, 1, B>& statistics, const Tensor<T, 1, B>& filters, bool training) {
  if (training) b.fill(gradients.view(), Accum<T>(0));
  Pass<T, B> pass{{}, values, gradients, statistics, training};
  if constexpr (std::is_same_v<T, Accum<T>>) {
    pass.filters = pass.values;
  } else {
    narrow<T>(b, values, filters);
    pass.filters = filters;
  }
  return pass;
}

}  // namespace detail

/// The arrays of a network on a backend: parameters, their gradients, running statistics.
///
/// @tparam T  how activations and the convolutions' copy of the parameters are stored
template <class T, class B>
class NetworkState {
 public:
  using A = Accum<T>;

  /// The state that training starts from.
  NetworkState(B& b, const ParameterTable& table, std::uint64_t seed)
      : values(b, {{table.size()}}, initial_parameters<A>(table, seed)),
        gradients(b, {{table.size()}}),
        statistics(b, {{table.statistics_size()}}, initial_statistics<A>(table)) {
    if constexpr (!std::is_same_v<T, A>) filters_ = Tensor<T, 1, B>(b, values.extents);
  }

  /// A pass over these arrays. Training: the gradients are set to zero, to be added to.
  Pass<T, B> pass(B& b, bool training) {
    return detail::bind_pass<T, B>(b, values, gradients, statistics, filters_, training);
  }

  Tensor<A, 1, B> values, gradients, statistics;

 private:
  Tensor<T, 1, B> filters_;
};

}  // namespace lotar
