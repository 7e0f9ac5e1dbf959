#include <lotar/core/backend.hpp>

#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

#include <lotar/core/math.hpp>
#include <lotar/core/pack.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

using Memory = TestBackend::Memory;

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, TestBackend>;

const std::size_t sizes[] = {0, 1, 2, 15, 31, 32, 33, 64, 65, 511, 1000, 5003};

std::vector<double> wave(std::size_t n) {
  std::vector<double> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = std::sin(.7 * static_cast<double>(i)) + .01;
  return v;
}

/// out(i, j) += 1 for each j, by both forms of for_each.
struct Count {
  View<std::uint32_t, 2, Memory> out;
  std::size_t cols;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    block.for_each(out.extent(1), [&](std::size_t j) { out(i, j) += 1; });
    block.for_each(out.extent(1) / cols, cols, [&](std::size_t r, std::size_t c) { out(i, r * cols + c) += 10; });
  }
};

/// Every item of out gets the sum of x, so that every thread shows its own.
template <class T>
struct Sum {
  View<const T, 1, Memory> x;
  View<T, 1, Memory> out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const T sum = block.reduce(
        x.size(), T(0), [&](std::size_t i) { return x(i); }, [](T a, T b) { return a + b; });
    const T again = block.reduce(
        x.size(), T(0), [&](std::size_t i) { return x(i); }, [](T a, T b) { return a + b; });
    block.for_each(out.size(), [&](std::size_t i) { out(i) = sum == again ? sum : T(-1); });
  }
};

struct Place {
  double value;
  std::uint32_t index;
};

/// The greatest value and its place: a reduction over a struct of 16 bytes.
struct ArgMax {
  View<const double, 1, Memory> x;
  View<Place, 1, Memory> out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const Place best = block.reduce(
        x.size(), Place{-1e300, 0},
        [&](std::size_t j) {
          return Place{x(j), static_cast<std::uint32_t>(j)};
        },
        [](Place a, Place b) { return b.value > a.value ? b : a; });
    if (block.leader()) out(i) = best;
  }
};

template <class T>
struct ColumnSums {
  View<const T, 2, Memory> x;
  View<T, 1, Memory> out, reversed;  // the latter by other threads than those that have the sums
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    const std::size_t cols = x.extent(1);
    block.sum_columns(
        x.extent(0), cols, [&](std::size_t r, std::size_t c) { return x(r, c); }, out.data);
    block.for_each(cols, [&](std::size_t c) { reversed(c) = out(cols - 1 - c); });
  }
};

/// Sums of x and of its squares, one column or a pack of columns at a time.
template <class T>
struct Powers {
  View<const T, 2, Memory> x;
  View<T, 1, Memory> sums, squares;
  static constexpr std::size_t width = pack_width<T>;

  LOTAR_FN Pair<T> operator()(std::size_t r, std::size_t c) const { return {x(r, c), x(r, c) * x(r, c)}; }
  LOTAR_FN bool is_aligned() const { return x.extent(1) % width == 0 && are_aligned(x.data); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [x = x, c](std::size_t r) {
      Pair<Pack<T, width>> both{load_pack<width>(x.data + r * x.extent(1) + c), {}};
      for (std::size_t k = 0; k < width; ++k) both.second[k] = both.first[k] * both.first[k];
      return both;
    };
  }
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    block.sum_columns(x.extent(0), x.extent(1), *this, sums.data, squares.data);
  }
};

/// out(i, j) = i + j squared, by way of two arrays that another thread wrote.
struct Scratch {
  View<float, 2, Memory> out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const std::size_t n = out.extent(1);
    double* squares = block.template scratch<double>(n);
    std::uint8_t* bytes = block.template scratch<std::uint8_t>(n);
    block.for_each(n, [&](std::size_t j) { squares[j] = static_cast<double>(i) + static_cast<double>(j * j); });
    block.for_each(n, [&](std::size_t j) { bytes[n - 1 - j] = static_cast<std::uint8_t>(j % 100); });
    block.for_each(n, [&](std::size_t j) {
      const std::size_t k = n - 1 - j;
      out(i, k) = bytes[j] == k % 100 ? static_cast<float>(squares[k]) : -1;
    });
  }
  static std::size_t bytes(std::size_t n) { return scratch_size<double>(n) + scratch_size<std::uint8_t>(n); }
};

