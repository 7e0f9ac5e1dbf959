#pragma once

#include <cstddef>

#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/gemm.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/pack.hpp>

/// Gradients of the input of 1x1 convolutions that stride over pixels, added to what is there: cuDNN reads and writes
/// all pixels for it.
namespace lotar::detail {

/// f(pixel of any image of y, channel): dx += d where the convolution reads it.
template <class T, class Memory>
struct AddAtStrides {
  const T* d;  // [N, P, Q, C]
  Extents<4> y;
  std::size_t stride;
  View<T, 4, Memory> dx;

  LOTAR_FN T* to(std::size_t pixel) const {
    const std::size_t q = pixel % y[2], rows = pixel / y[2];
    return dx.data + ((rows / y[1] * dx.extent(1) + rows % y[1] * stride) * dx.extent(2) + q * stride) * dx.extent(3);
  }
  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    add_scaled(static_cast<Accum<T>>(d[pixel * dx.extent(3) + c]), 1, to(pixel)[c]);
  }

  static constexpr std::size_t width = pack_width<T>;
  LOTAR_FN bool is_aligned() const { return are_aligned(d, dx.data); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c](std::size_t pixel) {
      const auto add = load_pack<width>(f.d + pixel * f.dx.extent(3) + c);
      auto there = load_pack<width>(f.to(pixel) + c);
      for (std::size_t k = 0; k < width; ++k) add_scaled(static_cast<Accum<T>>(add[k]), 1, there[k]);
      store_pack(there, f.to(pixel) + c);
    };
  }
};

/// dx += the gradient of the convolution's input, rounded to T before it is added.
/// @return false if the convolution is not of this kind
template <class T, class Memory>
bool add_pointwise_gradient(CudaStream& stream, const View<const T, 4, Memory>& dy,
                            const View<const T, 4, Memory>& filter, Conv2d conv, double beta,
                            const View<T, 4, Memory>& dx) {
  if (filter.extent(1) != 1 || filter.extent(2) != 1 || conv.padding != 0 || conv.stride < 2 || beta != 1) return false;
  const std::size_t k = dy.extent(3), c = dx.extent(3), pixels = dy.size() / max<std::size_t>(k, 1);
  if (pixels == 0 || k == 0) return true;
  const auto scratch = stream.allocate<T>(pixels * c);
  const View<T, 2, Memory> d{scratch.get(), {{pixels, c}}};
  blas_gemm(stream.blas(), Op::none, Op::none, 1, Matrix<const T, Memory>(dy.reshape(Extents<2>{{pixels, k}})),
            Matrix<const T, Memory>(filter.reshape(Extents<2>{{k, c}})), 0, Matrix<T, Memory>(d));
  launch_loop(stream.get(), pixels, c, AddAtStrides<T, Memory>{scratch.get(), dy.extents, conv.stride, dx});
  return true;
}

}  // namespace lotar::detail
