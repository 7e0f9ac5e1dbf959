#include <lotar/backend/cpu.hpp>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"
#include "convolution.hpp"

using namespace lotar;

namespace {

static_assert(Backend<Cpu> && ConvBackend<Cpu> && ConvMomentsBackend<Cpu> && ConvInputBackend<Cpu>);
static_assert(BlockOf<Cpu::Block>);

template <class T, std::size_t N>
using Array = Tensor<T, N, Cpu>;

Cpu cpu(int threads, bool bf16_products = true) {
  return Cpu(CpuOptions{.threads = threads, .poison_allocations = true, .bf16_products = bf16_products});
}

/// Runs f on one thread, and requires the same result of 2, 3, 4 and 8. @return it
template <class F>
auto same_for_any_threads(const F& f, bool bf16_products = true) {
  const auto one = f(cpu(1, bf16_products));
  for (const int threads : {2, 3, 4, 8}) {
    CAPTURE(threads);
    CHECK((f(cpu(threads, bf16_products)) == one));  // not expanded: these are long
  }
  return one;
}

/// Sums of a block over values of mixed size, so that another order gives other bits.
struct BlockSums {
  View<const float, 2, CpuMemory> x;
  View<float, 2, CpuMemory> out;
  template <class Block>
  void operator()(Block& block, std::size_t i) const {
    float* const columns = block.template scratch<float>(10);
    const std::size_t cols = x.extent(1);
    const auto value = [&](std::size_t j) { return x(i, j); };
    out(i, 0) = block.reduce(cols, 0.f, value, [](float a, float b) { return a + b; });
    block.sum_columns(
        cols / 10, 10, [&](std::size_t r, std::size_t c) { return x(i, r * 10 + c); }, columns);
    block.for_each(10, [&](std::size_t c) { out(i, 1 + c) = columns[c]; });
  }
};

}  // namespace

TEST_CASE("the number of threads") {
  CHECK(Cpu({.threads = 1}).threads() == 1);
  CHECK(Cpu({.threads = 3}).threads() == 3);
  CHECK(Cpu().threads() >= 1);
  CHECK(Cpu({.threads = 3}).fork().threads() == 3);
  CHECK_THROWS_WITH_AS(Cpu({.threads = -1}), "Cpu: threads must be in [0, 1024], got -1", ConfigError);
  CHECK_THROWS_WITH_AS(Cpu({.threads = 1025}), "Cpu: threads must be in [0, 1024], got 1025", ConfigError);
}

