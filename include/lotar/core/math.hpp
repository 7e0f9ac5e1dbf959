#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

#include <lotar/core/config.hpp>

/// Mathematics that gives the same bits on every backend: explicit fused multiply-adds, IEEE square root and division,
/// no libm. Branch-free where it is hot, so that loops over it vectorise.
namespace lotar {

/// The smaller of both; a if either is NaN.
template <class T>
LOTAR_FN constexpr T min(T a, T b) {
  return b < a ? b : a;
}

/// The larger of both; a if either is NaN.
template <class T>
LOTAR_FN constexpr T max(T a, T b) {
  return a < b ? b : a;
}

/// x limited to [low, high]; NaN stays NaN.
template <class T>
LOTAR_FN constexpr T clamp(T x, T low, T high) {
  return x < low ? low : (high < x ? high : x);
}

template <class T>
LOTAR_FN constexpr T abs(T x) {
  return x < T(0) ? -x : x;
}

// Templates for float and double, since CUDA's headers, read after a program's text, would find functions ambiguous
// with the global ones where that says `using namespace lotar`.

/// a * b + c with one rounding.
template <std::floating_point T>
LOTAR_FN inline T fma(T a, std::type_identity_t<T> b, std::type_identity_t<T> c) {
  if constexpr (std::is_same_v<T, float>)
    return __builtin_fmaf(a, b, c);
  else
    return __builtin_fma(a, b, c);
}

/// a * b, rounded, for use where a difference of two products must be 0 if they are equal: compilers that contract
/// a * b - c into one operation round only one of them. (-0 becomes 0.)
template <std::floating_point T>
LOTAR_FN inline T product(T a, std::type_identity_t<T> b) {
  return fma(a, b, T(0));
}

/// The correctly rounded square root.
template <std::floating_point T>
LOTAR_FN inline T sqrt(T x) {
  if constexpr (std::is_same_v<T, float>)
    return __builtin_sqrtf(x);
  else
    return __builtin_sqrt(x);
}

/// The largest integer value <= x.
template <std::floating_point T>
LOTAR_FN inline T floor(T x) {
  if constexpr (std::is_same_v<T, float>)
    return __builtin_floorf(x);
  else
    return __builtin_floor(x);
}

template <class T>
LOTAR_FN constexpr bool is_finite(T x) {
  return x - x == T(0);
}

namespace detail {

/// The bits of From read as To.
template <class To, class From>
LOTAR_FN inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

template <class T>
struct Ieee;

template <>
struct Ieee<float> {
  using Bits = std::uint32_t;
  static constexpr int mantissa = 23, bias = 127, exp_terms = 7, log_terms = 5, sin_terms = 5;
  static constexpr float round = 0x1.8p23f;              // x + round - round is x rounded to an integer, |x| < 2^22
  static constexpr float ln2_high = 0x1.62ep-1f;         // 12 bits: n * ln2_high is exact
  static constexpr float ln2_low = 0x1.0bfbe8p-15f;      // the rest of ln 2
  static constexpr float half_pi_high = 0x1.92p0f;       // 8 bits
  static constexpr float half_pi_low = 0x1.fb5444p-12f;  // the rest of pi / 2
  static constexpr float exp_min = -104, exp_max = 89;
};

template <>
struct Ieee<double> {
  using Bits = std::uint64_t;
  static constexpr int mantissa = 52, bias = 1023, exp_terms = 13, log_terms = 11, sin_terms = 8;
  static constexpr double round = 0x1.8p52;
  static constexpr double ln2_high = 0x1.62e42fefa38p-1;  // 42 bits
  static constexpr double ln2_low = 0x1.ef35793c7673p-45;
  static constexpr double half_pi_high = 0x1.921fb544p0;  // 33 bits
  static constexpr double half_pi_low = 0x1.0b4611a626331p-34;
  static constexpr double exp_min = -746, exp_max = 710;
};

/// 2^n for the biased exponents of normal numbers; n comes in the low bits of an integer.
template <class T>
LOTAR_FN inline T power_of_two(typename Ieee<T>::Bits n) {
  using Bits = typename Ieee<T>::Bits;
  return bits_as<T>(static_cast<Bits>((n + static_cast<Bits>(Ieee<T>::bias)) << Ieee<T>::mantissa));
}

/// sum_k r^(k - first) / k! from k = first on, by Horner's scheme. A recursion, since GCC does not unroll a loop here
/// before it vectorises the loop around.
template <class T, int first = 0>
LOTAR_FN inline T exp_series(T r) {
  constexpr T term = [] {
    T factorial = 1;
    for (int k = 2; k <= first; ++k) factorial *= T(k);
    return T(1) / factorial;
  }();
  if constexpr (first == Ieee<T>::exp_terms)
    return term;
  else
    return fma(exp_series<T, first + 1>(r), r, term);
}

template <class T>
LOTAR_FN inline T exp(T x) {
  using I = Ieee<T>;
  using Bits = typename I::Bits;
  x = clamp(x, I::exp_min, I::exp_max);
  const T shifted = fma(x, T(1.4426950408889634074), I::round);
  const T n = shifted - I::round;
  const T r = fma(-n, I::ln2_low, fma(-n, I::ln2_high, x));  // x = n ln 2 + r, |r| <= ln 2 / 2
  const T p = exp_series<T>(r);
  // 2^n in two factors, so that neither overflows where the result does not
  const Bits bits = bits_as<Bits>(shifted) - bits_as<Bits>(I::round);
  const Bits half = static_cast<Bits>(static_cast<std::make_signed_t<Bits>>(bits) >> 1);
  return p * power_of_two<T>(half) * power_of_two<T>(bits - half);
}

template <class T>
LOTAR_FN inline T log(T x) {
  using I = Ieee<T>;
  using Bits = typename I::Bits;
  using Signed = std::make_signed_t<Bits>;
  const T scale = x < detail::power_of_two<T>(static_cast<Bits>(1 - I::bias)) ? T(Bits(1) << I::mantissa) : T(1);
  // x = 2^n m with m in [sqrt(1/2), sqrt(2))
  const Bits bits = bits_as<Bits>(x * scale) - bits_as<Bits>(T(0.70710678118654752440));
  const auto exponent = static_cast<Signed>(bits) >> I::mantissa;
  const T m = bits_as<T>(static_cast<Bits>(bits_as<Bits>(x * scale) - (static_cast<Bits>(exponent) << I::mantissa)));
  const T n = static_cast<T>(exponent) - (scale == T(1) ? T(0) : T(I::mantissa));
  // log m = 2 atanh s = 2 (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1), |s| < 0.172
  const T s = (m - T(1)) / (m + T(1)), s2 = s * s;
  T p = T(1) / T(2 * I::log_terms + 1);
  for (int k = I::log_terms - 1; k >= 1; --k) p = fma(p, s2, T(1) / T(2 * k + 1));
  const T tail = fma(n, I::ln2_low, T(2) * s * s2 * p);
  const T finite = fma(n, I::ln2_high, fma(T(2), s, tail));
  const T infinity = static_cast<T>(__builtin_inf());
  if (!(x > T(0))) return x == T(0) ? -infinity : infinity - infinity;
  return x == infinity ? x : finite;
}

}  // namespace detail

/// e^x: relative error at most 2e-7 (float) and 4e-16 (double) where the result is normal; 0 and infinity beyond.
template <std::floating_point T>
LOTAR_FN inline T exp(T x) {
  return detail::exp(x);
}

/// The natural logarithm: relative error at most 3e-7 (float) and 5e-16 (double); -infinity at 0, NaN below.
template <std::floating_point T>
LOTAR_FN inline T log(T x) {
  return detail::log(x);
}

/// The sine and cosine of x radians, |x| <= 1000: absolute error at most 1e-7 (float) and 2e-16 (double).
template <std::floating_point T>
LOTAR_FN inline void sin_cos(T x, T& sine, T& cosine) {
  using I = detail::Ieee<T>;
  using Bits = typename I::Bits;
  const T shifted = fma(x, T(0.63661977236758134308), I::round);
  const T n = shifted - I::round;
  const T r = fma(-n, I::half_pi_low, fma(-n, I::half_pi_high, x));  // x = n pi/2 + r, |r| <= pi/4
  // sin r = r (1 - r^2/(2 3) (1 - r^2/(4 5) (1 - ...))), cos r = 1 - r^2/(1 2) (1 - r^2/(3 4) (1 - ...))
  const T r2 = r * r;
  T s = 1, c = 1;
  for (int k = I::sin_terms; k >= 1; --k) {
    s = fma(r2 * s, T(-1) / T(2 * k * (2 * k + 1)), T(1));
    c = fma(r2 * c, T(-1) / T((2 * k - 1) * 2 * k), T(1));
  }
  s = r * s;
  const Bits quadrant = detail::bits_as<Bits>(shifted);
  const T s_turned = quadrant & 1 ? c : s, c_turned = quadrant & 1 ? s : c;
  sine = quadrant & 2 ? -s_turned : s_turned;
  cosine = (quadrant + 1) & 2 ? -c_turned : c_turned;
}

}  // namespace lotar
