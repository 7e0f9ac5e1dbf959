#include <lotar/core/pack.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

/// y(r, c) = c - x(r, c), and how often by f.columns.
struct Subtract {
  const float* x;
  std::size_t cols;
  float *y, *wide_calls;

  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    y[r * cols + c] = static_cast<float>(c) - x[r * cols + c];
    wide_calls[r * cols + c] = 0;
  }
  static constexpr std::size_t width = pack_width<float>;
  LOTAR_FN bool is_aligned() const { return are_aligned(x, y, wide_calls); }
  LOTAR_FN auto columns(std::size_t c) const {
    return [f = *this, c](std::size_t r) {
      auto pack = load_pack<width>(f.x + r * f.cols + c);
      for (std::size_t k = 0; k < width; ++k) pack[k] = static_cast<float>(c + k) - pack[k];
      store_pack(pack, f.y + r * f.cols + c);
      for (std::size_t k = 0; k < width; ++k) f.wide_calls[r * f.cols + c + k] = 1;
    };
  }
};

/// The same by the threads of a block.
struct SubtractByBlock {
  Subtract f;
  std::size_t rows;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    block.for_each(rows, f.cols, f);
  }
};

std::vector<float> numbers(std::size_t n) {
  std::vector<float> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = static_cast<float>(i * i % 101);
  return v;
}

}  // namespace

TEST_CASE_TEMPLATE("a pack is read and written whole", T, bf16, float, double) {
  constexpr std::size_t n = 2 * pack_width<T>;
  alignas(16) T from[2 * n], to[2 * n] = {};
  for (std::size_t i = 0; i < 2 * n; ++i) from[i] = static_cast<T>(static_cast<float>(i) - 3);
  Pack<T, n> pack = load_pack<n>(from + n);
  CHECK(static_cast<double>(pack[1]) == static_cast<double>(from[n + 1]));
  pack[1] = T(100);
  store_pack(pack, to);
  for (std::size_t i = 0; i < 2 * n; ++i)
    CHECK(static_cast<double>(to[i]) == (i == 1 ? 100 : i < n ? static_cast<double>(from[n + i]) : 0));
  CHECK(are_aligned(from, to));
  CHECK(are_aligned(from, static_cast<const T*>(nullptr)));
  CHECK_FALSE(are_aligned(from, from + 1));
}

TEST_CASE("loops over a matrix do all elements, wide or not") {
  static_assert(WideKernel<Subtract> && !WideKernel<SubtractByBlock>);
  TestBackend b;
  constexpr bool runs_wide = RunsPacks<TestBackend>;  // else single columns, which vectorise as well
  for (const std::size_t rows : {1u, 3u, 70u})
    for (const std::size_t cols : {1u, 4u, 6u, 64u, 1000u})
      for (const std::size_t offset : {0u, 1u}) {
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(offset);
        const std::size_t n = rows * cols;
        const auto host = numbers(n + offset);
        const Tensor<float, 1, TestBackend> x(b, {n + offset}, host), y(b, {n}), wide_calls(b, {n});
        const Subtract f{x.data + offset, cols, y.data, wide_calls.data};
        for (const bool by_block : {false, true}) {
          CAPTURE(by_block);
          b.fill(y.view(), -1);
          b.fill(wide_calls.view(), -1);
          if (by_block)
            b.for_each_block(1, Work{n}, SubtractByBlock{f, rows});
          else
            b.for_each(rows, cols, f);
          const auto got = y.to_host(b);
          std::size_t wrong = 0;
          for (std::size_t i = 0; i < n; ++i) wrong += got[i] != static_cast<float>(i % cols) - host[i + offset];
          CHECK(wrong == 0);
          const bool may_be_wide = offset == 0 && cols % 4 == 0;
          if (!may_be_wide || runs_wide) CHECK(wide_calls.to_host(b) == std::vector<float>(n, may_be_wide ? 1.f : 0.f));
        }
      }
}
