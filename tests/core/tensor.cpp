#include <lotar/core/tensor.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

template <class T, std::size_t N>
using Array = Tensor<T, N, TestBackend>;

static_assert(!std::is_copy_constructible_v<Array<float, 2>> && !std::is_copy_assignable_v<Array<float, 2>>);
static_assert(std::is_nothrow_move_constructible_v<Array<float, 2>> &&
              std::is_nothrow_move_assignable_v<Array<float, 2>>);
static_assert(std::is_convertible_v<const Array<float, 2>&, View<const float, 2, TestBackend::Memory>>);

template <class T>
std::vector<T> numbers(std::size_t n) {
  std::vector<T> values(n);
  std::iota(values.begin(), values.end(), T(1));
  return values;
}

}  // namespace

TEST_CASE_TEMPLATE("values go to the backend and come back in order", T, float, double, std::uint8_t, std::int64_t) {
  TestBackend b;
  const std::vector<T> values = numbers<T>(30);
  const Array<T, 3> t(b, {2, 3, 5}, values);
  CHECK(t.extents == Extents<3>{2, 3, 5});
  CHECK(t.view().data == t.data);
  CHECK(t.to_host(b) == values);
}

TEST_CASE("a tensor of nothing") {
  TestBackend b;
  CHECK(Array<float, 2>(b, {0, 3}, {}).to_host(b).empty());
  const Array<float, 1> none;
  CHECK(none.size() == 0);
  CHECK(none.memory() == nullptr);
}

TEST_CASE("the number of values must be that of the extents") {
  TestBackend b;
  const std::vector<float> values = numbers<float>(5);
  CHECK_THROWS_WITH_AS((Array<float, 2>(b, {2, 3}, values)), "Tensor: [2, 3] needs 6 values, got 5", ShapeError);
}

TEST_CASE("more elements than can be counted are refused") {
  TestBackend b;
  constexpr std::size_t many = std::size_t{1} << 32;
  CHECK_THROWS_WITH_AS((Array<float, 2>(b, {many, many})), "Tensor: [4294967296, 4294967296] has too many elements",
                       ShapeError);
  CHECK_THROWS_WITH_AS((Array<float, 2>(b, {many, many}, {})), "Tensor: [4294967296, 4294967296] has too many elements",
                       ShapeError);
}

TEST_CASE("a tensor gives its memory back when it goes") {
  TestBackend b;
  const std::size_t before = b.pool().used();
  {
    const Array<float, 1> t(b, {1000});
    CHECK(b.pool().used() >= before + 4000);
  }
  CHECK(b.pool().used() == before);
}

TEST_CASE("a shared tensor keeps the memory") {
  TestBackend b;
  const std::size_t before = b.pool().used();
  Array<float, 1> second;
  {
    const Array<float, 1> first(b, {4}, numbers<float>(4));
    second = first.share();
    CHECK(second.data == first.data);
    CHECK(second.extents == first.extents);
  }
  CHECK(b.pool().used() > before);
  CHECK(second.to_host(b) == numbers<float>(4));
  second = {};
  CHECK(b.pool().used() == before);
}

TEST_CASE("a moved tensor has the memory, alone") {
  TestBackend b;
  Array<float, 1> first(b, {4}, numbers<float>(4));
  const float* const data = first.data;
  Array<float, 1> second = std::move(first), third;
  CHECK(second.data == data);
  CHECK(second.memory().use_count() == 1);
  third = std::move(second);
  CHECK(third.data == data);
  CHECK(third.to_host(b) == numbers<float>(4));
  for (const auto* moved : {&first, &second}) {
    CHECK(moved->data == nullptr);
    CHECK(moved->size() == 0);
    CHECK(moved->memory() == nullptr);
  }
}

TEST_CASE("reshaped") {
  TestBackend b;
  Array<float, 2> t(b, {2, 6}, numbers<float>(12));
  const float* const data = t.data;
  SUBCASE("hands the memory over") {
    const Array<float, 3> r = std::move(t).reshaped(Extents<3>{3, 2, 2});
    CHECK(r.extents == Extents<3>{3, 2, 2});
    CHECK(r.data == data);
    CHECK(r.memory().use_count() == 1);
    CHECK(r.to_host(b) == numbers<float>(12));
    CHECK(t.size() == 0);
    CHECK(t.data == nullptr);
    CHECK(t.memory() == nullptr);
  }
  SUBCASE("refuses another number of elements, and the tensor stays as it was") {
    CHECK_THROWS_WITH_AS(std::move(t).reshaped(Extents<1>{11}),
                         "View::reshape: [2, 6] does not hold the elements of [11]", ShapeError);
    REQUIRE(t.memory() != nullptr);
    CHECK(t.to_host(b) == numbers<float>(12));
  }
}

TEST_CASE("a tensor over memory that is owned already") {
  TestBackend b;
  const std::shared_ptr<float[]> memory = b.allocate<float>(6);
  const Array<float, 1> t(View<float, 1, TestBackend::Memory>(memory.get() + 2, {4}), memory);
  CHECK(memory.use_count() == 2);
  b.upload(numbers<float>(4), t.view());
  CHECK(t.to_host(b) == numbers<float>(4));
}
