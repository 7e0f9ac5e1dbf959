#pragma once

#include <array>
#include <cstddef>
#include <span>

#if __has_include(<xtensor/containers/xtensor.hpp>)  // 0.26 and later
#include <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif

namespace lotar {

/// An array of N dimensions in the host's memory: owning, dense, row-major, whatever xtensor's defaults are set to.
template <class T, std::size_t N>
using HostArray = xt::xtensor<T, N, xt::layout_type::row_major>;

/// An array of a shape; contents are unspecified until written.
template <class T, std::size_t N>
HostArray<T, N> make_host_array(const std::array<std::size_t, N>& shape) {
  return HostArray<T, N>::from_shape(shape);
}

/// The elements in row-major order.
template <class T, std::size_t N>
std::span<T> values(HostArray<T, N>& array) {
  return {array.data(), array.size()};
}
template <class T, std::size_t N>
std::span<const T> values(const HostArray<T, N>& array) {
  return {array.data(), array.size()};
}

}  // namespace lotar
