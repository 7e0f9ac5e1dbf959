#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <lotar/core/backend.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/number_text.hpp>

/// What a plan of a convolution depends on. Of the host alone, as its tests are.
namespace lotar::detail {

enum class ConvolutionKind : std::int64_t { forward, backward_data, backward_filter };

/// The channels of which bf16 has fast engines multiples. Images of fewer are "of few".
inline constexpr std::size_t padded_channels = 8;

/// How an array is stored.
enum class Storage : std::int64_t { float64, float32, bf16 };

template <class T>
inline constexpr Storage storage = [] {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, bf16>);
  return std::is_same_v<T, double> ? Storage::float64 : std::is_same_v<T, float> ? Storage::float32 : Storage::bf16;
}();

inline std::size_t bytes_of(Storage s) { return s == Storage::float64 ? 8 : s == Storage::float32 ? 4 : 2; }

/// The arrays of a convolution in one order whatever is computed from the others: x [N, H, W, C], filter [K, R, S, C],
/// y [N, P, Q, K]. The result's pointer is written.
using ConvolutionArrays = std::array<void*, 3>;

struct ConvolutionProblem {
  ConvolutionKind kind;
  Storage factors, result;
  std::array<Extents<4>, 3> extents;  ///< of x, filter and y
  Conv2d conv;
  double beta;  ///< result = convolution + beta result

  /// Which of the arrays is computed.
  std::size_t result_array() const {
    return kind == ConvolutionKind::forward ? 2 : kind == ConvolutionKind::backward_data ? 0 : 1;
  }
  Storage storage_of(std::size_t array) const { return array == result_array() ? result : factors; }
};

/// The bytes, a power of two up to 16, that each array's address is a multiple of.
inline std::array<std::int64_t, 3> alignments(const ConvolutionArrays& arrays) {
  std::array<std::int64_t, 3> bytes{};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto address = reinterpret_cast<std::uintptr_t>(arrays[i]) | 16;
    bytes[i] = static_cast<std::int64_t>(address & (~address + 1));
  }
  return bytes;
}

/// Numbers that differ where problems do.
inline std::vector<std::int64_t> key(const ConvolutionProblem& p, const std::array<std::int64_t, 3>& alignment) {
  std::vector<std::int64_t> key{static_cast<std::int64_t>(p.kind),         static_cast<std::int64_t>(p.factors),
                                static_cast<std::int64_t>(p.result),       static_cast<std::int64_t>(p.conv.stride),
                                static_cast<std::int64_t>(p.conv.padding), std::bit_cast<std::int64_t>(p.beta)};
  key.insert(key.end(), alignment.begin(), alignment.end());
  for (const std::size_t array : {0u, 1u})
    for (std::size_t i = 0; i < 4; ++i) key.push_back(static_cast<std::int64_t>(p.extents[array][i]));
  return key;
}

/// "forward of bf16 to bf16: x [8, 32, 32, 64], filter [64, 3, 3, 64], stride 1, padding 1, beta 0, aligned to 16, 16
/// and 16 bytes, compute capability 9.0": the same where a plan may be the same.
inline std::string to_string(const ConvolutionProblem& p, const std::array<std::int64_t, 3>& alignment,
                             const std::string& capability) {
  constexpr const char* kinds[] = {"forward", "backward_data", "backward_filter"};
  constexpr const char* storages[] = {"double", "float", "bf16"};
  return std::string(kinds[static_cast<std::size_t>(p.kind)]) + " of " + storages[static_cast<std::size_t>(p.factors)] +
         " to " + storages[static_cast<std::size_t>(p.result)] + ": x " + to_string(p.extents[0]) + ", filter " +
         to_string(p.extents[1]) + ", stride " + std::to_string(p.conv.stride) + ", padding " +
         std::to_string(p.conv.padding) + ", beta " + number_text(p.beta) + ", aligned to " +
         std::to_string(alignment[0]) + ", " + std::to_string(alignment[1]) + " and " + std::to_string(alignment[2]) +
         " bytes, compute capability " + capability;
}

}  // namespace lotar::detail
