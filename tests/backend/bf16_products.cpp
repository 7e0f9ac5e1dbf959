#include <lotar/backend/cpu.hpp>

#include <cstddef>
#include <string>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "convolution.hpp"

// Convolutions and products of matrices of bf16 by the processor's dot products. Where it has none the first test and
// that of matrices take plain loops in their place, and the others float's products.

using namespace lotar;

namespace {

template <class T>
using Array = Tensor<T, 4, Cpu>;

struct Outcome {
  std::vector<bf16> y, dx;
  std::vector<float> dw, dw_added;
};

Outcome convolve(const ConvolutionCase& p, const CpuOptions& options) {
  Cpu b(options);
  const Array<bf16> x(b, p.x, convolution_values<bf16>(p.x.size(), 0)),
      w(b, p.filter, convolution_values<bf16>(p.filter.size(), 1)),
      dy(b, p.y(), convolution_values<bf16>(p.y().size(), 2)), y(b, p.y()), dx(b, p.x);
  const Array<float> dw(b, p.filter), added(b, p.filter);
  b.conv2d_forward(x, w, p.conv, y);
  b.conv2d_backward_data(dy, w, p.conv, 0, dx);
  b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
  b.fill(added.view(), 1.f);
  b.conv2d_backward_filter(x, dy, p.conv, 0.5, added);
  return {y.to_host(b), dx.to_host(b), dw.to_host(b), added.to_host(b)};
}

/// By PairProducts, whatever the backend would choose.
/// @param x_values, norm  the values and, if there is one, the norm of the convolutions' input
Outcome by_pairs(const ConvolutionCase& p, const std::vector<bf16>& x_values, const float* norm = nullptr) {
  using Pairs = detail::PairProducts;
  Cpu b({.poison_allocations = true});
  detail::Threads threads(2);
  const Array<bf16> x(b, p.x, x_values), w(b, p.filter, convolution_values<bf16>(p.filter.size(), 1)),
      dy(b, p.y(), convolution_values<bf16>(p.y().size(), 2)), y(b, p.y()), dx(b, p.x);
  const Array<float> dw(b, p.filter), added(b, p.filter);
  const detail::ConvolutionSource<bf16> source{x.data, norm};
  const auto pairs = detail::in_elements<Pairs>;
  detail::convolve<Pairs>(
      b, threads, detail::forward_mapping(pairs(p.x), pairs(p.filter), p.conv), p.x[0], source,
      [&](std::size_t k, const detail::Tap& t, std::size_t c) { return w(k, t.r, t.s, c); }, 0, y.data);
  detail::convolve<Pairs>(
      b, threads, detail::backward_mapping(p.x, p.filter, pairs(p.y()), p.conv), p.x[0], {dy.data},
      [&](std::size_t k, const detail::Tap& t, std::size_t c) { return w(c, t.r, t.s, k); }, 0, dx.data);
  const detail::Mapping m = detail::forward_mapping(p.x, p.filter, p.conv);
  detail::run_filter_gradient<Pairs>(b, threads, m, p.conv.stride, p.x[0], source, dy.data, 0, dw.view());
  b.fill(added.view(), 1.f);
  detail::run_filter_gradient<Pairs>(b, threads, m, p.conv.stride, p.x[0], source, dy.data, 0.5, added.view());
  return {y.to_host(b), dx.to_host(b), dw.to_host(b), added.to_host(b)};
}

Outcome by_pairs(const ConvolutionCase& p) { return by_pairs(p, convolution_values<bf16>(p.x.size(), 0)); }

void check_outcome(const Outcome& got, const ConvolutionCase& p) {
  const auto wanted = convolution_by_loops(p, to_double(convolution_values<bf16>(p.x.size(), 0)),
                                           to_double(convolution_values<bf16>(p.filter.size(), 1)),
                                           to_double(convolution_values<bf16>(p.y().size(), 2)));
  CHECK(worst_error(got.y, wanted.y) <= 0x1p-8);
  CHECK(worst_error(got.dx, wanted.dx) <= 0x1p-8);
  CHECK(worst_error(got.dw, wanted.dfilter) <= 1e-5);
  std::vector<double> added = wanted.dfilter;
  for (double& v : added) v += 0.5;
  CHECK(worst_error(got.dw_added, added) <= 1e-5);
}

/// The bits of all values.
std::string bits(const Outcome& o) {
  const auto text = [](const auto& v) {
    return std::string(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(v[0]));
  };
  return text(o.y) + text(o.dx) + text(o.dw) + text(o.dw_added);
}

}  // namespace

