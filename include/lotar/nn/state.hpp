#pragma once

#include <cstdint>
#include <type_traits>

#include <lotar/nn/init.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {
namespace detail {

template <class T>
struct Narrow {
  const Accum<T>* from;
  T* to;
  LOTAR_FN void operator()(std::size_t i) const { to[i] = static_cast<T>(from[i]); }
};

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
    b.for_each(values.size(), Narrow<T>{values.data, filters.data});
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
