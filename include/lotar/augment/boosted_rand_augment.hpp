#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/augment/image.hpp>
#include <lotar/augment/pipeline.hpp>
#include <lotar/augment/rand_augment.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>
#include <lotar/core/view.hpp>

namespace lotar {

/// BCL's RandAugment: as strong for a sample as its number M in [0, 1] says, see LossMemory::strengths().
///
/// M is the probability of each operation. The magnitude is 10 + 20 M for one operation; for more it is 5 + 25 M U,
/// where U is uniform in [0, 1) and the same for all operations and views of a sample in an epoch.
///
/// @tparam Memory  of the backend that makes the views
/// @cost   as RandAugment.
/// @source Zhou et al., Contrastive learning with boosted memorization, ICML 2022, arXiv:2205.12693, with the
///         magnitudes of its code.
template <class Memory>
struct BoostedRandAugment {
  using Parameters = RandAugment::Parameters;

  std::size_t operations = 1;                   ///< drawn for a view: 1 in BCL-I, 2 in BCL-D
  View<const float, 1, Memory> strengths = {};  ///< [images] M; read whenever views are made, so it must outlive them

  /// @throws ConfigError, ShapeError as RandAugment.
  void check(ImageSize in) const { RandAugment{.operations = operations}.check(in); }
  /// @throws ShapeError unless there is a strength for each image.
  void check_images(const View<const std::uint8_t, 4, Memory>& images) const {
    check_shape("BoostedRandAugment", "strengths", Extents<1>{images.extent(0)}, strengths.extents);
  }
  Footprint footprint(ImageSize in) const { return RandAugment{}.footprint(in); }

  LOTAR_FN Parameters draw(Random& random, ImageSize size, const ViewKey& key) const {
    const float m = strengths(key.sample);
    const float magnitude = operations == 1 ? fma(20.f, m, 10.f) : fma(25.f, m * shared_uniform(key), 5.f);
    return RandAugment{operations, static_cast<double>(m), static_cast<double>(magnitude)}.draw(random, size);
  }

  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const Parameters& parameters) const {
    RandAugment{}.apply(block, image, parameters);
  }

 private:
  LOTAR_FN static float shared_uniform(const ViewKey& key) {
    constexpr std::uint32_t no_view = 0xFFFF, operation = 0xFFFF;
    Random random(key.seed, key.epoch, key.sample, no_view, operation);
    return random.uniform();
  }
};

}  // namespace lotar
