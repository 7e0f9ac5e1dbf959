#pragma once

#include <cstddef>

#include <lotar/augment/color_jitter.hpp>
#include <lotar/augment/grayscale.hpp>
#include <lotar/augment/horizontal_flip.hpp>
#include <lotar/augment/normalize.hpp>
#include <lotar/augment/pipeline.hpp>
#include <lotar/augment/rand_augment.hpp>
#include <lotar/augment/random_crop.hpp>
#include <lotar/augment/random_resized_crop.hpp>
#include <lotar/augment/resize.hpp>

namespace lotar {

/// The views of the thesis' reference implementation: crops of 8 % to all of the area, bilinear; colours jittered by
/// (0.4, 0.4, 0.4, 0.1) with probability 0.8; grey with probability 0.2.
///
/// @param size       of the views' sides, in pixels
/// @param normalize  applied last; Normalize{} for none
inline auto thesis_augmentation(std::size_t size, const Normalize& normalize = imagenet_normalize) {
  return pipeline(RandomResizedCrop{.height = size, .width = size}, HorizontalFlip{}, ColorJitter{}, Grayscale{},
                  normalize);
}

/// The views of BCL and SDCLR before their RandAugment: as the thesis', but crops of 10 % to all of the area, bicubic.
inline auto bcl_augmentation(std::size_t size, const Normalize& normalize = imagenet_normalize) {
  return pipeline(
      RandomResizedCrop{.height = size, .width = size, .scale_low = 0.1, .interpolation = Interpolation::bicubic},
      HorizontalFlip{}, ColorJitter{}, Grayscale{}, normalize);
}

/// The views of BCL: those before RandAugment, and RandAugment.
///
/// @param rand_augment  a BoostedRandAugment, which follows a memory, or a RandAugment, alike for all samples
template <class Augment = RandAugment>
auto bcl_boosted_augmentation(std::size_t size, const Augment& rand_augment,
                              const Normalize& normalize = imagenet_normalize) {
  return pipeline(
      RandomResizedCrop{.height = size, .width = size, .scale_low = 0.1, .interpolation = Interpolation::bicubic},
      HorizontalFlip{}, ColorJitter{}, Grayscale{}, rand_augment, normalize);
}

/// The views that classifiers are trained on: shifted by up to 4 pixels over black, and flipped.
inline auto crop_flip_augmentation(std::size_t size, const Normalize& normalize = imagenet_normalize) {
  return pipeline(RandomCrop{.height = size, .width = size}, HorizontalFlip{}, normalize);
}

/// No augmentation: whole images, resampled only if they are of another size.
inline auto plain_view(std::size_t size, const Normalize& normalize = imagenet_normalize) {
  return pipeline(Resize{.height = size, .width = size}, normalize);
}

}  // namespace lotar
