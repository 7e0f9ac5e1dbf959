#pragma once

#include <cstddef>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>

/// Convolutions as plain sums, one a result: for what cuDNN does not support.
namespace lotar::detail {

/// x = sum + beta x, where beta = 0 does not read x.
template <class A, class T>
LOTAR_FN void add_scaled(A sum, double beta, T& x) {
  x = static_cast<T>(beta == 0 ? sum : sum + static_cast<A>(beta) * static_cast<A>(x));
}

/// f(pixel of any image of y, output channel)
template <class T, class Memory>
struct DirectForward {
  View<const T, 4, Memory> x, filter;
  Conv2d conv;
  View<T, 4, Memory> y;

  LOTAR_FN void operator()(std::size_t pixel, std::size_t k) const {
    const std::size_t q = pixel % y.extent(2), p = pixel / y.extent(2) % y.extent(1),
                      n = pixel / y.extent(2) / y.extent(1);
    Accum<T> sum = 0;
    for (std::size_t r = 0; r < filter.extent(1); ++r)
      for (std::size_t s = 0; s < filter.extent(2); ++s) {
        const std::size_t h = p * conv.stride + r - conv.padding, w = q * conv.stride + s - conv.padding;
        if (h >= x.extent(1) || w >= x.extent(2)) continue;  // below 0, too: it wraps
        for (std::size_t c = 0; c < x.extent(3); ++c)
          sum += static_cast<Accum<T>>(x(n, h, w, c)) * static_cast<Accum<T>>(filter(k, r, s, c));
      }
    y(n, p, q, k) = static_cast<T>(sum);
  }
};

/// f(pixel of any image of dx, input channel)
template <class T, class Memory>
struct DirectBackwardData {
  View<const T, 4, Memory> dy, filter;
  Conv2d conv;
  double beta;
  View<T, 4, Memory> dx;

  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    const std::size_t w = pixel % dx.extent(2), h = pixel / dx.extent(2) % dx.extent(1),
                      n = pixel / dx.extent(2) / dx.extent(1);
    Accum<T> sum = 0;
    for (std::size_t r = 0; r < filter.extent(1) && r <= h + conv.padding; ++r)
      for (std::size_t s = 0; s < filter.extent(2) && s <= w + conv.padding; ++s) {
        const std::size_t p = h + conv.padding - r, q = w + conv.padding - s;  // strided
        if (p % conv.stride != 0 || q % conv.stride != 0) continue;
        if (p / conv.stride >= dy.extent(1) || q / conv.stride >= dy.extent(2)) continue;
        for (std::size_t k = 0; k < dy.extent(3); ++k)
          sum += static_cast<Accum<T>>(dy(n, p / conv.stride, q / conv.stride, k)) *
                 static_cast<Accum<T>>(filter(k, r, s, c));
      }
    add_scaled(sum, beta, dx(n, h, w, c));
  }
};

/// f(output channel and filter position, input channel)
template <class T, class Memory>
struct DirectBackwardFilter {
  View<const T, 4, Memory> x, dy;
  Conv2d conv;
  double beta;
  View<Accum<T>, 4, Memory> dfilter;

  LOTAR_FN void operator()(std::size_t position, std::size_t c) const {
    const std::size_t s = position % dfilter.extent(2), r = position / dfilter.extent(2) % dfilter.extent(1),
                      k = position / dfilter.extent(2) / dfilter.extent(1);
    Accum<T> sum = 0;
    for (std::size_t n = 0; n < dy.extent(0); ++n)
      for (std::size_t p = 0; p < dy.extent(1); ++p)
        for (std::size_t q = 0; q < dy.extent(2); ++q) {
          const std::size_t h = p * conv.stride + r - conv.padding, w = q * conv.stride + s - conv.padding;
          if (h >= x.extent(1) || w >= x.extent(2)) continue;  // below 0, too: it wraps
          sum += static_cast<Accum<T>>(x(n, h, w, c)) * static_cast<Accum<T>>(dy(n, p, q, k));
        }
    add_scaled(sum, beta, dfilter(k, r, s, c));
  }
};

}  // namespace lotar::detail
