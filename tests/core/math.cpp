#include <lotar/core/math.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"

// Functions are called lotar::exp and so on: by using namespace alone, exp of a double would be the C library's.
using namespace lotar;

namespace {

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T not_a_number = std::numeric_limits<T>::quiet_NaN();

template <class T>
using BitsOf = typename detail::Ieee<T>::Bits;

/// Positive normal numbers: some 200000 over all exponents, and neighbours of 1.
template <class T>
std::vector<T> normal_numbers() {
  const BitsOf<T> first = detail::bits_as<BitsOf<T>>(std::numeric_limits<T>::min());
  const BitsOf<T> last = detail::bits_as<BitsOf<T>>(std::numeric_limits<T>::max());
  const BitsOf<T> step = (last - first) / 200000 | 1;
  std::vector<T> numbers;
  for (BitsOf<T> bits = first; last - bits > step; bits += step) numbers.push_back(detail::bits_as<T>(bits));
  const BitsOf<T> one = detail::bits_as<BitsOf<T>>(T(1));
  for (BitsOf<T> k = 1; k <= 1000; ++k) {
    numbers.push_back(detail::bits_as<T>(static_cast<BitsOf<T>>(one - k)));
    numbers.push_back(detail::bits_as<T>(static_cast<BitsOf<T>>(one + k)));
  }
  return numbers;
}

long double relative_error(long double got, long double wanted) { return std::fabs((got - wanted) / wanted); }

/// All functions at one place, one a column.
template <class T, class Memory>
struct Functions {
  static constexpr std::size_t count = 7;
  View<const T, 1, Memory> x;
  View<T, 2, Memory> out;
  LOTAR_FN void operator()(std::size_t i) const {
    out(i, 0) = lotar::exp(x(i));
    out(i, 1) = lotar::log(x(i));
    out(i, 2) = lotar::sqrt(x(i));
    out(i, 3) = lotar::floor(x(i));
    out(i, 4) = lotar::fma(x(i), x(i), -x(i));
    lotar::sin_cos(x(i), out(i, 5), out(i, 6));
  }
};

struct HostMemory {};

}  // namespace

TEST_CASE_TEMPLATE("exp keeps the error it documents", T, float, double) {
  const T lowest = std::log(std::numeric_limits<T>::min()), highest = std::log(std::numeric_limits<T>::max());
  constexpr int steps = 300000;
  long double worst = 0;
  for (int i = 1; i < steps; ++i) {
    const T x = lowest + (highest - lowest) * (T(i) / T(steps));
    worst = worst_of(worst, relative_error(lotar::exp(x), std::exp(static_cast<long double>(x))));
  }
  for (T x : normal_numbers<T>())
    if (x < T(1))
      for (const T signed_x : {x, -x})
        worst = worst_of(worst, relative_error(lotar::exp(signed_x), std::exp(static_cast<long double>(signed_x))));
  CHECK(worst <= (sizeof(T) == 4 ? 2e-7L : 4e-16L));
}

TEST_CASE_TEMPLATE("exp below the normal numbers is off by less than the smallest number", T, float, double) {
  const T highest = std::log(std::numeric_limits<T>::min());
  for (int i = 0; i < 1000; ++i) {
    const T x = highest * (T(1) + T(i) / T(5000));
    REQUIRE(std::fabs(lotar::exp(x) - std::exp(static_cast<long double>(x))) <= std::numeric_limits<T>::denorm_min());
  }
}

TEST_CASE_TEMPLATE("exp at its edges", T, float, double) {
  CHECK(lotar::exp(T(0)) == 1);
  CHECK(lotar::exp(-T(0)) == 1);
  CHECK(lotar::exp(infinity<T>) == infinity<T>);
  CHECK(lotar::exp(-infinity<T>) == 0);
  CHECK(lotar::exp(std::numeric_limits<T>::max()) == infinity<T>);
  CHECK(lotar::exp(std::numeric_limits<T>::lowest()) == 0);
  CHECK(lotar::exp(std::numeric_limits<T>::denorm_min()) == 1);
  CHECK(std::isnan(lotar::exp(not_a_number<T>)));
  CHECK(lotar::exp(T(sizeof(T) == 4 ? 88.7 : 709.7)) < infinity<T>);
  CHECK(lotar::exp(T(sizeof(T) == 4 ? 88.8 : 709.8)) == infinity<T>);
}

