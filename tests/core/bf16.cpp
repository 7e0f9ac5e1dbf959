#include <lotar/core/bf16.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "../test.hpp"

using namespace lotar;

namespace {

static_assert(sizeof(bf16) == 2 && std::is_trivially_copyable_v<bf16> &&
              std::is_trivially_default_constructible_v<bf16>);
static_assert(!std::is_convertible_v<float, bf16>);
static_assert(std::is_same_v<Accum<bf16>, float> && std::is_same_v<Accum<float>, float> &&
              std::is_same_v<Accum<double>, double>);

float value(std::uint32_t bits) {
  bf16 x;
  x.bits = static_cast<std::uint16_t>(bits);
  return static_cast<float>(x);
}

std::uint32_t rounded(float x) { return bf16(x).bits; }

}  // namespace

TEST_CASE("known values") {
  CHECK(rounded(1) == 0x3F80);
  CHECK(rounded(-2) == 0xC000);
  CHECK(rounded(0.f) == 0);
  CHECK(rounded(-0.f) == 0x8000);
  CHECK(rounded(3.14159265f) == 0x4049);
  CHECK(value(0x4049) == 3.140625f);
}

TEST_CASE("every value comes back from a float") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const float x = value(bits);
    if (std::isnan(x))
      REQUIRE(std::isnan(static_cast<float>(bf16(x))));
    else
      REQUIRE(rounded(x) == bits);
  }
}

TEST_CASE("what lies between two values goes to the nearer one, from the middle to the even one") {
  for (const std::uint32_t sign : {0u, 0x8000u})
    for (std::uint32_t low = 0; low < 0x7F7F; ++low) {
      const auto bits = static_cast<std::uint32_t>(sign | low) << 16;
      const std::uint32_t even = low % 2 == 0 ? low : low + 1;
      REQUIRE(rounded(detail::bits_as<float>(bits + 1)) == (sign | low));
      REQUIRE(rounded(detail::bits_as<float>(bits + 0x7FFF)) == (sign | low));
      REQUIRE(rounded(detail::bits_as<float>(bits + 0x8000)) == (sign | even));
      REQUIRE(rounded(detail::bits_as<float>(bits + 0x8001)) == (sign | (low + 1)));
      REQUIRE(rounded(detail::bits_as<float>(bits + 0xFFFF)) == (sign | (low + 1)));
    }
}

TEST_CASE("beyond the largest value lies infinity") {
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(rounded(infinity) == 0x7F80);
  CHECK(rounded(-infinity) == 0xFF80);
  CHECK(rounded(std::numeric_limits<float>::max()) == 0x7F80);
  CHECK(rounded(std::numeric_limits<float>::lowest()) == 0xFF80);
  CHECK(rounded(detail::bits_as<float>(0x7F7F7FFFu)) == 0x7F7F);
  CHECK(rounded(detail::bits_as<float>(0x7F7F8000u)) == 0x7F80);
}

TEST_CASE("NaN stays NaN, whichever it is") {
  for (const std::uint32_t bits : {0x7F800001u, 0x7F80FFFFu, 0x7FC00000u, 0x7FFFFFFFu, 0xFF800001u, 0xFFFFFFFFu})
    CHECK(std::isnan(static_cast<float>(bf16(detail::bits_as<float>(bits)))));
}
