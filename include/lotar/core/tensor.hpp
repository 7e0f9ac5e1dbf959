#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/view.hpp>

namespace lotar {

/// An array that owns its memory, which it takes from a backend's pool, and is a View of it.
///
/// Contents are unspecified until written. Copies are refused; move it, which leaves it empty, or share() its memory.
/// Gone, its memory serves later work of the same stream.
template <class T, std::size_t N, class B>
class Tensor : public View<T, N, typename B::Memory> {
 public:
  using Base = View<T, N, typename B::Memory>;

  Tensor() = default;
  Tensor(B& b, const Extents<N>& shape)
      : Base(nullptr, shape), memory_(b.template allocate<std::remove_const_t<T>>(checked_size("Tensor", shape))) {
    this->data = memory_.get();
  }
  /// Uploads the host's values, in row-major order.
  /// @throws ShapeError if their number is not that of the extents.
  Tensor(B& b, const Extents<N>& shape, std::span<const T> values) : Tensor(b, shape) {
    if (values.size() != shape.size())
      throw ShapeError("Tensor: " + to_string(shape) + " needs " + std::to_string(shape.size()) + " values, got " +
                       std::to_string(values.size()));
    b.upload(values, this->flat());
  }
  /// Over memory that is owned already.
  Tensor(const Base& view, std::shared_ptr<T[]> memory) : Base(view), memory_(std::move(memory)) {}
  Tensor(Tensor&& other) noexcept
      : Base(std::exchange(static_cast<Base&>(other), Base())), memory_(std::move(other.memory_)) {}
  Tensor& operator=(Tensor&& other) noexcept {
    static_cast<Base&>(*this) = std::exchange(static_cast<Base&>(other), Base());
    memory_ = std::move(other.memory_);
    return *this;
  }

  const Base& view() const { return *this; }

  const std::shared_ptr<T[]>& memory() const { return memory_; }

  /// A second owner of the same memory.
  Tensor share() const { return Tensor(*this, memory_); }

  /// The same memory under other extents; this tensor is left empty.
  template <std::size_t M>
  Tensor<T, M, B> reshaped(const Extents<M>& shape) && {
    const View<T, M, typename B::Memory> same = Base::reshape(shape);
    static_cast<Base&>(*this) = Base();
    return {same, std::move(memory_)};
  }

  /// The values on the host, in row-major order; waits for the backend.
  std::vector<T> to_host(B& b) const {
    std::vector<T> values(this->size());
    b.download(this->flat(), std::span<T>(values));
    return values;
  }

 private:
  std::shared_ptr<T[]> memory_;
};

}  // namespace lotar
