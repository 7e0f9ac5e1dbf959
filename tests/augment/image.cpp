#include <lotar/augment/image.hpp>

#include <cstdint>
#include <vector>

#include "apply.hpp"

using namespace lotar;

TEST_CASE("an image is read as 255ths and written in the same order") {
  CHECK(max_difference(apply({13, 11}), unit_picture({13, 11})) < 1e-7f);
}

TEST_CASE("a grey image is read as three equal channels") {
  TestBackend b;
  const std::vector<std::uint8_t> grey = {0, 51, 102, 255};
  const std::vector<std::uint32_t> first = {0};
  const Tensor<std::uint8_t, 4, TestBackend> images(b, {1, 2, 2, 1}, grey);
  const Tensor<std::uint32_t, 1, TestBackend> samples(b, {1}, first);
  const Tensor<float, 4, TestBackend> out(b, {1, 2, 2, 3});
  fixed_view(b, images.view(), samples.view(), pipeline(), out.view());
  CHECK(max_difference(out.to_host(b), {0, 0, 0, 0.2f, 0.2f, 0.2f, 0.4f, 0.4f, 0.4f, 1, 1, 1}) < 1e-7f);
}

TEST_CASE("take_spare exchanges the buffers") {
  float a[3] = {}, c[3] = {};
  Image image{a, c, {1, 1}};
  CHECK(image.plane(2) == a + 2);
  image.take_spare({2, 5});
  CHECK(image.pixels == c);
  CHECK(image.spare == a);
  CHECK(image.size == ImageSize{2, 5});
  CHECK(to_string(image.size) == "2x5");
}
