#include <lotar/nn/pool.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "layers.hpp"

using namespace lotar;

TEST_CASE_TEMPLATE("the average of each channel's pixels, and back", T, float, double) {
  TestBackend b;
  Pass<T, TestBackend> pass;
  const GlobalAveragePool pool;
  const Array<4, T> x(b, {{2, 1, 2, 2}}, std::vector<T>{1, 10, 3, 20, 5, 30, 6, 50});
  CHECK(pool.forward(b, x, pass).to_host(b) == std::vector<T>{2, 15, T(5.5), 40});
  const auto dx = pool.backward(b, Array<2, T>(b, {{2, 2}}, std::vector<T>{2, 4, 6, 8}), pass);
  CHECK(dx.extents == x.extents);
  CHECK(dx.to_host(b) == std::vector<T>{1, 2, 1, 2, 3, 4, 3, 4});
  CHECK(pass.tape.empty());
}

TEST_CASE("the average pool reads bf16 and sums in float") {
  TestBackend b;
  Pass<bf16, TestBackend> pass;
  std::vector<bf16> values(1025, bf16(1.f));  // 1025 is no bf16: a bf16 sum would stop growing at 256
  values[0] = bf16(2.f);
  const GlobalAveragePool pool;
  const auto y = pool.forward(b, Array<4, bf16>(b, {{1, 1, 1025, 1}}, values), pass).to_host(b);
  CHECK(y[0] == doctest::Approx(1026 / 1025.).epsilon(1e-7));
  const auto dx = pool.backward(b, Array<2, float>(b, {{1, 1}}, std::vector<float>{1025}), pass).to_host(b);
  for (const bf16 d : dx) CHECK(static_cast<float>(d) == 1);
}

TEST_CASE("the average pool's gradient matches central differences") {
  const GlobalAveragePool pool;
  check_gradients(
      ParameterTable(), 2 * 3 * 2 * 5,
      [&](auto& b, const std::vector<double>& x, auto& pass) {
        return pool.forward(b, Array<4>(b, {{2, 3, 2, 5}}, x), pass);
      },
      [&](auto& b, const auto& dy, auto& pass) { return pool.backward(b, dy, pass).to_host(b); });
}

TEST_CASE_TEMPLATE("the maximum of each window: the first of equals gets the gradient", T, float, double) {
  TestBackend b;
  Pass<T, TestBackend> pass;
  const MaxPool pool(2, Conv2d{2, 0});
  const Array<4, T> x(b, {{1, 2, 4, 1}}, std::vector<T>{-4, -1, 7, 7, -2, -3, 7, 0});
  const auto y = pool.forward(b, x.share(), pass);
  CHECK(y.extents == Extents<4>{{1, 1, 2, 1}});
  CHECK(y.to_host(b) == std::vector<T>{-1, 7});
  const auto dx = pool.backward(b, Array<4, T>(b, {{1, 1, 2, 1}}, std::vector<T>{3, 5}), pass);
  CHECK(dx.to_host(b) == std::vector<T>{0, 3, 5, 0, 0, 0, 0, 0});
}

TEST_CASE("NaN wins, wherever in the window it is") {
  TestBackend b;
  for (std::size_t at = 0; at < 4; ++at) {
    Pass<float, TestBackend> pass;
    const MaxPool pool(2, Conv2d{2, 0});
    std::vector<float> x{1, 4, 3, 2}, wanted(4);
    x[at] = std::numeric_limits<float>::quiet_NaN();
    wanted[at] = 7;
    CHECK(std::isnan(pool.forward(b, Array<4, float>(b, {{1, 2, 2, 1}}, x), pass).to_host(b)[0]));
    const auto dx = pool.backward(b, Array<4, float>(b, {{1, 1, 1, 1}}, std::vector<float>{7}), pass);
    CHECK(dx.to_host(b) == wanted);
  }
}

TEST_CASE("padding never wins, and overlapping windows add their gradients") {
  TestBackend b;
  Pass<float, TestBackend> pass;
  const MaxPool pool(3, Conv2d{2, 1});
  const Array<4, float> x(b, {{1, 3, 3, 1}}, std::vector<float>{-9, -8, -7, -6, -1, -5, -4, -3, -2});
  CHECK(pool.forward(b, x.share(), pass).to_host(b) == std::vector<float>{-1, -1, -1, -1});
  const auto dx = pool.backward(b, Array<4, float>(b, {{1, 2, 2, 1}}, std::vector<float>{1, 2, 3, 4}), pass);
  CHECK(dx.to_host(b) == std::vector<float>{0, 0, 0, 0, 10, 0, 0, 0, 0});
}