TEST_CASE("convolutions of bf16 are exact but for the rounding of their results") {
  for (const std::size_t stride : {1u, 2u, 3u})
    for (const std::size_t padding : {0u, 1u, 2u, 4u})
      for (const std::size_t c : {1u, 2u, 6u, 17u, 40u})
        for (const std::size_t edge : {5u, 6u, 9u}) {
          const ConvolutionCase p{{3, edge, edge + 1, c}, {c == 6 ? 36u : 8u, 3, 3, c}, {stride, padding}};
          CAPTURE(to_string(p.x));
          CAPTURE(stride);
          CAPTURE(padding);
          check_outcome(convolve(p, {.threads = 2, .poison_allocations = true, .winograd = false}), p);
          if (c % 2 == 0) check_outcome(by_pairs(p), p);
        }
}

TEST_CASE("so are those of filters that are no squares, of 1x1 filters and of the stem of ImageNet") {
  for (const ConvolutionCase& p :
       {ConvolutionCase{{2, 6, 11, 4}, {10, 3, 5, 4}, {2, 2}}, ConvolutionCase{{2, 8, 8, 64}, {32, 1, 1, 64}, {2, 0}},
        ConvolutionCase{{1, 16, 16, 3}, {16, 7, 7, 3}, {2, 3}}, ConvolutionCase{{9, 1, 1, 2}, {2, 1, 1, 2}, {1, 0}}}) {
    CAPTURE(to_string(p.filter));
    check_outcome(convolve(p, {.poison_allocations = true}), p);
  }
}

TEST_CASE("pairs of an input that is normalized as it is read are those of the normalized input, to the bit") {
  for (const ConvolutionCase& p :
       {ConvolutionCase{{3, 9, 8, 6}, {10, 3, 3, 6}, {1, 1}}, ConvolutionCase{{2, 9, 7, 8}, {33, 3, 3, 8}, {2, 1}},
        ConvolutionCase{{2, 8, 8, 64}, {32, 1, 1, 64}, {2, 0}}}) {
    CAPTURE(to_string(p.filter));
    const std::size_t c = p.x[3];
    std::vector<bf16> x = convolution_values<bf16>(p.x.size(), 0);
    const std::vector<float> norm = convolution_values<float>(3 * c, 3);
    const Outcome got = by_pairs(p, x, norm.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float v = norm_value(x[i], norm[i % c], norm[c + i % c], norm[2 * c + i % c]);
      x[i] = static_cast<bf16>(std::max(v, 0.f));
    }
    const Outcome wanted = by_pairs(p, x);
    CHECK(to_double(got.y) == to_double(wanted.y));
    CHECK(got.dw == wanted.dw);
    CHECK(got.dw_added == wanted.dw_added);
  }
}

TEST_CASE("a sum of one pair is that of two products, with the instruction or without") {
  const auto pair = [](float first, float second) { return detail::bf16_pair(bf16(first), bf16(second)); };
  std::vector<detail::Bf16Pair> b(32);
  for (std::size_t c = 0; c < b.size(); ++c) b[c] = pair(static_cast<float>(c), -3.f);
  detail::DotTile<2> tile;
  tile.multiply(
      1, [&](int i, std::size_t) { return pair(static_cast<float>(i), 0.5f); }, b.data(), 32);
  std::vector<float> plain(12 * 32);
  detail::add_dot_products_plainly<2>(
      1, [&](int i, std::size_t) { return pair(static_cast<float>(i), 0.5f); }, b.data(), 32, plain.data());
  for (int i = 0; i < 12; ++i) {
    std::vector<float> row(32);
    tile.store_row(i, 32, 1, 0, row.data());
    for (std::size_t c = 0; c < 32; ++c) {
      CHECK(row[c] == static_cast<float>(i) * static_cast<float>(c) - 1.5f);
      CHECK(plain[static_cast<std::size_t>(i) * 32 + c] == row[c]);
    }
  }
}

