#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <lotar/backend/cuda/mma.hpp>

// The functions of lotar/backend/cuda/wgmma.hpp, whose comments say what they do, on the host.
namespace lotar::detail {

inline constexpr bool compiled_for_wgmma = true;

/// A factor as its descriptor has it. Values that lie side by side are of the dimension that is summed over, k, or of
/// the other, m.
struct Factor {
  std::uint64_t descriptor;
  bool m_side_by_side;

  float operator()(unsigned m, unsigned k) const {
    const auto field = [&](unsigned bit) { return static_cast<std::uint32_t>(descriptor >> bit & 0x3FFF) << 4; };
    const unsigned side = m_side_by_side ? m : k, other = m_side_by_side ? k : m;
    std::uint32_t address = field(0);
    if (descriptor >> 62 == 1) {  // rows of 128 bytes
      if (side >= 64 || field(32) != 1024) emulated::fail("a factor that rows of 128 bytes do not hold");
      address += other * 128 + side * 2;
      address ^= (address >> 7 & 7) << 4;
    } else {
      address += k / 8 * field(16) + m / 8 * field(32) + other % 8 * 16 + side % 8 * 2;
    }
    std::uint16_t value;
    std::memcpy(&value, emulated::this_thread().block->at(address, 2), 2);
    return value_of_bf16(value);
  }
};

/// A product that this thread's warpgroup began: it may be computed at any time until it was waited for. So it is, when
/// it begins and when it is waited for, and has to be the same.
struct Product {
  float* sums;
  unsigned columns;
  const std::uint32_t* fragment;  // the left factor, or null
  Factor left, right;
  bool add;
  std::vector<float> early;

  /// The elements that this thread has, four for each 8 columns.
  std::vector<float> compute() const {
    const unsigned thread = emulated::this_thread().number % warpgroup, lane = thread % 32;
    float left_rows[2][16];
    if (fragment != nullptr) {
      LeftFragment mine;
      std::memcpy(mine.words, fragment, sizeof(mine.words));
      const emulated::Shown shown(mine);
      for (unsigned half = 0; half < 2; ++half)
        for (unsigned k = 0; k < 16; ++k)
          left_rows[half][k] = value_of_bf16(half_word(shown[lane / 4 * 4 + k % 8 / 2].words[k / 8 * 2 + half], k % 2));
    } else {
      for (unsigned half = 0; half < 2; ++half)
        for (unsigned k = 0; k < 16; ++k) left_rows[half][k] = left(thread / 32 * 16 + half * 8 + lane / 4, k);
    }
    std::vector<float> result(columns / 2);
    for (unsigned j = 0; j < columns / 8; ++j)
      for (unsigned side = 0; side < 2; ++side)
        for (unsigned k = 0; k < 16; ++k) {
          const float r = right(j * 8 + lane % 4 * 2 + side, k);
          for (unsigned half = 0; half < 2; ++half) result[j * 4 + half * 2 + side] += left_rows[half][k] * r;
        }
    return result;
  }
  void finish() const {
    const std::vector<float> result = compute();
    if (std::memcmp(result.data(), early.data(), result.size() * sizeof(float)) != 0)
      emulated::fail("a product's factors changed while it was computed");
    for (std::size_t i = 0; i < result.size(); ++i) sums[i] = add ? sums[i] + result[i] : result[i];
  }
};
inline void begin_product(Product product) {
  if (!emulated::this_thread().fenced) emulated::fail("a product of what may not be there: writes_for_products()");
  if (!emulated::this_thread().registers_fenced)
    emulated::fail("a product of registers that may not be there: begin_products()");
  product.early = product.compute();
  emulated::this_thread().products.begin([product = std::move(product)] { product.finish(); });
}
template <bool transposed>
void multiply_64x256(float (&c)[128], std::uint64_t a, std::uint64_t b, bool add) {
  begin_product({c, 256, nullptr, {a, transposed}, {b, false}, add, {}});
}
inline void multiply_64x64(float (&c)[32], const std::uint32_t (&a)[4], std::uint64_t b) {
  begin_product({c, 64, a, {}, {b, true}, true, {}});
}
inline void multiply_64x24(float (&c)[12], const std::uint32_t (&a)[4], std::uint64_t b) {
  begin_product({c, 24, a, {}, {b, true}, true, {}});
}

inline void begin_products() { emulated::this_thread().registers_fenced = true; }
inline void end_products() { emulated::this_thread().products.end_group(); }
template <int behind>
void wait_for_products() {
  emulated::this_thread().registers_fenced = false;  // what is written to them now
  emulated::this_thread().products.wait_for_all_but(behind);
}
template <int n>
void products_done(float (&)[n]) {
  wait_for_products<0>();
}

template <int registers>
void fewer_registers() {}
template <int registers>
void more_registers() {}
inline void writes_for_products() { emulated::this_thread().fenced = true; }

inline void begin_barrier(std::uint32_t barrier, unsigned arrivals) {
  emulated::this_thread().block->begin_barrier(barrier, arrivals);
}
inline void arrive(std::uint32_t barrier) {
  emulated::this_thread().block->barrier(barrier).arrive();
  emulated::let_others_run();  // who may go on now
}
inline void wait_for_phase(std::uint32_t barrier, unsigned parity) {
  emulated::this_thread().block->barrier(barrier).wait_for_parity(parity);
  emulated::this_thread().fenced = false;
}
inline void arrive_after_copies(std::uint32_t barrier) {
  copies_done();
  arrive(barrier);
}

inline void wait_for_turn(unsigned group) { emulated::this_thread().block->turn(group).arrive_and_wait(); }
inline void give_turn(unsigned group) {
  emulated::this_thread().block->turn(group).arrive();
  emulated::let_others_run();
}

}  // namespace lotar::detail
