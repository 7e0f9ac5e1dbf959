#include <lotar/nn/batch_norm.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "../worst.hpp"
#include "layers.hpp"

using namespace lotar;

namespace {

/// One layer with gamma = 1.5, .5, ... and beta noise, in training: its output, gradients and running statistics.
struct Result {
  std::vector<double> y, dx, dresidual, dgamma, dbeta, running_mean, running_var;
};

/// Noise that bf16 holds without rounding.
double held(std::size_t salt, std::size_t i) {
  return static_cast<double>(static_cast<float>(bf16(static_cast<float>(noise(salt, i)))));
}
std::vector<double> held_values(std::size_t n, std::size_t salt) {
  std::vector<double> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = held(salt, i);
  return values;
}

template <class T>
Result run(std::size_t rows, std::size_t cols, const std::vector<double>& x, bool relu, bool residual) {
  using A = Accum<T>;
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", cols, relu);
  NetworkState<T, TestBackend> state(b, table, 1);
  const Parameter &gamma = table.parameters()[0], &beta = table.parameters()[1];
  std::vector<A> values(table.size(), A(0));
  for (std::size_t c = 0; c < cols; ++c) {
    values[gamma.offset + c] = static_cast<A>(c % 2 ? .5 : 1.5);
    values[beta.offset + c] = static_cast<A>(noise(5, c));
  }
  b.upload(values, state.values.flat());
  const auto narrow = [](const std::vector<double>& from) {
    std::vector<T> to;
    for (const double v : from) to.push_back(static_cast<T>(static_cast<A>(v)));
    return to;
  };
  const auto wide = [](const auto& from) {
    std::vector<double> to;
    for (const auto v : from) to.push_back(static_cast<double>(static_cast<A>(v)));
    return to;
  };
  auto pass = state.pass(b, true);
  const Extents<2> extents{{rows, cols}};
  Array<2, T> r;
  if (residual) r = Array<2, T>(b, extents, narrow(held_values(rows * cols, 6)));
  const auto y = norm.forward(b, Array<2, T>(b, extents, narrow(x)), pass, r);
  Result result;
  result.y = wide(y.to_host(b));
  const Array<2, T> dy(b, extents, narrow(held_values(rows * cols, 7)));
  result.dx = wide(norm.backward(b, dy, pass).to_host(b));
  result.dresidual = wide(dy.to_host(b));
  const auto gradients = state.gradients.to_host(b), statistics = state.statistics.to_host(b);
  result.dgamma = wide(part(gradients, gamma));
  result.dbeta = wide(part(gradients, beta));
  result.running_mean = wide(part(statistics, table.statistics()[0]));
  result.running_var = wide(part(statistics, table.statistics()[1]));
  CHECK(pass.tape.empty());
  return result;
}

/// The same by plain loops, in double.
Result plain(std::size_t rows, std::size_t cols, const std::vector<double>& x, bool relu, bool residual) {
  Result e;
  e.y.resize(x.size()), e.dx.resize(x.size()), e.dresidual.resize(x.size());
  const double n = static_cast<double>(rows);
  for (std::size_t c = 0; c < cols; ++c) {
    const double gamma = c % 2 ? .5 : 1.5, beta = noise(5, c);
    double mean = 0, square = 0, dbeta = 0, dgamma = 0;
    for (std::size_t r = 0; r < rows; ++r) mean += x[r * cols + c] / n;
    for (std::size_t r = 0; r < rows; ++r) square += (x[r * cols + c] - mean) * (x[r * cols + c] - mean);
    const double deviation = std::sqrt(square / n + 1e-5);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * cols + c;
      const double xhat = (x[i] - mean) / deviation;
      const double sum = gamma * xhat + beta + (residual ? held(6, i) : 0);
      e.y[i] = relu && sum < 0 ? 0 : sum;
      e.dresidual[i] = relu && sum < 0 ? 0 : held(7, i);
      dbeta += e.dresidual[i];
      dgamma += e.dresidual[i] * xhat;
    }
    for (std::size_t r = 0; r < rows; ++r) {
      const std::size_t i = r * cols + c;
      const double xhat = (x[i] - mean) / deviation;
      e.dx[i] = gamma / deviation * (e.dresidual[i] - dbeta / n - xhat * dgamma / n);
    }
    e.dgamma.push_back(dgamma), e.dbeta.push_back(dbeta);
    e.running_mean.push_back(.1 * mean);
    e.running_var.push_back(.9 + .1 * square / (n - 1));
  }
  return e;
}