TEST_CASE("an odd number of channels, which has no pairs, is convolved as without the instruction") {
  const ConvolutionCase p{{2, 8, 8, 65}, {65, 3, 3, 65}, {1, 1}};
  const Outcome with = convolve(p, {}), without = convolve(p, {.bf16_products = false});
  CHECK(bits({with.y, with.dx, {}, {}}) == bits({without.y, without.dx, {}, {}}));
}

TEST_CASE("products of matrices of bf16 are exact but for the rounding of their sums, with any number of threads") {
  const std::size_t shapes[][3] = {{1, 1, 1}, {13, 33, 31}, {12, 32, 64}, {70, 47, 1300}, {30, 530, 17}};
  for (const auto& shape : shapes) {
    const std::size_t m = shape[0], n = shape[1], k = shape[2];
    for (const Op op_a : {Op::none, Op::transpose})
      for (const Op op_b : {Op::none, Op::transpose}) {
        CAPTURE(m);
        CAPTURE(k);
        const bool ta = op_a == Op::transpose, tb = op_b == Op::transpose;
        const auto ha = convolution_values<bf16>(m * k, 0), hb = convolution_values<bf16>(k * n, 1);
        std::vector<double> wanted(m * n);
        for (std::size_t i = 0; i < m; ++i)
          for (std::size_t j = 0; j < n; ++j)
            for (std::size_t p = 0; p < k; ++p)
              wanted[i * n + j] += static_cast<double>(static_cast<float>(ha[ta ? p * m + i : i * k + p])) *
                                   static_cast<double>(static_cast<float>(hb[tb ? j * k + p : p * n + j]));
        std::vector<float> first;
        for (const int count : {1, 2, 5}) {
          Cpu b({.poison_allocations = true});
          detail::Threads threads(count);
          const Tensor<bf16, 2, Cpu> x(b, ta ? Extents<2>{k, m} : Extents<2>{m, k}, ha);
          const Tensor<bf16, 2, Cpu> y(b, tb ? Extents<2>{n, k} : Extents<2>{k, n}, hb), rounded(b, {m, n});
          const Tensor<float, 2, Cpu> sums(b, {m, n});
          using Pairs = detail::PairProducts;
          detail::Gemm<Pairs, float, Cpu::Memory>(op_a, op_b, 1, x, y, 0, sums).run(b, threads);
          detail::Gemm<Pairs, bf16, Cpu::Memory>(op_a, op_b, 1, x, y, 0, rounded).run(b, threads);
          const std::vector<float> got = sums.to_host(b);
          CHECK(worst_error(got, wanted) <= 1e-5);
          CHECK(worst_error(rounded.to_host(b), wanted) <= 0x1p-8);
          if (count == 1) first = got;
          CHECK(got == first);
        }
      }
  }
}

TEST_CASE("the products are taken where the processor has them, unless the options say otherwise") {
  const ConvolutionCase p{{4, 8, 8, 32}, {32, 3, 3, 32}, {1, 1}};
  const bool same = bits(convolve(p, {})) == bits(convolve(p, {.bf16_products = false}));
  CHECK(same == !detail::has_bf16_products());
  const auto product = [](const CpuOptions& options) {
    Cpu b(options);
    const Tensor<bf16, 2, Cpu> x(b, {40, 300}, convolution_values<bf16>(12000, 0));
    const Tensor<float, 2, Cpu> y(b, {40, 40});
    b.gemm(Op::none, Op::transpose, 1, x, x, 0, y);
    return y.to_host(b);
  };
  CHECK((product({}) == product({.bf16_products = false})) == !detail::has_bf16_products());
}

TEST_CASE("the bits do not depend on the number of threads") {
  const ConvolutionCase p{{20, 8, 8, 32}, {48, 3, 3, 32}, {2, 1}};
  const std::string one = bits(convolve(p, {.threads = 1}));
  for (const int threads : {2, 3, 7}) CHECK(bits(convolve(p, {.threads = threads})) == one);
}