TEST_CASE("max pooling agrees with plain loops, and its gradient with central differences") {
  const struct {
    std::size_t h, w, size, stride, padding;
  } cases[] = {{7, 6, 3, 2, 1}, {5, 5, 2, 1, 0}, {4, 7, 3, 3, 1}, {6, 4, 2, 3, 0}};
  for (const auto& k : cases) {
    TestBackend b;
    const MaxPool pool(k.size, Conv2d{k.stride, k.padding});
    const std::size_t n = 2, c = 3;
    const Extents<4> extents{{n, k.h, k.w, c}};
    const auto x = noise_values(extents.size(), 1);
    Pass<double, TestBackend> pass;
    const auto y = pool.forward(b, Array<4>(b, extents, x), pass);
    const std::size_t rows = y.extent(1), cols = y.extent(2);
    CHECK(rows == (k.h + 2 * k.padding - k.size) / k.stride + 1);
    CHECK(cols == (k.w + 2 * k.padding - k.size) / k.stride + 1);
    std::vector<double> wanted(y.size(), -2);
    for (std::size_t i = 0; i < x.size(); ++i) {  // each pixel into the windows that hold it
      const std::size_t ch = i % c, w = i / c % k.w + k.padding, h = i / c / k.w % k.h + k.padding,
                        image = i / c / k.w / k.h;
      for (std::size_t p = 0; p < rows; ++p)
        for (std::size_t q = 0; q < cols; ++q)
          if (h >= p * k.stride && h < p * k.stride + k.size && w >= q * k.stride && w < q * k.stride + k.size) {
            double& best = wanted[((image * rows + p) * cols + q) * c + ch];
            best = std::max(best, x[i]);
          }
    }
    CHECK(y.to_host(b) == wanted);
    check_gradients(
        ParameterTable(), extents.size(),
        [&](auto& backend, const std::vector<double>& values, auto& at) {
          return pool.forward(backend, Array<4>(backend, extents, values), at);
        },
        [&](auto& backend, const auto& dy, auto& at) { return pool.backward(backend, dy, at).to_host(backend); });
  }
}

TEST_CASE("a pass keeps nothing of what was pooled but its extents") {
  TestBackend b;
  constexpr Extents<4> in{{2, 64, 64, 4}}, out{{2, 32, 32, 4}};
  const auto wanted = [&] {
    const Array<4, float> y(b, out);
    const Tensor<std::uint32_t, 4, TestBackend> from(b, out);
    return b.pool().used();
  }();
  Pass<float, TestBackend> pass;
  const auto y = MaxPool(2, Conv2d{2, 0}).forward(b, Array<4, float>(b, in), pass);
  CHECK(b.pool().used() == wanted);
  const auto mean = GlobalAveragePool().forward(b, Array<4, float>(b, in), pass);
  CHECK(b.pool().used() < wanted + in.size());
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  Pass<float, TestBackend> pass;
  const MaxPool pool(3, Conv2d{2, 1});
  CHECK_THROWS_WITH_AS(MaxPool(2, Conv2d{2, 2}), "MaxPool: padding must be at most half the window of 2, got 2",
                       ConfigError);
  CHECK_THROWS_WITH_AS(MaxPool(3, Conv2d{1, 0}).forward(b, Array<4, float>(b, {{1, 2, 5, 4}}), pass),
                       "conv2d: filter [4, 3, 3, 4] with stride 1 does not fit [1, 2, 5, 4] padded by 0", ShapeError);
  CHECK_THROWS_WITH_AS(pool.forward(b, Array<4, float>({nullptr, {{1, 1u << 16, 1u << 16, 1}}}, nullptr), pass),
                       "MaxPool: x must have fewer than 2^32 elements, got [1, 65536, 65536, 1]", ShapeError);
  pool.forward(b, Array<4, float>(b, {{1, 5, 5, 2}}), pass);
  CHECK_THROWS_WITH_AS(pool.backward(b, Array<4, float>(b, {{1, 3, 2, 2}}), pass),
                       "MaxPool::backward: dy must be [1, 3, 3, 2], got [1, 3, 2, 2]", ShapeError);
  const GlobalAveragePool average;
  average.forward(b, Array<4, float>(b, {{1, 5, 5, 2}}), pass);
  CHECK_THROWS_WITH_AS(average.backward(b, Array<2, float>(b, {{1, 3}}), pass),
                       "GlobalAveragePool::backward: dy must be [1, 2], got [1, 3]", ShapeError);
}
