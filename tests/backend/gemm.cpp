#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"

using namespace lotar;

namespace {

using Memory = TestBackend::Memory;

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, TestBackend>;

template <class T>
std::vector<T> wave(std::size_t n, double phase) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i)
    v[i] = static_cast<T>(static_cast<float>(std::sin(1.3 * static_cast<double>(i) + phase)));
  return v;
}

/// A stored matrix, or batches of them, with room after each row and each matrix.
struct Layout {
  std::size_t rows, cols, batches;
  std::size_t row_stride() const { return cols + 3; }
  std::size_t batch_stride() const { return rows * row_stride() + 5; }
  std::size_t size() const { return batches * batch_stride() + 1; }
  std::size_t at(std::size_t batch, std::size_t r, std::size_t c) const {
    return batch * batch_stride() + r * row_stride() + c;
  }
  template <class T>
  Matrix<T, Memory> over(T* data) const {
    Matrix<T, Memory> m(data, rows, cols, row_stride());
    m.batches = batches;
    m.batch_stride = batch_stride();
    return m;
  }
};

/// Multiplies with strides of their own and compares with plain loops; what lies between the rows must stay.
template <class T, class Out>
void check_product(std::size_t m, std::size_t n, std::size_t k, std::size_t batches, Op op_a, Op op_b, double alpha,
                   double beta, double tolerance) {
  CAPTURE(m);
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(batches);
  TestBackend b;
  const bool ta = op_a == Op::transpose, tb = op_b == Op::transpose;
  const Layout la{ta ? k : m, ta ? m : k, batches}, lb{tb ? n : k, tb ? k : n, batches}, lc{m, n, batches};
  const auto ha = wave<T>(la.size(), 0), hb = wave<T>(lb.size(), 1);
  auto hc = wave<Out>(lc.size(), 2);
  if (beta == 0)
    for (std::size_t i = 0; i < batches; ++i)
      for (std::size_t r = 0; r < m; ++r)
        for (std::size_t c = 0; c < n; ++c)
          hc[lc.at(i, r, c)] = static_cast<Out>(std::numeric_limits<float>::quiet_NaN());
  const Array<T> a(b, {la.size()}, ha), bb(b, {lb.size()}, hb);
  const Array<Out> c(b, {lc.size()}, hc);
  b.gemm(op_a, op_b, alpha, la.over(a.data), lb.over(bb.data), beta, lc.over(c.data));
  const auto got = c.to_host(b);

  std::vector<double> wanted(hc.size());
  for (std::size_t i = 0; i < hc.size(); ++i) wanted[i] = static_cast<double>(static_cast<Accum<Out>>(hc[i]));
  for (std::size_t i = 0; i < batches; ++i)
    for (std::size_t r = 0; r < m; ++r)
      for (std::size_t col = 0; col < n; ++col) {
        double sum = 0;
        for (std::size_t j = 0; j < k; ++j)
          sum += static_cast<double>(static_cast<Accum<T>>(ha[ta ? la.at(i, j, r) : la.at(i, r, j)])) *
                 static_cast<double>(static_cast<Accum<T>>(hb[tb ? lb.at(i, col, j) : lb.at(i, j, col)]));
        double& w = wanted[lc.at(i, r, col)];
        w = alpha * sum + (beta == 0 ? 0 : beta * w);
      }
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    worst = worst_of(
        worst, std::abs(static_cast<double>(static_cast<Accum<Out>>(got[i])) - wanted[i]) / (1 + std::abs(wanted[i])));
  CHECK(worst <= tolerance);
}

const Op ops[] = {Op::none, Op::transpose};

}  // namespace

TEST_CASE_TEMPLATE("gemm agrees with plain loops", T, float, double) {
  const double tolerance = sizeof(T) == 4 ? 2e-5 : 1e-13;
  const std::size_t shapes[][3] = {{1, 1, 1},     {2, 3, 4},    {7, 1, 65},  {1, 9, 33},
                                   {13, 17, 300}, {65, 50, 31}, {200, 33, 7}};
  for (const auto& s : shapes)
    for (const Op op_a : ops)
      for (const Op op_b : ops)
        for (const std::size_t batches : {1u, 3u}) {
          check_product<T, T>(s[0], s[1], s[2], batches, op_a, op_b, 1, 0, tolerance);
          check_product<T, T>(s[0], s[1], s[2], batches, op_a, op_b, -.5, 2, tolerance);
        }
}

