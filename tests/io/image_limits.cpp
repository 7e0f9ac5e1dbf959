#include <lotar/io/image_limits.hpp>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("images are limited by their sides and by their pixels") {
  check_image_limits("x", 1, 1);
  check_image_limits("x", 32768, 4096);
  check_image_limits("x", 4096, 32768);
  const std::string wanted = "x: wanted an image of 1 to 32768 pixels a side and at most 134217728 pixels, got ";
  CHECK_THROWS_WITH_AS(check_image_limits("x", 0, 5), (wanted + "0 x 5").c_str(), IoError);
  CHECK_THROWS_WITH_AS(check_image_limits("x", 5, 0), (wanted + "5 x 0").c_str(), IoError);
  CHECK_THROWS_WITH_AS(check_image_limits("x", 32769, 1), (wanted + "32769 x 1").c_str(), IoError);
  CHECK_THROWS_WITH_AS(check_image_limits("x", 1, 32769), (wanted + "1 x 32769").c_str(), IoError);
  CHECK_THROWS_WITH_AS(check_image_limits("x", 4097, 32768), (wanted + "4097 x 32768").c_str(), IoError);
}
