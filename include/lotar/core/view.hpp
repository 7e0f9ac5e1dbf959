#pragma once

#include <cstddef>
#include <string>
#include <type_traits>

#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>

namespace lotar {

/// The extents of an array of N dimensions, outermost first.
template <std::size_t N>
struct Extents {
  std::size_t extent[N];

  LOTAR_FN constexpr std::size_t operator[](std::size_t i) const { return extent[i]; }
  LOTAR_FN constexpr std::size_t& operator[](std::size_t i) { return extent[i]; }
  /// The number of elements; not checked, see checked_size.
  LOTAR_FN constexpr std::size_t size() const {
    std::size_t n = 1;
    for (std::size_t e : extent) n *= e;
    return n;
  }
  LOTAR_FN friend constexpr bool operator==(const Extents& a, const Extents& b) {
    for (std::size_t i = 0; i < N; ++i)
      if (a.extent[i] != b.extent[i]) return false;
    return true;
  }
};

/// "[2, 3, 4]"
template <std::size_t N>
std::string to_string(const Extents<N>& extents) {
  std::string text = "[";
  for (std::size_t i = 0; i < N; ++i) text += (i ? ", " : "") + std::to_string(extents[i]);
  return text + "]";
}

namespace detail {

/// Multiplies n by sizes. @return whether std::size_t holds the product, and all those on the way to it.
template <class Sizes>
bool multiply(std::size_t& n, const Sizes& sizes) {
  for (const std::size_t size : sizes)
    if (__builtin_mul_overflow(n, size, &n)) return false;
  return true;
}

}  // namespace detail

/// The number of elements. Throws ShapeError "where: ..." if std::size_t does not hold it.
template <std::size_t N>
std::size_t checked_size(const char* where, const Extents<N>& extents) {
  std::size_t n = 1;
  if (!detail::multiply(n, extents.extent))
    throw ShapeError(std::string(where) + ": " + to_string(extents) + " has too many elements");
  return n;
}

/// A dense array in some backend's memory, not owned: rows contiguous, images [N, H, W, C], filters [K, R, S, C].
///
/// Trivially copyable, so it goes into kernels by value. Memory is the backend's tag: views of different backends are
/// different types. A view of T converts to a view of const T.
template <class T, std::size_t N, class Memory>
struct View {
  static_assert(N > 0);
  using Element = T;

  T* data = nullptr;
  Extents<N> extents{};

  View() = default;
  LOTAR_FN View(T* data_, const Extents<N>& extents_) : data(data_), extents(extents_) {}
  template <class U>
  requires(std::is_same_v<T, const U>) LOTAR_FN View(const View<U, N, Memory>& other)
      : data(other.data), extents(other.extents) {}

  LOTAR_FN std::size_t extent(std::size_t i) const { return extents[i]; }
  LOTAR_FN std::size_t size() const { return extents.size(); }

  template <class... Index>
  requires(sizeof...(Index) == N) LOTAR_FN T& operator()(Index... index) const {
    const std::size_t at[] = {static_cast<std::size_t>(index)...};
    std::size_t offset = at[0];
    for (std::size_t i = 1; i < N; ++i) offset = offset * extents[i] + at[i];
    return data[offset];
  }

  /// Rows [first, first + count) of the outermost dimension; not checked.
  LOTAR_FN View rows(std::size_t first, std::size_t count) const {
    View part = *this;
    if (extents[0] > 0) part.data += first * (size() / extents[0]);
    part.extents[0] = count;
    return part;
  }

  /// The same elements under other extents.
  /// @throws ShapeError if the number of elements differs.
  template <std::size_t M>
  View<T, M, Memory> reshape(const Extents<M>& other) const {
    if (checked_size("View::reshape", other) != size())
      throw ShapeError("View::reshape: " + to_string(extents) + " does not hold the elements of " + to_string(other));
    return {data, other};
  }

  LOTAR_FN View<T, 1, Memory> flat() const { return {data, {size()}}; }
};

/// Throws ShapeError "where: name must be [wanted], got [got]" unless the extents are equal.
template <std::size_t N>
void check_shape(const char* where, const char* name, const Extents<N>& wanted, const Extents<N>& got) {
  if (!(wanted == got))
    throw ShapeError(std::string(where) + ": " + name + " must be " + to_string(wanted) + ", got " + to_string(got));
}

}  // namespace lotar
