#include <lotar/io/raw_array.hpp>

#include <limits>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("element types have their size and name") {
  for (std::size_t i = 0; i < dtypes.size(); ++i) CHECK(static_cast<std::size_t>(dtypes[i].type) == i);
  const auto agrees = [](auto value, const char* npy, const char* safetensors) {
    const DTypeInfo& known = info(dtype_of<decltype(value)>());
    return known.bytes == sizeof(value) && known.safetensors == std::string(safetensors) &&
           (npy == nullptr ? known.npy == nullptr : known.npy == std::string(npy));
  };
  CHECK(agrees(bool{}, "|b1", "BOOL"));
  CHECK(agrees(std::uint8_t{}, "|u1", "U8"));
  CHECK(agrees(std::int8_t{}, "|i1", "I8"));
  CHECK(agrees(std::uint16_t{}, "<u2", "U16"));
  CHECK(agrees(std::int16_t{}, "<i2", "I16"));
  CHECK(agrees(std::uint32_t{}, "<u4", "U32"));
  CHECK(agrees(std::int32_t{}, "<i4", "I32"));
  CHECK(agrees(std::uint64_t{}, "<u8", "U64"));
  CHECK(agrees(std::int64_t{}, "<i8", "I64"));
  CHECK(agrees(bf16(0.f), nullptr, "BF16"));
  CHECK(agrees(float{}, "<f4", "F32"));
  CHECK(agrees(double{}, "<f8", "F64"));
}

TEST_CASE("values come back as they went in") {
  const std::vector<float> numbers{1, -2.5f, 3e30f, 0, 5, 6};
  const RawArray array = RawArray::of<float>({2, 3}, numbers);
  CHECK(array.bytes.size() == 24);
  CHECK(array.values<float>("x") == numbers);
  CHECK(RawArray::of<std::int64_t>({0, 3}, {}).values<std::int64_t>("x").empty());
  const std::vector<double> one{7};
  CHECK(RawArray::of<double>({}, one).values<double>("x") == one);
}

TEST_CASE("integers of any type widen") {
  const auto widened = [](auto low, auto high) {
    using T = decltype(low);
    const std::vector<T> both{low, high};
    return RawArray::of<T>({2}, both).integers("x") ==
           std::vector<std::int64_t>{static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)};
  };
  CHECK(widened(std::uint8_t{0}, std::uint8_t{255}));
  CHECK(widened(std::int8_t{-128}, std::int8_t{127}));
  CHECK(widened(std::uint16_t{0}, std::uint16_t{65535}));
  CHECK(widened(std::int16_t{-32768}, std::int16_t{1}));
  CHECK(widened(std::uint32_t{1}, ~std::uint32_t{0}));
  CHECK(widened(std::int32_t{-5}, std::int32_t{5}));
  CHECK(widened(std::int64_t{-5}, std::numeric_limits<std::int64_t>::max()));
  CHECK(widened(std::uint64_t{5}, std::uint64_t{6}));
}

TEST_CASE("a raw array refuses what does not fit") {
  const std::vector<float> three{1, 2, 3};
  CHECK_THROWS_WITH_AS(RawArray::of<float>({2, 2}, three), "RawArray: [2, 2] does not hold 3 values", ShapeError);
  CHECK_THROWS_WITH_AS(RawArray::of<float>({std::size_t{1} << 62, 8}, three),
                       "RawArray: [4611686018427387904, 8] does not hold 3 values", ShapeError);
  const RawArray array = RawArray::of<float>({3}, three);
  CHECK_THROWS_WITH_AS(array.values<double>("file"), "file: wanted f64, got f32", IoError);
  CHECK_THROWS_WITH_AS(array.integers("file"), "file: wanted integers, got f32", IoError);
  const std::vector<std::uint64_t> huge{std::uint64_t{1} << 63};
  CHECK_THROWS_WITH_AS(RawArray::of<std::uint64_t>({1}, huge).integers("file"),
                       "file: integer too large: 9223372036854775808", IoError);
}
