#include <lotar/backend/cuda/direct_convolution.hpp>

#include <cstddef>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "convolution.hpp"

using namespace lotar;

namespace {

using Memory = TestBackend::Memory;

template <class T>
using Array = Tensor<T, 4, TestBackend>;

template <class T>
void check_direct(const ConvolutionCase& p, double beta) {
  CAPTURE(to_string(p.x));
  CAPTURE(to_string(p.filter));
  using A = Accum<T>;
  TestBackend b;
  const auto hx = convolution_values<T>(p.x.size(), 0), hw = convolution_values<T>(p.filter.size(), 1),
             hdy = convolution_values<T>(p.y().size(), 2);
  const auto hdw = convolution_values<A>(p.filter.size(), 3);
  auto wanted = convolution_by_loops(p, to_double(hx), to_double(hw), to_double(hdy));
  const Array<T> x(b, p.x, hx), w(b, p.filter, hw), dy(b, p.y(), hdy), y(b, p.y()), dx(b, p.x);
  const Array<A> dw(b, p.filter);
  if (beta != 0) {
    b.copy(x.view(), dx.view());
    b.upload(hdw, dw.flat());
    for (std::size_t i = 0; i < hx.size(); ++i) wanted.dx[i] += beta * to_double(hx)[i];
    for (std::size_t i = 0; i < hw.size(); ++i) wanted.dfilter[i] += beta * static_cast<double>(hdw[i]);
  }
  b.for_each(y.size() / y.extent(3), y.extent(3), detail::DirectForward<T, Memory>{x, w, p.conv, y});
  b.for_each(dx.size() / dx.extent(3), dx.extent(3), detail::DirectBackwardData<T, Memory>{dy, w, p.conv, beta, dx});
  b.for_each(dw.size() / dw.extent(3), dw.extent(3), detail::DirectBackwardFilter<T, Memory>{x, dy, p.conv, beta, dw});
  const double tolerance = sizeof(T) == 8 ? 1e-13 : 1e-5, stored = sizeof(T) == 2 ? 4e-3 : tolerance;
  CHECK(worst_error(y.to_host(b), wanted.y) <= stored);
  CHECK(worst_error(dx.to_host(b), wanted.dx) <= stored);
  CHECK(worst_error(dw.to_host(b), wanted.dfilter) <= tolerance);
}

}  // namespace

TEST_CASE_TEMPLATE("direct convolutions agree with plain loops", T, bf16, float, double) {
  for (const double beta : {0., .5}) {
    check_direct<T>({{2, 7, 6, 3}, {4, 3, 3, 3}, {1, 1}}, beta);
    check_direct<T>({{2, 7, 6, 3}, {4, 3, 3, 3}, {2, 0}}, beta);
    check_direct<T>({{1, 3, 4, 2}, {2, 2, 2, 2}, {1, 3}}, beta);
    check_direct<T>({{2, 7, 5, 2}, {3, 1, 1, 2}, {3, 0}}, beta);
    check_direct<T>({{1, 6, 11, 1}, {2, 3, 5, 1}, {2, 2}}, beta);
  }
}