/// The same, of scratch that is more than a GPU's shared memory, of which both ends are used.
struct LargeScratch {
  View<float, 2, Memory> out;
  static constexpr std::size_t between = std::size_t{300} << 10;
  static constexpr bool large_scratch = true;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    const std::size_t n = out.extent(1);
    float* const first = block.template scratch<float>(n);
    block.template scratch<std::uint8_t>(between);
    block.for_each(n, [&](std::size_t j) { first[n - 1 - j] = static_cast<float>(i); });
    Scratch{out}(block, i);
    block.for_each(n, [&](std::size_t j) { out(i, j) += first[j]; });
  }
  static std::size_t bytes(std::size_t n) { return scratch_size<float>(n) + between + Scratch::bytes(n); }
};

/// @tparam large  of scratch that may be more than a GPU's shared memory
template <bool large>
struct FreshScratch {
  static constexpr bool large_scratch = large;
  View<float, 2, Memory> out;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t i) const {
    float* fresh = block.template scratch<float>(out.extent(1));
    block.for_each(out.extent(1), [&](std::size_t j) { out(i, j) = fresh[j]; });
    block.for_each(out.extent(1), [&](std::size_t j) { fresh[j] = 0; });  // not what the next work item finds
  }
};

template <class T>
struct Tally {
  View<T, 1, Memory> counters;  // items, leaders, odd numbers
  std::size_t n;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    block.for_each(n, [&](std::size_t j) {
      block.add(&counters(0), T(1));
      if (j % 2 == 1) block.add(&counters(2), static_cast<T>(j));
    });
    if (block.leader()) block.add(&counters(1), T(1));
  }
};

}  // namespace

TEST_CASE("for_each of a block meets every index of every work item once") {
  TestBackend b;
  for (const std::size_t items : {0u, 1u, 7u, 300u})
    for (const std::size_t cols : {1u, 5u, 96u, 200u}) {
      const Array<std::uint32_t, 2> out(b, {items, 600});
      b.fill(out.view(), 0);
      b.for_each_block(items, Work{600}, Count{out, cols});
      const auto host = out.to_host(b);
      for (std::size_t i = 0; i < host.size(); ++i) REQUIRE(host[i] == (i % 600 < 600 / cols * cols ? 11 : 1));
      CHECK(host.size() == items * 600);
    }
}

TEST_CASE("more work items than a grid has blocks") {
  TestBackend b;
  const std::size_t items = std::string_view(b.name) == "lockstep" ? 701 : 70001;  // it has no bound, and slow barriers
  const Array<float, 2> out(b, {items, 3});
  b.for_each_block(items, Work{3, Scratch::bytes(3)}, Scratch{out});
  const auto host = out.to_host(b);
  for (std::size_t i = 0; i < host.size(); ++i) REQUIRE(host[i] == static_cast<float>(i / 3 + (i % 3) * (i % 3)));
}

TEST_CASE_TEMPLATE("reduce gives every thread the sum", T, float, double) {
  TestBackend b;
  for (const std::size_t n : sizes) {
    const auto values = wave(n);
    double wanted = 0;
    for (const double v : values) wanted += static_cast<double>(static_cast<T>(v));
    const Array<T> x(b, {n}, std::vector<T>(values.begin(), values.end())), out(b, {700});
    b.for_each_block(1, Work{n}, Sum<T>{x, out});
    const auto host = out.to_host(b);
    CHECK(static_cast<double>(host[0]) == doctest::Approx(wanted).epsilon(sizeof(T) == 4 ? 1e-5 : 1e-13));
    CHECK(host == std::vector<T>(700, host[0]));
    b.for_each_block(1, Work{n}, Sum<T>{x, out});
    CHECK(out.to_host(b)[0] == host[0]);  // the same bits
  }
}

TEST_CASE("reduce over a struct with an operation of one's own") {
  TestBackend b;
  for (const std::size_t n : sizes) {
    const auto values = wave(n);
    Place wanted{-1e300, 0};
    for (std::size_t i = 0; i < n; ++i)
      if (values[i] > wanted.value) wanted = {values[i], static_cast<std::uint32_t>(i)};
    const Array<double> x(b, {n}, values);
    const Array<Place> out(b, {3});
    b.for_each_block(3, Work{n}, ArgMax{x, out});
    for (const Place& got : out.to_host(b)) {
      CHECK(got.value == wanted.value);
      CHECK(got.index == wanted.index);
    }
  }
}