TEST_CASE_TEMPLATE("log keeps the error it documents", T, float, double) {
  long double worst = 0;
  for (T x : normal_numbers<T>())
    worst = worst_of(worst, relative_error(lotar::log(x), std::log(static_cast<long double>(x))));
  for (T x = std::numeric_limits<T>::denorm_min(); x < std::numeric_limits<T>::min(); x = x * T(1.7) + x)
    worst = worst_of(worst, relative_error(lotar::log(x), std::log(static_cast<long double>(x))));
  CHECK(worst <= (sizeof(T) == 4 ? 3e-7L : 5e-16L));
}

TEST_CASE_TEMPLATE("log at its edges", T, float, double) {
  CHECK(lotar::log(T(1)) == 0);
  CHECK(lotar::log(infinity<T>) == infinity<T>);
  CHECK(lotar::log(T(0)) == -infinity<T>);
  CHECK(lotar::log(-T(0)) == -infinity<T>);
  CHECK(std::isnan(lotar::log(T(-1))));
  CHECK(std::isnan(lotar::log(-infinity<T>)));
  CHECK(std::isnan(lotar::log(-std::numeric_limits<T>::denorm_min())));
  CHECK(std::isnan(lotar::log(not_a_number<T>)));
}

TEST_CASE_TEMPLATE("sin_cos keeps the error it documents", T, float, double) {
  long double worst = 0;
  const auto compare = [&](T x) {
    T sine, cosine;
    lotar::sin_cos(x, sine, cosine);
    worst = worst_of(worst, std::fabs(static_cast<long double>(sine) - std::sin(static_cast<long double>(x))));
    worst = worst_of(worst, std::fabs(static_cast<long double>(cosine) - std::cos(static_cast<long double>(x))));
  };
  for (int i = -300000; i <= 300000; ++i) {
    compare(T(i) / T(50000));
    compare(T(i) / T(300));
  }
  for (int quarter = -600; quarter <= 600; ++quarter) compare(T(quarter * 0.78539816339744830962));
  CHECK(worst <= (sizeof(T) == 4 ? 1e-7L : 2e-16L));
}

TEST_CASE_TEMPLATE("sin_cos at its edges", T, float, double) {
  T sine, cosine;
  lotar::sin_cos(T(0), sine, cosine);
  CHECK(sine == 0);
  CHECK(cosine == 1);
  lotar::sin_cos(std::numeric_limits<T>::min(), sine, cosine);
  CHECK(sine == std::numeric_limits<T>::min());
  CHECK(cosine == 1);
  lotar::sin_cos(not_a_number<T>, sine, cosine);
  CHECK(std::isnan(sine));
  CHECK(std::isnan(cosine));
}

TEST_CASE_TEMPLATE("fma rounds once", T, float, double) {
  const T e = sizeof(T) == 4 ? T(0x1p-13) : T(0x1p-28);  // (1 + e)^2 = 1 + 2 e + e^2, which T cannot hold
  REQUIRE((T(1) + e) * (T(1) + e) == T(1) + 2 * e);
  CHECK(lotar::fma(T(1) + e, T(1) + e, -(T(1) + 2 * e)) == e * e);
  CHECK(std::isnan(lotar::fma(infinity<T>, T(0), T(1))));
}

