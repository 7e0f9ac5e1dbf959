#include <lotar/core/view.hpp>

#include <cstddef>
#include <numeric>
#include <type_traits>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

struct Here {};
struct There {};

template <class T, std::size_t N, class Memory = Here>
using V = View<T, N, Memory>;

// Views go into kernels byte by byte.
static_assert(std::is_trivially_copyable_v<V<float, 4>>);

// A view gains const and nothing else.
static_assert(std::is_convertible_v<V<float, 2>, V<const float, 2>>);
static_assert(!std::is_constructible_v<V<float, 2>, V<const float, 2>>);
static_assert(!std::is_constructible_v<V<double, 2>, V<float, 2>>);
static_assert(!std::is_constructible_v<V<const double, 2>, V<float, 2>>);
static_assert(!std::is_constructible_v<V<float, 1>, V<float, 2>>);

// Views of different memories do not convert.
static_assert(!std::is_constructible_v<V<float, 2, There>, V<float, 2, Here>>);
static_assert(!std::is_constructible_v<V<const float, 2, There>, V<float, 2, Here>>);
static_assert(!std::is_assignable_v<V<const float, 2, There>&, V<const float, 2, Here>>);

std::vector<int> numbers(std::size_t n) {
  std::vector<int> values(n);
  std::iota(values.begin(), values.end(), 0);
  return values;
}

}  // namespace

TEST_CASE("extents") {
  CHECK(Extents<3>{2, 3, 4}.size() == 24);
  CHECK(Extents<3>{2, 0, 4}.size() == 0);
  CHECK(Extents<2>{2, 3} == Extents<2>{2, 3});
  CHECK_FALSE(Extents<2>{2, 3} == Extents<2>{3, 2});
  CHECK(to_string(Extents<1>{7}) == "[7]");
  CHECK(to_string(Extents<4>{1, 20, 300, 4}) == "[1, 20, 300, 4]");
}

TEST_CASE("more elements than can be counted are refused") {
  constexpr std::size_t many = std::size_t{1} << 32;
  CHECK(checked_size("f", Extents<2>{many, many - 1}) == many * (many - 1));
  CHECK(checked_size("f", Extents<3>{many, 0, many}) == 0);
  CHECK_THROWS_WITH_AS(checked_size("f", Extents<2>{many, many}), "f: [4294967296, 4294967296] has too many elements",
                       ShapeError);
}

TEST_CASE("the last index is the contiguous one") {
  std::vector<int> values = numbers(120);
  const V<int, 4> v(values.data(), {2, 3, 4, 5});
  int next = 0;
  for (int n = 0; n < 2; ++n)
    for (int h = 0; h < 3; ++h)
      for (int w = 0; w < 4; ++w)
        for (int c = 0; c < 5; ++c) REQUIRE(v(n, h, w, c) == next++);
  v(1, 2, 3, 4) = -1;
  CHECK(values.back() == -1);
  CHECK(v.extent(2) == 4);
  CHECK(v.size() == 120);
}

TEST_CASE("a view that was given nothing is empty") {
  const V<float, 3> v;
  CHECK(v.size() == 0);
  CHECK(v.data == nullptr);
}

TEST_CASE("a view of const sees the same elements") {
  std::vector<int> values = numbers(6);
  const V<int, 2> v(values.data(), {2, 3});
  const V<const int, 2> c = v;
  CHECK(c.extents == v.extents);
  CHECK(&c(1, 2) == &v(1, 2));
}

TEST_CASE("rows") {
  std::vector<int> values = numbers(60);
  const V<int, 3> v(values.data(), {5, 3, 4});
  const V<int, 3> middle = v.rows(1, 3);
  CHECK(middle.extents == Extents<3>{3, 3, 4});
  CHECK(middle(0, 0, 0) == 12);
  CHECK(middle(2, 2, 3) == 47);
  CHECK(middle.rows(2, 1)(0, 0, 0) == 36);
  CHECK(v.rows(5, 0).size() == 0);
  CHECK(v.rows(0, 5).data == v.data);

  const V<int, 1> line(values.data(), {60});
  CHECK(line.rows(10, 2)(1) == 11);

  const V<int, 2> empty(values.data(), {0, 4});
  CHECK(empty.rows(0, 0).extents == Extents<2>{0, 4});
  CHECK(empty.rows(0, 0).data == empty.data);
}

TEST_CASE("reshape and flat keep the elements in order") {
  std::vector<int> values = numbers(24);
  const V<int, 3> v(values.data(), {2, 3, 4});
  const V<int, 2> w = v.reshape(Extents<2>{6, 4});
  CHECK(w.extents == Extents<2>{6, 4});
  CHECK(w(5, 1) == 21);
  CHECK(v.flat().extents == Extents<1>{24});
  CHECK(v.flat()(23) == 23);
  CHECK(V<int, 2>(values.data(), {0, 3}).reshape(Extents<1>{0}).size() == 0);
}

TEST_CASE("reshape refuses another number of elements") {
  std::vector<int> values = numbers(6);
  const V<int, 2> v(values.data(), {2, 3});
  CHECK_THROWS_WITH_AS(v.reshape(Extents<1>{5}), "View::reshape: [2, 3] does not hold the elements of [5]", ShapeError);
  CHECK_THROWS_WITH_AS(v.reshape(Extents<3>{2, 3, 2}), "View::reshape: [2, 3] does not hold the elements of [2, 3, 2]",
                       ShapeError);
  constexpr std::size_t many = std::size_t{1} << 32;
  CHECK_THROWS_WITH_AS((V<int, 2>(values.data(), {0, 3}).reshape(Extents<2>{many, many})),
                       "View::reshape: [4294967296, 4294967296] has too many elements", ShapeError);
}

TEST_CASE("check_shape says what was wanted and what came") {
  CHECK_NOTHROW(check_shape("f", "x", Extents<2>{2, 3}, Extents<2>{2, 3}));
  CHECK_THROWS_WITH_AS(check_shape("f", "x", Extents<2>{2, 3}, Extents<2>{3, 2}), "f: x must be [2, 3], got [3, 2]",
                       ShapeError);
}