TEST_CASE_TEMPLATE("sum_columns", T, float, double) {
  TestBackend b;
  for (const std::size_t rows : {0u, 1u, 2u, 37u, 300u})
    for (const std::size_t cols : {0u, 1u, 3u, 16u, 33u, 64u, 130u, 1000u}) {
      const auto values = wave(rows * cols);
      std::vector<double> wanted(cols);
      for (std::size_t i = 0; i < values.size(); ++i)
        wanted[i % cols] += static_cast<double>(static_cast<T>(values[i]));
      const Array<T, 2> x(b, {rows, cols}, std::vector<T>(values.begin(), values.end()));
      const Array<T> out(b, {cols}), again(b, {cols}), reversed(b, {cols});
      b.for_each_block(1, Work{rows * cols}, ColumnSums<T>{x, out, reversed});
      b.for_each_block(1, Work{rows * cols}, ColumnSums<T>{x, again, reversed});
      const auto host = out.to_host(b);
      for (std::size_t c = 0; c < cols; ++c)
        REQUIRE(std::abs(static_cast<double>(host[c]) - wanted[c]) <= (sizeof(T) == 4 ? 1e-4 : 1e-12));
      CHECK(host == again.to_host(b));
      CHECK(reversed.to_host(b) == std::vector<T>(host.rbegin(), host.rend()));
    }
}

TEST_CASE_TEMPLATE("sum_columns of two values at once, wide or not", T, float, double) {
  TestBackend b;
  for (const std::size_t rows : {0u, 1u, 37u, 600u})
    for (const std::size_t cols : {1u, 3u, 4u, 8u, 32u, 64u, 130u, 256u, 1024u, 2500u})
      for (const std::size_t offset : {0u, 1u}) {
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(offset);
        const auto values = wave(rows * cols + offset);
        std::vector<double> sum(cols), square(cols);
        for (std::size_t i = 0; i < rows * cols; ++i) {
          const auto v = static_cast<double>(static_cast<T>(values[i + offset]));
          sum[i % cols] += v;
          square[i % cols] += v * v;
        }
        const Array<T> x(b, {rows * cols + offset}, std::vector<T>(values.begin(), values.end()));
        const Array<T> sums(b, {cols}), squares(b, {cols});
        const View<const T, 2, Memory> from(x.data + offset, {rows, cols});
        b.for_each_block(1, Work{rows * cols}, Powers<T>{from, sums, squares});
        const auto first = sums.to_host(b), second = squares.to_host(b);
        for (std::size_t c = 0; c < cols; ++c) {
          REQUIRE(std::abs(static_cast<double>(first[c]) - sum[c]) <= (sizeof(T) == 4 ? 1e-4 : 1e-12));
          REQUIRE(std::abs(static_cast<double>(second[c]) - square[c]) <=
                  (sizeof(T) == 4 ? 2e-6 : 1e-14) * (1 + square[c]));
        }
      }
}

TEST_CASE("threads read what others wrote to scratch") {
  TestBackend b;
  for (const std::size_t n : {1u, 50u, 257u, 6000u}) {  // the last is more than 48 KiB
    const Array<float, 2> out(b, {5, n});
    b.for_each_block(5, Work{n, Scratch::bytes(n)}, Scratch{out});
    const auto host = out.to_host(b);
    for (std::size_t i = 0; i < host.size(); ++i)
      REQUIRE(host[i] == static_cast<float>(static_cast<double>(i / n + (i % n) * (i % n))));
  }
}

TEST_CASE("scratch may be more than a GPU's shared memory") {
  constexpr std::size_t items = 700, n = 70;  // more than run at a time
  TestBackend b;
  const Array<float, 2> out(b, {items, n});
  auto step = b.record([&] { b.for_each_block(items, Work{n, LargeScratch::bytes(n)}, LargeScratch{out}); });
  for (int call = 0; call < 4; ++call) {
    b.fill(out.view(), 0);
    step();
    const auto host = out.to_host(b);
    for (std::size_t i = 0; i < host.size(); ++i)
      REQUIRE(host[i] == static_cast<float>(static_cast<double>(2 * (i / n) + (i % n) * (i % n))));
  }
}

TEST_CASE("poisoned scratch is NaN for each work item") {
  TestBackend b({.poison_allocations = true});
  const Array<float, 2> out(b, {700, 77});
  const auto check = [&](std::size_t bytes, const auto& kernel) {
    b.fill(out.view(), 0);
    b.for_each_block(700, Work{77, bytes}, kernel);
    for (const float v : out.to_host(b)) REQUIRE(std::isnan(v));
  };
  check(scratch_size<float>(77), FreshScratch<false>{out});
  check(std::size_t{300} << 10, FreshScratch<true>{out});
}

TEST_CASE_TEMPLATE("add and leader", T, std::uint32_t, std::int32_t, std::uint64_t) {
  TestBackend b;
  const Array<T> counters(b, {3});
  b.fill(counters.view(), 0);
  b.for_each_block(100, Work{301}, Tally<T>{counters, 301});
  const auto host = counters.to_host(b);
  CHECK(host[0] == 30100);
  CHECK(host[1] == 100);
  CHECK(host[2] == 100 * 150 * 150);  // 1 + 3 + ... + 299
}
