#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <lotar/core/columns.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/nn/pass.hpp>

namespace lotar {
namespace detail {

template <class T, class M>
struct AveragePoolForward {
  View<const T, 3, M> x;  // [N, pixels, C]
  View<Accum<T>, 2, M> y;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t n) const {
    const std::size_t pixels = x.extent(1), cols = x.extent(2);
    Accum<T>* out = &y(n, 0);
    block.sum_columns(pixels, cols, Columns<T>{&x(n, 0, 0), cols}, out);
    block.for_each(cols, [&](std::size_t c) { out[c] /= static_cast<Accum<T>>(pixels); });
  }
};

template <class T>
struct AveragePoolBackward {
  const Accum<T>* dy;
  std::size_t pixels, cols;
  T* dx;
  using A = Accum<T>;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    dx[r * cols + c] = static_cast<T>(dy[r / pixels * cols + c] / static_cast<A>(pixels));
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(dy, dx); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c](std::size_t r) {
      const auto d = load_pack<width>(f.dy + r / f.pixels * f.cols + c);
      Pack<T, width> to;
      for (std::size_t k = 0; k < width; ++k) to[k] = static_cast<T>(d[k] / static_cast<A>(f.pixels));
      store_pack(to, f.dx + r * f.cols + c);
    };
  }
};

/// The windows of max pooling.
struct Window {
  std::size_t height, width, channels, rows, cols;  // of x; of y
  std::size_t size, stride, padding;
};

template <class T>
struct MaxPoolForward {
  const T* x;
  Window w;
  T* y;
  std::uint32_t* from;  // the place in x of each maximum: the first NaN, else the first of equals
  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    const std::size_t q = pixel % w.cols, p = pixel / w.cols % w.rows, n = pixel / (w.cols * w.rows);
    std::size_t best = 0;
    Accum<T> top = 0;
    bool found = false;
    for (std::size_t r = 0; r < w.size; ++r)
      for (std::size_t s = 0; s < w.size; ++s) {
        const std::size_t h = p * w.stride + r, v = q * w.stride + s;
        if (h < w.padding || v < w.padding || h >= w.height + w.padding || v >= w.width + w.padding) continue;
        const std::size_t i = ((n * w.height + h - w.padding) * w.width + v - w.padding) * w.channels + c;
        const auto value = static_cast<Accum<T>>(x[i]);
        if (found && (value <= top || top != top)) continue;
        best = i;
        top = value;
        found = true;
      }
    y[pixel * w.channels + c] = x[best];
    from[pixel * w.channels + c] = static_cast<std::uint32_t>(best);
  }
};

/// dx(i) sums the dy of the windows whose maximum was x(i): gathered, so that the order is fixed.
template <class T>
struct MaxPoolBackward {
  const T* dy;
  const std::uint32_t* from;
  Window w;
  T* dx;
  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    const std::size_t v = pixel % w.width, h = pixel / w.width % w.height, n = pixel / (w.width * w.height);
    const std::size_t i = pixel * w.channels + c;
    Accum<T> sum = 0;
    for (std::size_t r = 0; r < w.size; ++r)
      for (std::size_t s = 0; s < w.size; ++s) {
        if (h + w.padding < r || v + w.padding < s) continue;
        const std::size_t p = (h + w.padding - r) / w.stride, q = (v + w.padding - s) / w.stride;
        if (p * w.stride + r != h + w.padding || q * w.stride + s != v + w.padding || p >= w.rows || q >= w.cols)
          continue;
        const std::size_t o = ((n * w.rows + p) * w.cols + q) * w.channels + c;
        if (from[o] == i) sum += static_cast<Accum<T>>(dy[o]);
      }
    dx[i] = static_cast<T>(sum);
  }
};

}  // namespace detail