void check_equal(const std::vector<double>& got, const std::vector<double>& wanted, double epsilon) {
  REQUIRE(got.size() == wanted.size());
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = worst_of(worst, std::abs(got[i] - wanted[i]));
  CHECK(worst <= epsilon);
}

}  // namespace

TEST_CASE("training gives each channel mean beta and deviation gamma; a constant channel is beta") {
  const std::size_t rows = 600, cols = 3;
  auto x = noise_values(rows * cols, 1);
  for (std::size_t r = 0; r < rows; ++r) x[r * cols + 1] = 3;
  const Result r = run<double>(rows, cols, x, false, false);
  for (std::size_t c = 0; c < cols; ++c) {
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < rows; ++i) mean += r.y[i * cols + c] / rows;
    for (std::size_t i = 0; i < rows; ++i) square += std::pow(r.y[i * cols + c] - mean, 2) / rows;
    CHECK(mean == doctest::Approx(noise(5, c)).epsilon(1e-12));
    CHECK(std::sqrt(square) == doctest::Approx(c == 1 ? 0 : 1.5).epsilon(1e-4));  // epsilon's part: 1.5e-5
  }
  CHECK(r.running_mean[1] == doctest::Approx(.3));
  CHECK(r.running_var[1] == doctest::Approx(.9));
}

TEST_CASE_TEMPLATE("all of it agrees with plain loops", T, double, float) {
  // One tile of rows and several, with a rest; strips of columns with a rest.
  const std::size_t shapes[][2] = {{2, 1}, {7, 5}, {256, 64}, {257, 65}, {1000, 70}, {2500, 16}, {70, 512}};
  const double epsilon = std::is_same_v<T, float> ? 2e-5 : 1e-12;
  for (const auto& shape : shapes)
    for (const bool relu : {false, true})
      for (const bool residual : {false, true}) {
        const std::size_t rows = shape[0], cols = shape[1];
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(relu);
        CAPTURE(residual);
        const auto x = noise_values(rows * cols, 1);
        const Result got = run<T>(rows, cols, x, relu, residual), wanted = plain(rows, cols, x, relu, residual);
        check_equal(got.y, wanted.y, epsilon);
        check_equal(got.dx, wanted.dx,
                    epsilon * (rows == 2 ? 100 : 1));  // two rows: differences of nearly equal numbers
        if (residual) check_equal(got.dresidual, wanted.dresidual, 1e-15);
        check_equal(got.dgamma, wanted.dgamma, epsilon * 10);
        check_equal(got.dbeta, wanted.dbeta, epsilon * 10);
        check_equal(got.running_mean, wanted.running_mean, epsilon);
        check_equal(got.running_var, wanted.running_var, epsilon);
      }
}

TEST_CASE_TEMPLATE("a byte has of each value of a pack whether a ReLU lets it through", T, double, float, bf16) {
  using Mask = detail::ReluMask<T>;
  const double values[] = {1, 0, -1, std::nan(""), 0x1p-126, -0., INFINITY, -INFINITY};
  for (std::size_t first = 0; first < 8; first += Mask::width) {
    Pack<T, Mask::width> pack;
    for (std::size_t k = 0; k < Mask::width; ++k) pack[k] = static_cast<T>(static_cast<Accum<T>>(values[first + k]));
    const std::uint8_t bytes[] = {0xFF, Mask::of(pack)};
    for (std::size_t k = 0; k < Mask::width; ++k)
      CHECK(Mask::passes(bytes, Mask::width + k) == (values[first + k] > 0));
  }
}

