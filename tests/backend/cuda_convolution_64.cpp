#include <lotar/backend/cuda/convolution_64.hpp>
#include <lotar/backend/cuda/filter_gradient_64.hpp>

#include <cmath>
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include "../emulated/grid.hpp"
#include "../test.hpp"
#include "convolution.hpp"

using namespace lotar;
using namespace lotar::detail;

// The kernels themselves, on the host; see convolution_64.cpp for the convolutions on a device.
namespace {

template <class F>
void run(unsigned blocks, const F& f) {
  emulated::launch({min(blocks, f.tiles)}, F::threads, f.shared_bytes(), [&f] { f(shared_address(shared_memory)); });
}

/// Values of C channels as if there were 8, as PadChannels has them.
std::vector<bf16> with_eight_channels(const std::vector<bf16>& from, std::size_t channels) {
  std::vector<bf16> padded(from.size() / channels * 8, bf16(0.f));
  for (std::size_t i = 0; i < from.size(); ++i) padded[i / channels * 8 + i % channels] = from[i];
  return padded;
}

/// y and its moments, a part for each warpgroup that multiplies.
template <class Taps>
void check_forward(const ConvolutionCase& p, unsigned blocks, const bf16* x, const bf16* filter,
                   const std::vector<double>& wanted) {
  const PixelGrid grid = pixel_grid(p.x);
  std::vector<bf16> y(p.y().size(), bf16(NAN));
  const std::size_t parts = std::size_t{conv_multipliers} * min(blocks, grid.tiles());
  std::vector<float> mean(parts * 64, NAN), squares(parts * 64, NAN), counts(parts, NAN);
  run(blocks, Convolution64<Taps, false, ResultMoments64>({x, filter, grid}, y.data(),
                                                          {mean.data(), squares.data(), counts.data()}));
  CHECK(worst_error(y, wanted) <= rounded_once);
  CHECK(std::accumulate(counts.begin(), counts.end(), 0.f) == static_cast<float>(y.size() / 64));
  const MomentErrors errors = moment_errors(y, mean, squares, counts);
  CHECK(errors.mean <= 1e-6);
  CHECK(errors.squares <= 1e-5);
}

template <unsigned channels>
void check_filter_gradient(const ConvolutionCase& p, unsigned blocks, const bf16* x, const bf16* dy,
                           const std::vector<double>& wanted) {
  const PixelGrid grid = pixel_grid(p.x);
  using F = FilterGradient64<channels>;
  if (F::shared_bytes_of(grid) > emulated::most_shared_bytes) return;  // too wide for it
  const std::size_t count = F::parts_of_block * min(blocks, grid.tiles()), kept = p.x[3];
  std::vector<float> parts(count * F::size, NAN), gradient(p.filter.size());
  run(blocks, F(x, dy, grid, parts.data()));
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (i % channels < kept) gradient[i % F::size / channels * kept + i % channels] += parts[i];
  CHECK(worst_error(gradient, wanted) <= 1e-5);
}

/// The gradient as it is without sums, and the sums.
void check_norm_sums(const ConvolutionCase& p, unsigned blocks, const std::vector<bf16>& x, const Taps64<true>& taps,
                     const std::vector<bf16>& wanted) {
  const std::vector<float> norm = norm_coefficients<float>(64);
  const std::size_t parts = std::size_t{conv_multipliers} * min(blocks, taps.grid.tiles());
  std::vector<float> sum(parts * 64, NAN), product(parts * 64, NAN);
  std::vector<bf16> dx(p.x.size(), bf16(NAN));
  run(blocks, Convolution64<Taps64<true>, false, NormSums64>(taps, dx.data(),
                                                             {x.data(), norm.data(), sum.data(), product.data()}));
  const auto values = to_double(dx);
  CHECK(values == to_double(wanted));
  const NormSumsAnswer sums = norm_sums_by_loops(x, norm, values);
  CHECK(worst_of_sums(sum, sums.sum, sums.magnitude) <= 2e-6);
  CHECK(worst_of_sums(product, sums.product, sums.magnitude) <= 2e-6);
}

void check(const Extents<4>& extents, unsigned blocks) {
  CAPTURE(to_string(extents));
  const ConvolutionCase p = to_64(extents);
  const auto [x, filter, dy] = ConvolutionValues<bf16>(p);
  const std::vector<double> values_x = to_double(x);
  const ConvolutionAnswer wanted = convolution_by_loops(p, values_x, to_double(filter), to_double(dy));
  if (extents[3] < 64) {
    const auto x8 = with_eight_channels(x, extents[3]), filter8 = with_eight_channels(filter, extents[3]);
    check_forward<Taps8>(p, blocks, x8.data(), filter8.data(), wanted.y);
    return check_filter_gradient<8>(p, blocks, x8.data(), dy.data(), wanted.dfilter);
  }
  check_forward<Taps64<false>>(p, blocks, x.data(), filter.data(), wanted.y);
  check_filter_gradient<64>(p, blocks, x.data(), dy.data(), wanted.dfilter);
  std::vector<bf16> dx(p.x.size(), bf16(NAN));
  const Taps64<true> taps{dy.data(), filter.data(), pixel_grid(p.x)};
  run(blocks, Convolution64<Taps64<true>, false>(taps, dx.data()));
  CHECK(worst_error(dx, wanted.dx) <= rounded_once);
  std::vector<bf16> sum = x;
  run(blocks, Convolution64<Taps64<true>, true>(taps, sum.data()));
  std::vector<double> wanted_sum = wanted.dx;
  for (std::size_t i = 0; i < wanted_sum.size(); ++i) wanted_sum[i] += values_x[i];
  CHECK(worst_error(sum, wanted_sum) <= rounded_twice);
  check_norm_sums(p, blocks, x, taps, dx);
}

}  // namespace