TEST_CASE_TEMPLATE("sqrt is correctly rounded", T, float, double) {
  for (const T x : normal_numbers<T>()) {
    // x lies between the squares of the middles to the neighbours; one rounding leaves the sign of the difference
    const T root = lotar::sqrt(x);
    const long double low = (static_cast<long double>(root) + std::nextafter(root, T(0))) / 2,
                      high = (static_cast<long double>(root) + std::nextafter(root, infinity<T>)) / 2;
    REQUIRE(std::fma(low, low, -static_cast<long double>(x)) <= 0);
    REQUIRE(std::fma(high, high, -static_cast<long double>(x)) >= 0);
  }
  CHECK(lotar::sqrt(T(0)) == 0);
  CHECK(lotar::sqrt(infinity<T>) == infinity<T>);
  CHECK(std::isnan(lotar::sqrt(T(-1))));
}

TEST_CASE_TEMPLATE("floor", T, float, double) {
  CHECK(lotar::floor(T(2.75)) == 2);
  CHECK(lotar::floor(T(-2.25)) == -3);
  CHECK(lotar::floor(T(-3)) == -3);
  CHECK(lotar::floor(T(0.99)) == 0);
  CHECK(lotar::floor(std::numeric_limits<T>::max()) == std::numeric_limits<T>::max());
}

TEST_CASE_TEMPLATE("min, max, clamp, abs", T, float, double, int) {
  CHECK(min(T(2), T(3)) == 2);
  CHECK(min(T(3), T(2)) == 2);
  CHECK(max(T(2), T(3)) == 3);
  CHECK(max(T(3), T(2)) == 3);
  CHECK(clamp(T(-5), T(-1), T(4)) == -1);
  CHECK(clamp(T(5), T(-1), T(4)) == 4);
  CHECK(clamp(T(3), T(-1), T(4)) == 3);
  CHECK(lotar::abs(T(-7)) == 7);
  CHECK(lotar::abs(T(7)) == 7);
}

TEST_CASE_TEMPLATE("values that are not finite", T, float, double) {
  CHECK(is_finite(T(0)));
  CHECK(is_finite(std::numeric_limits<T>::lowest()));
  CHECK_FALSE(is_finite(infinity<T>));
  CHECK_FALSE(is_finite(-infinity<T>));
  CHECK_FALSE(is_finite(not_a_number<T>));
  CHECK(std::isnan(clamp(not_a_number<T>, T(0), T(1))));
  CHECK(std::isnan(min(not_a_number<T>, T(1))));
  CHECK(std::isnan(max(not_a_number<T>, T(1))));
  CHECK(min(T(1), not_a_number<T>) == 1);
  CHECK(max(T(1), not_a_number<T>) == 1);
}

TEST_CASE_TEMPLATE("kernels give the bits that the host gives", T, float, double) {
  std::vector<T> x = normal_numbers<T>();
  for (int i = -10000; i < 10000; ++i) x.push_back(T(i) / T(97));
  TestBackend b;
  const Tensor<T, 1, TestBackend> from(b, {x.size()}, x);
  using Kernel = Functions<T, TestBackend::Memory>;
  const Tensor<T, 2, TestBackend> out(b, {x.size(), Kernel::count});
  b.for_each(x.size(), Kernel{from, out});
  std::vector<T> wanted(out.size());
  const Functions<T, HostMemory> host{{x.data(), {x.size()}}, {wanted.data(), out.extents}};
  for (std::size_t i = 0; i < x.size(); ++i) host(i);
  const std::vector<T> got = out.to_host(b);
  std::size_t differ = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    if (!(std::isnan(got[i]) && std::isnan(wanted[i])) &&
        detail::bits_as<BitsOf<T>>(got[i]) != detail::bits_as<BitsOf<T>>(wanted[i]))
      ++differ;
  CHECK(differ == 0);
}

TEST_CASE_TEMPLATE("the difference of equal products is 0, whatever the compiler contracts", T, float, double) {
  std::vector<T> a, b;
  for (int i = 1; i <= 100; ++i) {
    a.push_back(T(1) / static_cast<T>(i));
    b.push_back(T(1) / static_cast<T>(3 * i + 1));
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(lotar::product(a[i], b[i]) - lotar::product(b[i], a[i]) == T(0));
    CHECK(lotar::product(a[i], b[i]) == doctest::Approx(a[i] * b[i]));
  }
}