TEST_CASE("a gradient that begins at any value passes a residual's ReLU alike") {
  using Matrix = Array<2, double>;
  TestBackend b;
  ParameterTable table;
  const std::size_t rows = 9, cols = 8;
  const BatchNorm norm(table, "bn", cols, true);
  NetworkState<double, TestBackend> state(b, table, 1);
  const std::vector<double> dy = noise_values(rows * cols, 3);
  std::vector<std::vector<double>> results;
  for (const std::size_t begin : {0u, 1u}) {
    auto pass = state.pass(b, true);
    norm.forward(b, Matrix(b, {rows, cols}, noise_values(rows * cols, 1)), pass,
                 Matrix(b, {rows, cols}, noise_values(rows * cols, 2)));
    const Array<1, double> memory(b, {{rows * cols + 1}});
    const Matrix gradient(memory.rows(begin, rows * cols).reshape(Extents<2>{{rows, cols}}), memory.memory());
    b.upload(dy, gradient.flat());
    results.push_back(norm.backward(b, gradient, pass).to_host(b));
    results.push_back(gradient.to_host(b));
  }
  check_equal(results[2], results[0], 1e-14);
  CHECK(results[3] == results[1]);
  CHECK(results[1] != dy);
}

TEST_CASE("tiles are taller where there are many rows") {
  CHECK(detail::NormTiles(524288, 64).height == 256);
  CHECK(detail::NormTiles(524289, 64).height == 257);
  CHECK(detail::NormTiles(std::size_t{1} << 21, 64).height == 512);
  const std::size_t rows = 524289, cols = 1;
  const auto x = noise_values(rows * cols, 1);
  const Result got = run<double>(rows, cols, x, true, false), wanted = plain(rows, cols, x, true, false);
  check_equal(got.y, wanted.y, 1e-12);
  check_equal(got.dx, wanted.dx, 1e-12);
  check_equal(got.running_mean, wanted.running_mean, 1e-12);
  check_equal(got.running_var, wanted.running_var, 1e-12);
}

TEST_CASE("a large mean costs no digits") {
  const std::size_t rows = 700, cols = 2;
  auto x = noise_values(rows * cols, 1);
  for (double& v : x) v = static_cast<float>(v + 4096);  // float: steps of 2^-11
  const Result got = run<float>(rows, cols, x, false, false), wanted = plain(rows, cols, x, false, false);
  check_equal(got.y, wanted.y, 2e-3);  // the mean itself has an error of half a step, .00024, over a deviation of .58
  check_equal(got.running_var, wanted.running_var, 1e-5);  // a tenth of what that error times a tile's mean, .1, gives
}

TEST_CASE("bf16 is read and written, and all sums are of floats") {
  const std::size_t rows = 300;
  for (const std::size_t cols : {17u, 32u})
    for (const bool relu : {false, true})
      for (const bool residual : {false, true}) {
        CAPTURE(cols);
        CAPTURE(relu);
        CAPTURE(residual);
        const std::vector<double> x = held_values(rows * cols, 1);
        const Result got = run<bf16>(rows, cols, x, relu, residual), wanted = plain(rows, cols, x, relu, residual);
        check_equal(got.y, wanted.y, (residual ? 8 : 4) * 0x1p-9 + 1e-5);  // |y| < 8 and 4, rounded to 8 bits
        check_equal(got.running_mean, wanted.running_mean, 1e-6);
        check_equal(got.running_var, wanted.running_var, 1e-6);
        check_equal(got.dx, wanted.dx, 8 * 0x1p-9 + 1e-5);  // |dx| < 8
        if (residual) check_equal(got.dresidual, wanted.dresidual, 1e-15);
      }
}