TEST_CASE("convolutions of 64 channels by Hopper's tensor cores, of several tiles a thread block") {
  check({1, 1, 1, 64}, 1);
  check({3, 5, 40, 64}, 1);
  for (const std::size_t width : {42u, 74u}) check({2, 5, width, 64}, 2);  // as wide as a multiprocessor's memory takes
  check({6, 16, 16, 64}, 1);
}

TEST_CASE("what Hopper's tensor cores normalize as they read it gives the same bits as what was normalized before") {
  for (const Extents<4>& extents : {Extents<4>{1, 1, 1, 64}, {2, 5, 42, 64}, {2, 5, 74, 64}, {7, 16, 16, 64}}) {
    const ConvolutionCase p = to_64(extents);
    const PixelGrid grid = pixel_grid(p.x);
    const ConvolutionValues<bf16> a(p);
    const std::vector<float> norm = norm_coefficients<float>(64);
    const auto outcome = [&](const std::vector<bf16>& read, const float* by) {
      std::vector<bf16> y(p.y().size(), bf16(NAN));
      run(1, Convolution64<Taps64<false>, false>({read.data(), a.filter.data(), grid, by}, y.data()));
      using F = FilterGradient64<64>;
      std::vector<float> parts;
      if (F::shared_bytes_of(grid) > emulated::most_shared_bytes) return std::pair(to_double(y), parts);
      parts.assign(F::size, NAN);
      run(1, F(read.data(), a.dy.data(), grid, parts.data(), by));
      return std::pair(to_double(y), parts);
    };
    CHECK((outcome(a.x, norm.data()) == outcome(normalized_by(a.x, norm), nullptr)));
  }
}

TEST_CASE("what is not a number stays so when Hopper's tensor cores normalize it") {
  const ConvolutionCase p = to_64({1, 3, 3, 64});
  auto [x, filter, dy] = ConvolutionValues<bf16>(p);
  x[0] = bf16(NAN);
  const std::vector<float> norm = norm_coefficients<float>(64);
  std::vector<bf16> y(p.y().size());
  run(1, Convolution64<Taps64<false>, false>({x.data(), filter.data(), pixel_grid(p.x), norm.data()}, y.data()));
  const std::vector<double> values = to_double(y);
  for (std::size_t i = 0; i < 9; ++i)  // pixels; the first one's neighbours read it
    CHECK(std::isnan(values[i * 64]) == (i % 3 < 2 && i / 3 < 2));
}

TEST_CASE("convolutions of few channels by Hopper's tensor cores") {
  check({1, 1, 1, 1}, 1);
  check({3, 5, 40, 8}, 1);
  check({18, 16, 16, 3}, 2);
}
