#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../backend.hpp"
#if !defined(__CUDACC__)
#include "multiply_add.hpp"
#endif

// What the backend's memory and arithmetic give at most: the ceilings that other benchmarks' rates are shares of. That
// of arithmetic is the highest rate here: of multiply-adds in registers on the CPU, of cuBLAS's products on the GPU.

namespace {

using lotar::bf16;

/// An integer from -7 to 7 that looks random. Sums of products of some thousands of them are exact in float.
LOTAR_FN float value(std::size_t place, std::uint32_t salt) {
  auto x = (static_cast<std::uint32_t>(place) + salt * 1000003u) * 2654435761u;
  x = (x ^ x >> 15) * 2246822519u;
  return static_cast<float>((x ^ x >> 13) % 15) - 7;
}

template <class T>
struct Values {
  T* to;
  std::uint32_t salt;
  LOTAR_FN void operator()(std::size_t i) const { to[i] = static_cast<T>(value(i, salt)); }
};

struct CopyValue {
  const float* from;
  float* to;
  LOTAR_FN void operator()(std::size_t i) const { to[i] = from[i]; }
};

template <class T>
std::vector<T> part(BenchBackend& b, const lotar::View<T, 1, BenchBackend::Memory>& of, std::size_t from,
                    std::size_t n) {
  std::vector<T> values(n);
  b.download(of.rows(from, n), values);
  return values;
}

/// Bytes read and written by copying an array many times as large as caches. Args: MiB.
template <class Copy>
void copies(benchmark::State& state, const Copy& copy) {
  const std::size_t n = static_cast<std::size_t>(state.range(0)) << 18;
  BenchBackend b;
  const lotar::Tensor<float, 1, BenchBackend> from(b, {n}), to(b, {n});
  b.for_each(n, Values<float>{from.data, 1});
  b.fill(to.view(), 0);
  for (auto _ : state) {
    copy(b, from.view(), to.view());
    b.sync();
  }
  constexpr std::size_t some = 1000;
  for (const std::size_t at : {std::size_t{0}, n / 3, n - some}) {
    const std::vector<float> values = part(b, to.view(), at, some);
    for (std::size_t i = 0; i < some; ++i)
      if (values[i] != value(at + i, 1)) {
        state.SkipWithError("an element is wrong");
        return;
      }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(2 * sizeof(float) * n));
}
void copy(benchmark::State& state) {
  copies(state, [](BenchBackend& b, const auto& from, const auto& to) { b.copy(from, to); });
}
void copy_kernel(benchmark::State& state) {
  copies(state, [](BenchBackend& b, const auto& from, const auto& to) {
    b.for_each(to.size(), CopyValue{from.data, to.data});
  });
}
constexpr std::int64_t copied = bench_large ? 2048 : 256;
BENCHMARK(copy)->Arg(copied)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(copy_kernel)->Arg(copied)->Unit(benchmark::kMillisecond)->UseRealTime();

/// The product of two square matrices of T. Args: rows.
template <class T>
void gemm(benchmark::State& state) {
  const auto n = static_cast<std::size_t>(state.range(0));
  BenchBackend b;
  const lotar::Tensor<T, 2, BenchBackend> left(b, {n, n}), right(b, {n, n}), product(b, {n, n});
  b.for_each(n * n, Values<T>{left.data, 1});
  b.for_each(n * n, Values<T>{right.data, 2});
  b.gemm(lotar::Op::none, lotar::Op::none, 1, left, right, 0, product);  // loads the library's kernel
  b.sync();
  for (auto _ : state) {
    b.gemm(lotar::Op::none, lotar::Op::none, 1, left, right, 0, product);
    b.sync();
  }
  for (const std::size_t row : {std::size_t{0}, n / 2, n - 1}) {
    const std::vector<T> got = part(b, product.view().flat(), row * n, n);
    for (std::size_t col = row % 7; col < n; col += 251) {
      float sum = 0;
      for (std::size_t k = 0; k < n; ++k) sum += value(row * n + k, 1) * value(k * n + col, 2);
      if (static_cast<float>(got[col]) != static_cast<float>(static_cast<T>(sum))) {
        state.SkipWithError("an element is wrong");
        return;
      }
    }
  }
  const double rows = static_cast<double>(n);
  state.counters["FLOP/s"] =
      benchmark::Counter(2 * rows * rows * rows * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
constexpr std::int64_t rows = bench_large ? 8192 : 2048;
BENCHMARK(gemm<float>)->Arg(rows)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(gemm<bf16>)->Arg(rows)->Unit(benchmark::kMillisecond)->UseRealTime();

#if !defined(__CUDACC__)
/// Item i's multiply-adds, to sums that begin with 0, 1, 2, ...
template <class Adds>
struct AddToSums {
  std::size_t steps;
  float one;
  float* out;  // [items, Adds::sums]

  template <class Block>
  void operator()(Block&, std::size_t i) const {
    float* const sums = out + i * Adds::sums;
    for (std::size_t j = 0; j < Adds::sums; ++j) sums[j] = static_cast<float>(j);
    Adds::run(steps, one, sums);
  }
};

/// Multiply-adds by all threads at once.
template <class Adds>
void multiply_adds(benchmark::State& state) {
  constexpr std::size_t steps = 1 << 14;
  BenchBackend b;
  const std::size_t items = 64 * static_cast<std::size_t>(b.threads());
  const lotar::Tensor<float, 1, BenchBackend> out(b, {items * Adds::sums});
  const volatile float one = 1;  // volatile: the compiler is not to know it
  for (auto _ : state) b.for_each_block(items, lotar::Work{steps}, AddToSums<Adds>{steps, one, out.data});
  const std::vector<float> got = out.to_host(b);
  for (std::size_t i = 0; i < got.size(); ++i)
    if (got[i] != static_cast<float>(i % Adds::sums + Adds::products * steps)) {
      state.SkipWithError("a sum is wrong");
      return;
    }
  const double flops = 2 * static_cast<double>(Adds::products * steps) * static_cast<double>(got.size());
  state.counters["FLOP/s"] =
      benchmark::Counter(flops * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

/// Those of which Cpu makes products of T: of pairs of bf16 where the processor has them, else of floats.
template <class T>
void multiply_add(benchmark::State& state) {
  if (std::is_same_v<T, bf16> && lotar::detail::has_bf16_products())
    multiply_adds<PairAdds>(state);
  else
    multiply_adds<SingleAdds>(state);
}
BENCHMARK(multiply_add<float>)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(multiply_add<bf16>)->Unit(benchmark::kMillisecond)->UseRealTime();
#endif

}  // namespace