TEST_CASE("gradients match central differences") {
  for (const bool relu : {false, true})
    for (const bool residual : {false, true}) {
      ParameterTable table;
      const BatchNorm norm(table, "bn", 3, relu);
      const Extents<2> extents{{5, 3}};
      check_gradients(
          table, residual ? 30 : 15,
          [&](auto& b, const std::vector<double>& v, auto& pass) {
            Array<2> r;
            if (residual) r = Array<2>(b, extents, std::vector<double>(v.begin() + 15, v.end()));
            return norm.forward(b, Array<2>(b, extents, std::vector<double>(v.begin(), v.begin() + 15)), pass, r);
          },
          [&](auto& b, const auto& dy, auto& pass) {
            auto all = norm.backward(b, dy, pass).to_host(b);
            if (residual)
              for (const double d : dy.to_host(b)) all.push_back(d);
            return all;
          });
    }
}

TEST_CASE_TEMPLATE("evaluation uses the running statistics and changes nothing", T, float, double) {
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 2, true);
  NetworkState<T, TestBackend> state(b, table, 1);
  std::vector<T> statistics(table.statistics_size(), T(0));
  for (std::size_t c = 0; c < 2; ++c) {
    statistics[table.statistics()[0].offset + c] = static_cast<T>(c + 1);
    statistics[table.statistics()[1].offset + c] = static_cast<T>(4 - 1e-5);
  }
  b.upload(statistics, state.statistics.flat());
  auto pass = state.pass(b, false);
  const auto y = norm.forward(b, Array<2, T>(b, {{1, 2}}, std::vector<T>{7, -2}), pass).to_host(b);  // one row will do
  CHECK(y[0] == doctest::Approx(3).epsilon(1e-6));
  CHECK(y[1] == 0);
  CHECK(pass.tape.empty());
  CHECK(state.statistics.to_host(b) == statistics);
}

TEST_CASE("NaN passes through the ReLU") {
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 1, true);
  NetworkState<float, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  for (const float y : norm.forward(b, Array<2, float>(b, {{2, 1}}, std::vector<float>{NAN, 1}), pass).to_host(b))
    CHECK(std::isnan(y));
}

TEST_CASE("parameters and statistics are declared as PyTorch has them") {
  ParameterTable table;
  const BatchNorm norm(table, "bn1", 4, true);
  REQUIRE(table.parameters().size() == 2);
  REQUIRE(table.statistics().size() == 2);
  const char* const names[] = {"bn1.weight", "bn1.bias"};
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(table.parameters()[i].name == names[i]);
    CHECK(table.parameters()[i].shape == std::vector<std::size_t>{4});
    CHECK(table.parameters()[i].kind == ParameterKind::norm);
    CHECK(table.parameters()[i].init.scale == (i == 0 ? 1 : 0));
  }
  CHECK(table.statistics()[0].name == "bn1.running_mean");
  CHECK(table.statistics()[1].name == "bn1.running_var");
}

TEST_CASE("the rows of one process are synchronized with nobody's: one alone has no variance") {
  OneRank b;
  TestBackend plain;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 1, false);
  NetworkState<float, OneRank> state(b, table, 1);
  NetworkState<float, TestBackend> plain_state(plain, table, 1);
  auto pass = state.pass(b, true);
  pass.synchronized = true;
  CHECK_THROWS_WITH_AS(norm.forward(b, Tensor<float, 2, OneRank>(b, {{1, 1}}), pass),
                       "BatchNorm: x must be [M, 1] with M >= 2, got [1, 1]", ShapeError);
  auto plain_pass = plain_state.pass(plain, true);
  const std::vector<float> x{1, 2, 6}, dy{1, -1, 2};
  const auto y = norm.forward(b, Tensor<float, 2, OneRank>(b, {{3, 1}}, x), pass);
  const auto dx = norm.backward(b, Tensor<float, 2, OneRank>(b, {{3, 1}}, dy), pass);
  CHECK(y.to_host(b) == norm.forward(plain, Array<2, float>(plain, {{3, 1}}, x), plain_pass).to_host(plain));
  CHECK(dx.to_host(b) == norm.backward(plain, Array<2, float>(plain, {{3, 1}}, dy), plain_pass).to_host(plain));
  CHECK(state.statistics.to_host(b) == plain_state.statistics.to_host(plain));
}

