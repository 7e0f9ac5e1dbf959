#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <lotar/backend/cuda/factors.hpp>
#include <lotar/core/bf16.hpp>

// The functions of lotar/backend/cuda/mma.hpp, whose comments say what they do, on the host.
namespace lotar::detail {

inline constexpr bool compiled_for_mma = true;

/// One of a pair in a word.
inline std::uint16_t half_word(std::uint32_t pair, unsigned i) { return static_cast<std::uint16_t>(pair >> 16 * i); }
inline std::uint32_t pair_of(std::uint32_t first, std::uint32_t second) { return first | second << 16; }

inline float value_of_half(std::uint16_t bits) {
  const unsigned exponent = bits >> 10 & 31, mantissa = bits & 1023;
  if (exponent == 31) return mantissa == 0 ? (bits >> 15 ? -INFINITY : INFINITY) : NAN;
  const float magnitude = exponent == 0
                              ? std::ldexp(static_cast<float>(mantissa), -24)
                              : std::ldexp(static_cast<float>(1024 + mantissa), static_cast<int>(exponent) - 25);
  return bits >> 15 ? -magnitude : magnitude;
}
/// To the nearest, ties to even.
inline std::uint16_t half_of(float value) {
  const unsigned sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return 0x7FFF;
  const float magnitude = std::fabs(value);
  if (magnitude >= 65520) return static_cast<std::uint16_t>(sign | 0x7C00);
  const int exponent = magnitude < 0x1p-14f ? -14 : std::ilogb(magnitude);
  const auto units = static_cast<unsigned>(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));  // of the last bit
  // 1024 units are what makes a number normal; 2048 are the next exponent's 1024
  return static_cast<std::uint16_t>(sign | (static_cast<unsigned>(exponent + 14) * 1024 + units));
}
inline std::uint32_t pair_of_halves(float x, float y) { return pair_of(half_of(x), half_of(y)); }
inline void split_pair(float x, float y, std::uint32_t& first, std::uint32_t& second) {
  first = pair_of_halves(x, y);
  second = pair_of_halves(x - value_of_half(half_word(first, 0)), y - value_of_half(half_word(first, 1)));
}

inline void multiply_add(SumFragment& sum, const LeftFragment& a, const RightFragments& b, unsigned second) {
  struct Factors {
    LeftFragment left;
    std::uint32_t right[2];
  };
  const emulated::Shown shown(Factors{a, {b.words[2 * second], b.words[2 * second + 1]}});
  const unsigned lane = emulated::this_thread().lane();
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned col = lane % 4 * 2 + i % 2;
    for (unsigned k = 0; k < 16; ++k) {
      const unsigned holds =
          k % 8 / 2;  // of the four lanes that have a row of the left factor, or a column of the right
      sum.values[i] += value_of_half(half_word(shown[lane / 4 * 4 + holds].left.words[k / 8 * 2 + i / 2], k % 2)) *
                       value_of_half(half_word(shown[col * 4 + holds].right[k / 8], k % 2));
    }
  }
}

inline std::uint32_t shared_address(const void* shared) { return emulated::this_thread().block->address(shared); }

/// The matrix whose rows of 16 bytes lie at these addresses.
template <class Address>
std::uint16_t matrix_value(const Address& address, unsigned row, unsigned col) {
  std::uint16_t value;
  std::memcpy(&value, emulated::this_thread().block->at(address(row), 16) + 2 * col, 2);
  return value;
}
inline void load_matrices(std::uint32_t (&words)[4], std::uint32_t address) {
  const emulated::Shown shown(address);
  const unsigned lane = emulated::this_thread().lane();
  for (unsigned i = 0; i < 4; ++i) {
    const auto of = [&](unsigned row) { return shown[8 * i + row]; };
    words[i] = pair_of(matrix_value(of, lane / 4, lane % 4 * 2), matrix_value(of, lane / 4, lane % 4 * 2 + 1));
  }
}
inline void load_transposed(std::uint32_t (&words)[4], std::uint32_t address) {
  const emulated::Shown shown(address);
  const unsigned lane = emulated::this_thread().lane();
  for (unsigned i = 0; i < 4; ++i) {
    const auto of = [&](unsigned row) { return shown[8 * i + row]; };
    words[i] = pair_of(matrix_value(of, lane % 4 * 2, lane / 4), matrix_value(of, lane % 4 * 2 + 1, lane / 4));
  }
}