TEST_CASE("a context has all its threads beside one of fewer") {
  const int cores = Cpu().threads(), threads = cores + 6;
  const Cpu fewer = cpu(cores + 1);
  Cpu b = cpu(threads);
  std::atomic<int> there = 0, met = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  b.for_each_block(static_cast<std::size_t>(threads), Work{100000}, [&](auto&, std::size_t) {
    ++there;
    while (there < threads && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    met += there == threads;
  });
  CHECK(met == threads);
}

TEST_CASE("one thread is the caller's") {
  Cpu b = cpu(1);
  const Array<std::uint8_t, 1> own(b, {100000});
  const auto caller = std::this_thread::get_id();
  b.for_each(own.size(), [&](std::size_t i) { own(i) = std::this_thread::get_id() == caller; });
  CHECK((own.to_host(b) == std::vector<std::uint8_t>(own.size(), 1)));
}

TEST_CASE("an exception of a loop's body reaches the caller, and the backend goes on") {
  for (const int threads : {1, 4}) {
    Cpu b = cpu(threads);
    const auto refuse = [](std::size_t i) {
      if (i == 50000) throw ConfigError("no 50000");
    };
    CHECK_THROWS_WITH_AS(b.for_each(100000, refuse), "no 50000", ConfigError);
    const Array<float, 1> x(b, {100000});
    b.fill(x.view(), 1);
    CHECK(x.to_host(b).back() == 1);
  }
}

TEST_CASE("two threads compute at once, each with a context of its own") {
  Cpu b = cpu(2);
  const Array<float, 2> x(b, {150, 120}, convolution_values<float>(150 * 120, 0));
  const auto squares = [&x](Cpu context) {
    const Array<float, 2> y(context, {150, 150});
    for (int i = 0; i < 20; ++i) context.gemm(Op::none, Op::transpose, 1, x, x, 0, y);
    return y.to_host(context);
  };
  std::vector<float> other;
  std::thread thread([&, fork = b.fork()] { other = squares(fork); });
  const std::vector<float> own = squares(b);
  thread.join();
  CHECK((own == other));
}

TEST_CASE("memory is aligned to 256 bytes, of a large page and more to large pages, and all of it is there") {
  const Cpu::Resource host;
  const std::size_t large = Cpu::Resource::large_page;
  for (const std::size_t bytes : {std::size_t{1}, large - 1, large, 2 * large + 4097}) {
    void* const memory = host.allocate(bytes);
    CHECK(reinterpret_cast<std::uintptr_t>(memory) % (bytes < large ? 256 : large) == 0);
    std::memset(memory, 1, bytes);
    CHECK(static_cast<const unsigned char*>(memory)[bytes - 1] == 1);
    host.deallocate(memory);
  }
}

TEST_CASE("the memory that threads work in is not the pool's") {
  Cpu b = cpu(2);
  const Array<float, 2> x(b, {300, 300}, convolution_values<float>(90000, 0)), y(b, {300, 300});
  const std::size_t allocations = b.pool().allocations(), used = b.pool().used();
  b.gemm(Op::none, Op::none, 1, x.rows(0, 20), x, 0, y.rows(0, 20));  // one block of rows
  CHECK(b.pool().allocations() == allocations);
  CHECK(b.pool().used() == used);
}

TEST_CASE_TEMPLATE("gemm of a K so long that it is packed in parts", T, float, bf16) {
  Cpu b = cpu(2);
  const std::size_t m = 2 * detail::gemm_rows + 9, n = detail::gemm_cols + 19, k = 8 * detail::gemm_depth + 7;
  const auto left = [](std::size_t i, std::size_t p) { return static_cast<float>(i % 7 + p % 3); };
  const auto right = [](std::size_t p, std::size_t j) { return static_cast<float>(p % 5) - static_cast<float>(j % 4); };
  std::vector<float> sums(200);  // of small integers: exact
  const auto place = [=](std::size_t spot) { return std::pair(spot * 7919 % m, spot * 104729 % n); };
  for (std::size_t spot = 0; spot < sums.size(); ++spot)
    for (std::size_t p = 0; p < k; ++p) sums[spot] += left(place(spot).first, p) * right(p, place(spot).second);
  for (const Op op_a : {Op::none, Op::transpose})
    for (const Op op_b : {Op::none, Op::transpose}) {
      const bool at = op_a == Op::transpose, bt = op_b == Op::transpose;
      std::vector<T> ha(m * k), hb(k * n);
      for (std::size_t i = 0; i < ha.size(); ++i) ha[i] = static_cast<T>(at ? left(i % m, i / m) : left(i / k, i % k));
      for (std::size_t i = 0; i < hb.size(); ++i)
        hb[i] = static_cast<T>(bt ? right(i % k, i / k) : right(i / n, i % n));
      const Array<T, 2> a(b, at ? Extents<2>{k, m} : Extents<2>{m, k}, ha),
          bb(b, bt ? Extents<2>{n, k} : Extents<2>{k, n}, hb);
      const Array<float, 2> c(b, {m, n});
      b.fill(c.view(), 3.f);
      b.gemm(op_a, op_b, .5, a, bb, 2, c);
      const std::vector<float> got = c.to_host(b);
      for (std::size_t spot = 0; spot < sums.size(); ++spot)
        CHECK(got[place(spot).first * n + place(spot).second] == .5f * sums[spot] + 6);
    }
}

TEST_CASE("gemm of several blocks packs b in the pool, parts of it after each other") {
  Cpu b = cpu(2);
  const std::size_t m = 97, n = 2 * detail::gemm_cols + 19, k = 8 * detail::gemm_depth + 1;
  const auto left = [](std::size_t i, std::size_t p) { return static_cast<float>(i % 7 + p % 3); };
  const auto right = [](std::size_t p, std::size_t j) { return static_cast<float>(p % 5) - static_cast<float>(j % 4); };
  std::vector<float> ha(m * k), hb(k * n);  // small integers, whose sums are exact
  for (std::size_t i = 0; i < ha.size(); ++i) ha[i] = left(i / k, i % k);
  for (std::size_t i = 0; i < hb.size(); ++i) hb[i] = right(i / n, i % n);
  const Array<float, 2> a(b, {m, k}, ha), bb(b, {k, n}, hb), c(b, {m, n});
  const std::size_t used = b.pool().used();
  b.gemm(Op::none, Op::none, 1, a, bb, 0, c);
  CHECK(b.pool().used() == used);
  CHECK(b.pool().peak() - used <= (std::size_t{5} << 20));
  const std::size_t allocations = b.pool().allocations();
  b.gemm(Op::none, Op::none, 1, a, bb, 0, c);
  CHECK(b.pool().allocations() == allocations);
  const std::vector<float> got = c.to_host(b);
  for (std::size_t spot = 0; spot < 500; ++spot) {
    const std::size_t i = spot * 7919 % m, j = spot * 104729 % n;
    float sum = 0;
    for (std::size_t p = 0; p < k; ++p) sum += left(i, p) * right(p, j);
    CHECK(got[i * n + j] == sum);
  }
}

TEST_CASE_TEMPLATE("gemm over several blocks and pieces: the same bits for any number of threads", T, float, double) {
  using detail::gemm_cols, detail::gemm_depth, detail::gemm_rows;
  const std::size_t m = 2 * gemm_rows + 5, n = gemm_cols + 19, k = 4 * gemm_depth + 3;  // K is packed in parts
  const std::vector<T> a = convolution_values<T>(m * k, 0), b = convolution_values<T>(k * n, 1);
  for (const bool transposed : {false, true}) {
    CAPTURE(transposed);
    const auto product = same_for_any_threads([&](Cpu backend) {
      const Array<T, 2> ta(backend, transposed ? Extents<2>{k, m} : Extents<2>{m, k}, a);
      const Array<T, 2> tb(backend, transposed ? Extents<2>{n, k} : Extents<2>{k, n}, b);
      const Array<T, 2> c(backend, {m, n});
      const Op op = transposed ? Op::transpose : Op::none;
      backend.gemm(op, op, .5, ta, tb, 0, c);
      return c.to_host(backend);
    });
    double worst = 0;
    for (std::size_t r = 0; r < m; r += 7)  // and every column, so all tiles
      for (std::size_t c = 0; c < n; ++c) {
        double sum = 0, size = 0;
        for (std::size_t i = 0; i < k; ++i) {
          const double term = static_cast<double>(a[transposed ? i * m + r : r * k + i]) *
                              static_cast<double>(b[transposed ? c * k + i : i * n + c]);
          sum += term;
          size += std::abs(term);
        }
        worst = worst_of(worst, std::abs(static_cast<double>(product[r * n + c]) - .5 * sum) / size);
      }
    CHECK(worst < 20 * static_cast<double>(std::numeric_limits<T>::epsilon()));
  }
}

TEST_CASE("gemm of bf16 into bf16 over a long K: the same bits for any number of threads, and each sum rounded once") {
  // some blocks of rows; many; blocks of columns
  const std::size_t shapes[][3] = {{70, 47, 9000}, {403, 70, 4200}, {31, 1100, 2500}};
  for (const auto& shape : shapes) {
    const std::size_t m = shape[0], n = shape[1], k = shape[2];
    for (const Op op_b : {Op::none, Op::transpose})
      for (const bool products : {false, true}) {
        CAPTURE(m);
        CAPTURE(products);
        const bool transposed = op_b == Op::transpose;
        const std::vector<bf16> a = convolution_values<bf16>(m * k, 0), b = convolution_values<bf16>(k * n, 1),
                                before = convolution_values<bf16>(m * n, 2);
        const auto product = same_for_any_threads(
            [&](Cpu backend) {
              const Array<bf16, 2> ta(backend, {m, k}, a), c(backend, {m, n}, before);
              const Array<bf16, 2> tb(backend, transposed ? Extents<2>{n, k} : Extents<2>{k, n}, b);
              backend.gemm(Op::none, op_b, .5, ta, tb, 2, c);
              return c.to_host(backend);
            },
            products);
        double worst = 0;
        for (std::size_t spot = 0; spot < 500; ++spot) {
          const std::size_t i = spot * 7919 % m, j = spot * 104729 % n;
          double sum = 0;
          for (std::size_t p = 0; p < k; ++p)
            sum += static_cast<double>(a[i * k + p]) * static_cast<double>(b[transposed ? j * k + p : p * n + j]);
          const double wanted = .5 * sum + 2 * static_cast<double>(before[i * n + j]);
          worst = worst_of(worst, std::abs(static_cast<double>(product[i * n + j]) - wanted) / (1 + std::abs(wanted)));
        }
        CHECK(worst <= 0x1p-8 + 2e-5);  // half a unit in the last place
      }
  }
}

TEST_CASE("a product in batches: the same bits for any number of threads") {
  const std::vector<float> values = convolution_values<float>(7 * 60 * 60, 0);
  same_for_any_threads([&](Cpu b) {
    const Array<float, 3> x(b, {7, 60, 60}, values), y(b, {7, 60, 60}, values);
    b.gemm(Op::none, Op::transpose, 1, x, x, .5, y);
    return y.to_host(b);
  });
}

TEST_CASE_TEMPLATE("convolutions over many images: the same bits for any number of threads", T, float, double) {
  const ConvolutionCase cases[] = {
      {{37, 5, 6, 7}, {35, 3, 3, 7}, {1, 1}},    // several images a work item, and some left
      {{18, 16, 15, 3}, {20, 3, 3, 3}, {1, 1}},  // an image a work item, and more of them than partial sums
      {{5, 17, 14, 17}, {33, 3, 3, 17}, {2, 1}}, {{3, 19, 23, 3}, {16, 7, 7, 3}, {2, 3}},
      {{4, 11, 13, 2}, {9, 2, 5, 2}, {3, 2}},
  };
  for (const ConvolutionCase& p : cases) {
    CAPTURE(to_string(p.x));
    const std::vector<T> x = convolution_values<T>(p.x.size(), 0), filter = convolution_values<T>(p.filter.size(), 1),
                         dy = convolution_values<T>(p.y().size(), 2);
    const auto got = same_for_any_threads([&](Cpu b) {
      const Array<T, 4> tx(b, p.x, x), tf(b, p.filter, filter), tdy(b, p.y(), dy);
      const Array<T, 4> y(b, p.y()), dx(b, p.x), dfilter(b, p.filter);
      b.conv2d_forward(tx, tf, p.conv, y);
      b.conv2d_backward_data(tdy, tf, p.conv, 0, dx);
      b.conv2d_backward_filter(tx, tdy, p.conv, 0, dfilter);
      return std::vector{y.to_host(b), dx.to_host(b), dfilter.to_host(b)};
    });
    const ConvolutionAnswer wanted = convolution_by_loops(p, to_double(x), to_double(filter), to_double(dy));
    const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-13;
    CHECK(worst_error(got[0], wanted.y) < tolerance);
    CHECK(worst_error(got[1], wanted.dx) < tolerance);
    CHECK(worst_error(got[2], wanted.dfilter) < tolerance);
  }
}

TEST_CASE("sums of blocks: the same bits for any number of threads") {
  const std::size_t rows = 200, cols = 530;
  std::vector<float> values = convolution_values<float>(rows * cols, 0);
  for (std::size_t i = 0; i < values.size(); i += 3) values[i] *= 1000;
  same_for_any_threads([&](Cpu b) {
    const Array<float, 2> x(b, {rows, cols}, values), out(b, {rows, 11});
    b.for_each_block(rows, Work{cols, scratch_size<float>(10)}, BlockSums{x, out});
    return out.to_host(b);
  });
}