TEST_CASE("moments that are given are not taken again, nor by one of several processes") {
  const std::size_t rows = 23, cols = 3, height = 5, parts = 5;
  const std::vector<double> x = noise_values(rows * cols, 1);
  std::vector<double> mean(parts * cols), squares(parts * cols), counts(parts, 5.);
  counts.back() = 3;
  for (std::size_t p = 0; p < parts; ++p)
    for (std::size_t c = 0; c < cols; ++c) {
      const std::size_t first = p * height, last = std::min(rows, first + height);
      double &m = mean[p * cols + c], &sq = squares[p * cols + c];
      for (std::size_t r = first; r < last; ++r) m += x[r * cols + c] / static_cast<double>(last - first);
      for (std::size_t r = first; r < last; ++r) sq += (x[r * cols + c] - m) * (x[r * cols + c] - m);
    }
  const auto run_on = [&](auto& b, const std::vector<double>& values, bool given, bool synchronized) {
    using B = std::decay_t<decltype(b)>;
    ParameterTable table;
    const BatchNorm norm(table, "bn", cols, true);
    NetworkState<double, B> state(b, table, 1);
    auto pass = state.pass(b, true);
    pass.synchronized = synchronized;
    const Tensor<double, 2, B> m(b, {{parts, cols}}, mean), sq(b, {{parts, cols}}, squares);
    const Tensor<double, 1, B> n(b, {{parts}}, counts);
    ColumnMoments<double, typename B::Memory> moments;
    if (given) moments = {m, sq, n};
    const auto y = norm.forward(b, Tensor<double, 2, B>(b, {{rows, cols}}, values), pass, {}, moments);
    return std::pair(y.to_host(b), state.statistics.to_host(b));
  };
  TestBackend b;
  OneRank rank;
  const auto wanted = run_on(b, x, false, false), given = run_on(b, x, true, false),
             shared = run_on(rank, x, true, true);
  check_equal(given.first, wanted.first, 1e-14), check_equal(given.second, wanted.second, 1e-14);
  check_equal(shared.first, wanted.first, 1e-14), check_equal(shared.second, wanted.second, 1e-14);
  const std::vector<double> zeros(rows * cols, 0.);  // of another x, since it is not read for them
  CHECK(run_on(b, zeros, true, false).second == given.second);
}

TEST_CASE("what does not fit is refused") {
  TestBackend b;
  ParameterTable table;
  const BatchNorm norm(table, "bn", 3, true);
  NetworkState<float, TestBackend> state(b, table, 1);
  auto train = state.pass(b, true), evaluate = state.pass(b, false);
  const Array<2, float> x(b, {{4, 3}});
  CHECK_THROWS_WITH_AS(norm.forward(b, Array<2, float>(b, {{4, 2}}), evaluate),
                       "BatchNorm: x must be [M, 3], got [4, 2]", ShapeError);
  CHECK_THROWS_WITH_AS(norm.forward(b, Array<2, float>(b, {{1, 3}}), train),
                       "BatchNorm: x must be [M, 3] with M >= 2, got [1, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(norm.forward(b, x.share(), train, Array<2, float>(b, {{4, 4}})),
                       "BatchNorm: residual must be [4, 3], got [4, 4]", ShapeError);
  const Array<2, float> two(b, {{2, 3}}), one(b, {{1, 3}});
  const Array<1, float> counts(b, {{2}});
  CHECK_THROWS_WITH_AS(norm.forward(b, x.share(), train, {}, {one, two, counts}),
                       "BatchNorm: moments.mean must be [2, 3], got [1, 3]", ShapeError);
  CHECK_THROWS_WITH_AS(norm.forward(b, x.share(), train, {}, {two, one, counts}),
                       "BatchNorm: moments.squares must be [2, 3], got [1, 3]", ShapeError);
  norm.forward(b, x.share(), train);
  CHECK_THROWS_WITH_AS(norm.backward(b, Array<2, float>(b, {{5, 3}}), train),
                       "BatchNorm::backward: dy must be [4, 3], got [5, 3]", ShapeError);
}