/// The mean over all pixels: [N, H, W, C] to [N, C], in Accum<T>.
class GlobalAveragePool {
 public:
  /// @param x  [N, H, W, C], H W >= 1
  /// @return   [N, C]
  template <class T, class B>
  Tensor<Accum<T>, 2, B> forward(B& b, const Tensor<T, 4, B>& x, Pass<T, B>& pass) const {
    const std::size_t n = x.extent(0), pixels = x.extent(1) * x.extent(2), cols = x.extent(3);
    Tensor<Accum<T>, 2, B> y(b, {{n, cols}});
    b.for_each_block(n, {pixels * cols, 0},
                     detail::AveragePoolForward<T, typename B::Memory>{x.reshape(Extents<3>{{n, pixels, cols}}), y});
    pass.keep(Tensor<T, 4, B>({nullptr, x.extents}, nullptr));  // its extents alone
    return y;
  }

  /// @param dy  [N, C]
  /// @return    [N, H, W, C]: dy / (H W) at each pixel
  /// @throws ShapeError if dy has another shape, ConfigError without a forward pass before.
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, const Tensor<Accum<T>, 2, B>& dy, Pass<T, B>& pass) const {
    Tensor<T, 4, B> dx(b, pass.tape.template pop<T, 4>().extents);
    const std::size_t pixels = dx.extent(1) * dx.extent(2);
    check_shape("GlobalAveragePool::backward", "dy", {{dx.extent(0), dx.extent(3)}}, dy.extents);
    b.for_each(dx.extent(0) * pixels, dx.extent(3),
               detail::AveragePoolBackward<T>{dy.data, pixels, dx.extent(3), dx.data});
    return dx;
  }
};

/// The maximum of each window, NaN where one is in it: [N, H, W, C] to [N, P, Q, C].
class MaxPool {
 public:
  /// @param size  edge of the window
  /// @throws ConfigError if the padding exceeds half the window: some windows would hold nothing else.
  MaxPool(std::size_t size, Conv2d geometry) : size_(size), geometry_(geometry) {
    if (2 * geometry.padding > size)
      throw ConfigError("MaxPool: padding must be at most half the window of " + std::to_string(size) + ", got " +
                        std::to_string(geometry.padding));
  }

  /// @throws ShapeError if the window does not fit, or if x has 2^32 elements or more.
  template <class T, class B>
  Tensor<T, 4, B> forward(B& b, Tensor<T, 4, B> x, Pass<T, B>& pass) const {
    const Extents<4> out = conv2d_output(x.extents, {{x.extent(3), size_, size_, x.extent(3)}}, geometry_);
    if (x.size() >> 32 != 0)
      throw ShapeError("MaxPool: x must have fewer than 2^32 elements, got " + to_string(x.extents));
    Tensor<T, 4, B> y(b, out);
    Tensor<std::uint32_t, 4, B> from(b, out);
    b.for_each(out[0] * out[1] * out[2], out[3],
               detail::MaxPoolForward<T>{x.data, window(x.extents, out), y.data, from.data});
    pass.keep(Tensor<T, 4, B>({nullptr, x.extents}, nullptr));  // its extents alone
    pass.keep(std::move(from));
    return y;
  }

  /// @param dy  [N, P, Q, C]
  /// @return    [N, H, W, C]
  /// @throws ShapeError if dy has another shape, ConfigError without a forward pass before.
  template <class T, class B>
  Tensor<T, 4, B> backward(B& b, const Tensor<T, 4, B>& dy, Pass<T, B>& pass) const {
    const auto from = pass.tape.template pop<std::uint32_t, 4>();
    Tensor<T, 4, B> dx(b, pass.tape.template pop<T, 4>().extents);
    check_shape("MaxPool::backward", "dy", from.extents, dy.extents);
    b.for_each(dx.extent(0) * dx.extent(1) * dx.extent(2), dx.extent(3),
               detail::MaxPoolBackward<T>{dy.data, from.data, window(dx.extents, dy.extents), dx.data});
    return dx;
  }

 private:
  detail::Window window(const Extents<4>& x, const Extents<4>& y) const {
    return {x[1], x[2], x[3], y[1], y[2], size_, geometry_.stride, geometry_.padding};
  }
  std::size_t size_;
  Conv2d geometry_;
};

}  // namespace lotar
