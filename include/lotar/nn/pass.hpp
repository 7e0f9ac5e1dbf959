#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/tensor.hpp>

namespace lotar {

/// What a forward pass keeps for its backward pass: tensors, last in, first out.
template <class B>
class Tape {
 public:
  template <class T, std::size_t N>
  void push(Tensor<T, N, B> tensor) {
    static_assert(N <= 4);
    Entry entry{std::shared_ptr<void>(tensor.memory(), tensor.data), {}, N, sizeof(T)};
    for (std::size_t i = 0; i < N; ++i) entry.extents[i] = tensor.extent(i);
    entries_.push_back(std::move(entry));
  }

  /// The last tensor pushed, which must have been one of T and N.
  /// @throws ConfigError if there is none, or the last has another number of dimensions or another size of element.
  template <class T, std::size_t N>
  Tensor<T, N, B> pop() {
    if (entries_.empty())
      throw ConfigError("Tape: nothing is kept; a backward pass needs a forward pass before it, with training = true");
    const Entry& last = entries_.back();
    if (last.dimensions != N || last.element_bytes != sizeof(T))
      throw ConfigError("Tape: wanted " + describe(N, sizeof(T)) + ", the last kept has " +
                        describe(last.dimensions, last.element_bytes) +
                        "; backward passes follow the forward ones in reverse order");
    Entry entry = std::move(entries_.back());
    entries_.pop_back();
    Extents<N> extents;
    for (std::size_t i = 0; i < N; ++i) extents[i] = entry.extents[i];
    T* data = static_cast<T*>(entry.memory.get());
    return Tensor<T, N, B>({data, extents}, std::shared_ptr<T[]>(std::move(entry.memory), data));
  }

  bool empty() const { return entries_.empty(); }
  void clear() { entries_.clear(); }

 private:
  struct Entry {
    std::shared_ptr<void> memory;
    std::size_t extents[4];
    std::size_t dimensions, element_bytes;
  };
  static std::string describe(std::size_t dimensions, std::size_t element_bytes) {
    return std::to_string(dimensions) + " dimensions of " + std::to_string(element_bytes) + " bytes an element";
  }

  std::vector<Entry> entries_;
};

/// The arrays that a network computes with. Networks are only descriptions; two passes over one network are two
/// branches.
///
/// @tparam T  how activations and filters are stored
template <class T, class B>
struct Pass {
  using A = Accum<T>;
  template <class U>
  using Flat = View<U, 1, typename B::Memory>;

  Flat<const T> filters;  ///< the parameters as convolutions read them: where T is A, the same as values
  Flat<const A> values;   ///< all parameters, ParameterTable::size()
  Flat<A> gradients;      ///< of the same size, added to; may be empty where no backward pass follows
  Flat<A> statistics;     ///< running statistics, ParameterTable::statistics_size()
  bool training = true;  ///< batch statistics, kept on the tape and folded into the running ones; else the running ones
  /// On a distributed backend: a training pass normalises by the statistics of all processes' rows, not of its own.
  bool synchronized = false;
  /// If set, called now and then in a network's backward pass: all gradients from entry `first` on are final.
  std::function<void(std::size_t first)> gradients_final = {};
  Tape<B> tape = {};

  /// The `size` entries from `offset` on of one of these arrays: what a layer declared in the ParameterTable.
  /// @throws ShapeError if the array does not reach them.
  Flat<const T> filter(std::size_t offset, std::size_t size) const { return part("filters", filters, offset, size); }
  Flat<const A> value(std::size_t offset, std::size_t size) const { return part("values", values, offset, size); }
  Flat<A> gradient(std::size_t offset, std::size_t size) const { return part("gradients", gradients, offset, size); }
  Flat<A> statistic(std::size_t offset, std::size_t size) const { return part("statistics", statistics, offset, size); }

  /// Called by a network, of its layers from the last to the first: see gradients_final.
  void finish_gradients(std::size_t first) const {
    if (gradients_final) gradients_final(first);
  }

  /// Keeps a tensor for the backward pass, if there will be one.
  template <class U, std::size_t N>
  void keep(Tensor<U, N, B> tensor) {
    if (training) tape.push(std::move(tensor));
  }

 private:
  template <class U>
  static Flat<U> part(const char* name, const Flat<U>& array, std::size_t offset, std::size_t size) {
    if (array.size() < offset + size)
      throw ShapeError(std::string("Pass: ") + name + " must reach entry " + std::to_string(offset + size) + ", got " +
                       to_string(array.extents));
    return array.rows(offset, size);
  }
};

}  // namespace lotar