/// What a copy overwrites is gone once it begins, and what it writes is there only when it was waited for.
inline void copy_bytes(std::uint32_t to, const void* from, std::size_t bytes, bool read) {
  if (read && reinterpret_cast<std::uintptr_t>(from) % bytes != 0) emulated::fail("a copy from what is not aligned");
  std::byte* const there = emulated::this_thread().block->at(to, bytes);
  std::memset(there, 0xFF, bytes);
  emulated::this_thread().copies.begin([=] {
    if (read)
      std::memcpy(there, from, bytes);
    else
      std::memset(there, 0, bytes);
  });
}
inline void copy_16_bytes(std::uint32_t to, const void* from, bool read = true) { copy_bytes(to, from, 16, read); }
inline void copy_float(std::uint32_t to, const float* from, bool read) { copy_bytes(to, from, 4, read); }
inline void end_copies() { emulated::this_thread().copies.end_group(); }
template <int behind>
void wait_for_copies() {
  emulated::this_thread().copies.wait_for_all_but(behind);
}
inline void copies_done() {
  end_copies();
  wait_for_copies<0>();
}

inline uint4 load_shared(std::uint32_t from) {
  uint4 words;
  std::memcpy(&words, emulated::this_thread().block->at(from, 16), 16);
  return words;
}
inline void store_shared(std::uint32_t to, const uint4& words) {
  std::memcpy(emulated::this_thread().block->at(to, 16), &words, 16);
}
inline void store_shared(std::uint32_t to, std::uint32_t word) {
  std::memcpy(emulated::this_thread().block->at(to, 4), &word, 4);
}

inline std::uint64_t global_address(const void* global) { return reinterpret_cast<std::uint64_t>(global); }
inline void load_global(std::uint64_t from, uint2& to) {
  if (from % 8 != 0) emulated::fail("8 bytes from what is not aligned");
  std::memcpy(&to, reinterpret_cast<const void*>(from), 8);
}
inline void store_global(std::uint64_t to, std::uint32_t a, std::uint32_t b) {
  if (to % 8 != 0) emulated::fail("8 bytes to what is not aligned");
  const std::uint32_t words[] = {a, b};
  std::memcpy(reinterpret_cast<void*>(to), words, 8);
}
inline void compute_now(unsigned&) {}

inline float exp2_near(float x) {
  const float y = std::exp2(x);
  return y < 0x1p-126f ? 0 : y;
}

inline std::uint32_t transposed(std::uint32_t word) {
  const emulated::Shown shown(word);
  const unsigned lane = emulated::this_thread().lane(), row = lane % 4 * 2, col = lane / 4;
  const auto value = [&](unsigned r) { return half_word(shown[r * 4 + col / 2], col % 2); };
  return pair_of(value(row), value(row + 1));
}

inline float value_of_bf16(std::uint16_t bits) { return std::bit_cast<bf16>(bits); }
inline std::uint32_t pair_of_bf16(float x, float y) { return pair_of(bf16(x).bits, bf16(y).bits); }
inline std::uint32_t pair_of_relu_bf16(float x, float y) { return pair_of_bf16(x < 0 ? 0 : x, y < 0 ? 0 : y); }
inline float first_of_bf16(std::uint32_t pair) { return value_of_bf16(half_word(pair, 0)); }
inline float second_of_bf16(std::uint32_t pair) { return value_of_bf16(half_word(pair, 1)); }

}  // namespace lotar::detail