TEST_CASE("gemm of bf16 sums in float, and writes float or bf16") {
  for (const Op op_a : ops)
    for (const Op op_b : ops) {
      check_product<bf16, float>(33, 20, 100, 1, op_a, op_b, 1, 0, 2e-5);
      check_product<bf16, float>(8, 16, 24, 2, op_a, op_b, .5, 1, 2e-5);
      check_product<bf16, bf16>(33, 20, 100, 1, op_a, op_b, 1, 0, 4e-3);
      check_product<bf16, bf16>(8, 16, 24, 2, op_a, op_b, .5, 1, 4e-3);
    }
}

TEST_CASE("gemm of bf16 rounds a long sum once") {
  TestBackend b;
  const std::size_t k = 2000;  // 1 + ... + 1 in bf16 stops growing at 256
  const Array<bf16, 2> ones(b, {3, k}, std::vector<bf16>(3 * k, bf16(1.f))), c(b, {3, 3});
  b.gemm(Op::none, Op::transpose, 1, ones, ones, 0, c);
  for (const bf16 v : c.to_host(b)) CHECK(static_cast<float>(v) == 2000);
  for (const Op op_a : ops)
    for (const Op op_b : ops) {
      check_product<bf16, bf16>(200, 20, k, 1, op_a, op_b, 1, 0, 0x1p-8 + 2e-5);  // half a unit in the last place
      check_product<bf16, bf16>(33, 300, k, 2, op_a, op_b, .5, 1, 0x1p-8 + 2e-5);
    }
}

TEST_CASE("gemm with an empty side") {
  for (const std::size_t batches : {0u, 1u, 2u}) {
    check_product<float, float>(3, 4, 0, batches, Op::none, Op::transpose, 1, 0, 0);  // a sum of nothing
    check_product<float, float>(3, 4, 0, batches, Op::transpose, Op::none, 1, .5, 1e-7);
    check_product<float, float>(0, 4, 5, batches, Op::none, Op::none, 1, 0, 0);
    check_product<float, float>(3, 0, 5, batches, Op::none, Op::none, 1, 0, 0);
  }
}

TEST_CASE("gemm takes views and tensors; a product by the identity is the matrix") {
  TestBackend b;
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const Array<float, 2> a(b, {3, 2}, values), one(b, {2, 2}, std::vector<float>{1, 0, 0, 1}), c(b, {3, 2});
  b.gemm(Op::none, Op::none, 1, a, one.view(), 0, c);
  CHECK(c.to_host(b) == values);
  const Array<float, 3> batches(b, {2, 2, 2}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}), both(b, {2, 2, 2}),
      swap(b, {2, 2, 2}, std::vector<float>{0, 1, 1, 0, 0, 1, 1, 0});
  b.gemm(Op::none, Op::none, 1, batches, swap, 0, both);
  CHECK(both.to_host(b) == std::vector<float>{2, 1, 4, 3, 6, 5, 8, 7});
}

TEST_CASE("gemm gives the same bits each time") {
  TestBackend b;
  const Array<float, 2> x(b, {500, 300}, wave<float>(150000, 0)), w(b, {40, 300}, wave<float>(12000, 1));
  const Array<float, 2> y(b, {500, 40}), again(b, {500, 40});
  b.gemm(Op::none, Op::transpose, 1, x, w, 0, y);
  b.gemm(Op::none, Op::transpose, 1, x, w, 0, again);
  CHECK(y.to_host(b) == again.to_host(b));
}

TEST_CASE("gemm refuses shapes that do not fit") {
  TestBackend b;
  const Array<float, 2> a(b, {2, 3}), c(b, {2, 4});
  CHECK_THROWS_WITH_AS(b.gemm(Op::none, Op::none, 1, a, a, 0, c),
                       "gemm: [batches, M, K] times [batches, K, N] must be [batches, M, N], got [1, 2, 3] times "
                       "[1, 2, 3] for [1, 2, 4]",
                       ShapeError);
  CHECK_THROWS_AS(b.gemm(Op::none, Op::transpose, 1, a, a, 0, c), ShapeError);
  CHECK_THROWS_AS(b.gemm(Op::none, Op::none, 1, Array<float, 3>(b, {2, 2, 3}), Array<float, 3>(b, {1, 3, 4}), 0,
                         Array<float, 3>(b, {2, 2, 4})),
                  ShapeError);
}
