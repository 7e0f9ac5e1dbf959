#include <lotar/augment/separable.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "apply.hpp"

using namespace lotar;

namespace {

/// A filter of made-up taps along one axis or the other.
struct MadeUp {
  std::size_t taps, out;
  bool columns;

  LOTAR_FN static float weight(std::size_t k, std::size_t i) { return static_cast<float>((3 * k + i) % 5) * 0.125f; }
  LOTAR_FN static std::size_t index(std::size_t k, std::size_t i, std::size_t extent) {
    return (7 * k + 2 * i) % extent;
  }

  void check(ImageSize) const {}
  ImageSize output(ImageSize in) const { return columns ? ImageSize{out, in.width} : ImageSize{in.height, out}; }
  Footprint footprint(ImageSize in) const {
    return {output(in), max(in.pixels(), output(in).pixels()), detail::filter_scratch(taps * out)};
  }
  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image) const {
    const ImageSize in = image.size, to = columns ? ImageSize{out, in.width} : ImageSize{in.height, out};
    const std::size_t extent = columns ? in.height : in.width, n = out;
    const detail::AxisFilter f{block.template scratch<float>(taps * n), block.template scratch<std::int32_t>(taps * n),
                               taps, n};
    block.for_each(taps, n, [=](std::size_t k, std::size_t i) {
      f.weight[k * n + i] = weight(k, i);
      f.index[k * n + i] = static_cast<std::int32_t>(index(k, i, extent));
    });
    const detail::Planes<const float> from{image.pixels, in.width, in.pixels()};
    const detail::Planes<float> result{image.spare, to.width, to.pixels()};
    if (columns)
      detail::filter_columns(block, f, from, result, in.width);
    else
      detail::filter_rows(block, f, from, result, in.height);
    image.take_spare(to);
  }
};

}  // namespace

TEST_CASE("filters along columns and rows agree with plain loops") {
  const ImageSize in{13, 11};
  const std::vector<float> x = unit_picture(in);
  for (const bool columns : {true, false})
    for (const std::size_t taps : std::vector<std::size_t>{2, 4, 8, 12}) {
      CAPTURE(columns);
      CAPTURE(taps);
      const MadeUp f{taps, 17, columns};
      const ImageSize to = f.output(in);
      std::vector<float> expected;
      for (std::size_t y = 0; y < to.height; ++y)
        for (std::size_t column = 0; column < to.width; ++column)
          for (std::size_t c = 0; c < 3; ++c) {
            double sum = 0;
            for (std::size_t k = 0; k < taps; ++k) {
              const std::size_t at_y = columns ? f.index(k, y, in.height) : y;
              const std::size_t at_x = columns ? column : f.index(k, column, in.width);
              sum += double{f.weight(k, columns ? y : column)} * double{x[(at_y * in.width + at_x) * 3 + c]};
            }
            expected.push_back(static_cast<float>(sum));
          }
      CHECK(max_difference(apply(in, f), expected) < 1e-6f);
    }
}

TEST_CASE("taps are padded to 2 or a multiple of 4") {
  CHECK(detail::padded_taps(1) == 2);
  CHECK(detail::padded_taps(2) == 2);
  CHECK(detail::padded_taps(3) == 4);
  CHECK(detail::padded_taps(4) == 4);
  CHECK(detail::padded_taps(5) == 8);
}
