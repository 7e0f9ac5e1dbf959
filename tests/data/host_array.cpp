#include <lotar/data/host_array.hpp>

#include <type_traits>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("a host array is owning, dense and row-major") {
  auto array = make_host_array<int, 3>({2, 3, 4});
  REQUIRE(array.size() == 24);
  CHECK(array.shape()[0] == 2);
  CHECK(array.shape()[2] == 4);
  for (std::size_t i = 0; i < 24; ++i) values(array)[i] = static_cast<int>(i);
  CHECK(array(1, 2, 3) == 23);
  CHECK(array(0, 1, 0) == 4);
  const auto copy = array;
  array(0, 1, 0) = -1;
  CHECK(values(copy)[4] == 4);
  static_assert(std::is_same_v<decltype(values(copy)), std::span<const int>>);
  CHECK(make_host_array<float, 2>({0, 5}).size() == 0);
}
