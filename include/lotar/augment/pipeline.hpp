#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/augment/image.hpp>
#include <lotar/core/backend.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/math.hpp>
#include <lotar/core/random.hpp>
#include <lotar/core/view.hpp>

namespace lotar {

/// What the draws for one view of one sample are a function of.
struct ViewKey {
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint32_t sample = 0;  ///< its index in the data set, not in the batch
  std::uint32_t view = 0;    ///< < 2^16 - 1, the view of draws that all views share
};

/// An operation whose draws depend on whose image it is, too. It also has operation.check_images(images), host, which
/// throws unless it knows each of the images [N, H, W, C] that views are to be made of.
template <class Operation>
concept KeyedOperation = requires(const Operation& operation, Random& random, ImageSize size, const ViewKey& key) {
  operation.check(size);  // host: throws unless the options are valid and images of this size can be worked on
  operation.draw(random, size, key);  // -> parameters; operation.apply(block, image, parameters)
};

/// An operation that draws parameters, and applies them. What it draws is a function of the image's size and of the
/// Random alone, and of the key if it takes one, so every thread of a block draws for itself.
template <class Operation>
concept RandomOperation = KeyedOperation<Operation> ||
    requires(const Operation& operation, Random& random, ImageSize size) {
  operation.check(size);         // host: throws unless the options are valid and images of this size can be worked on
  operation.draw(random, size);  // -> parameters; operation.apply(block, image, parameters)
};

/// An operation without parameters: operation.apply(block, image). Either kind may have footprint(size) -> Footprint;
/// without it, an operation keeps the size and needs no scratch.
template <class Operation>
concept FixedOperation = !RandomOperation<Operation> && requires(const Operation& operation, ImageSize size) {
  operation.check(size);  // host: throws unless the options are valid and images of this size can be worked on
};

namespace detail {

template <RandomOperation Operation>
LOTAR_FN auto draw(const Operation& operation, Random& random, ImageSize size, const ViewKey& key) {
  if constexpr (KeyedOperation<Operation>)
    return operation.draw(random, size, key);
  else
    return operation.draw(random, size);
}

}  // namespace detail

/// Operations, one after the other: trivially copyable, so it goes into kernels.
template <class... Operations>
struct Pipeline;

template <>
struct Pipeline<> {
  static constexpr bool random = false;

  void check(ImageSize) const {}
  template <class Memory>
  void check_images(const View<const std::uint8_t, 4, Memory>&) const {}
  Footprint footprint(ImageSize in) const { return {in, in.pixels(), 0}; }
  template <class Block>
  LOTAR_FN void apply(Block&, Image&, const ViewKey&, std::uint32_t = 0) const {}
};

template <class First, class... Rest>
struct Pipeline<First, Rest...> {
  static_assert(RandomOperation<First> || FixedOperation<First>);

  First first;
  Pipeline<Rest...> rest;

  /// Whether any operation draws.
  static constexpr bool random = RandomOperation<First> || Pipeline<Rest...>::random;

  /// @throws ConfigError, ShapeError as the operations say, for images of this size.
  void check(ImageSize in) const {
    first.check(in);
    rest.check(first_footprint(in).output);
  }

  /// @param images  [N, H, W, C] that views are to be made of
  /// @throws ShapeError as the keyed operations say.
  template <class Memory>
  void check_images(const View<const std::uint8_t, 4, Memory>& images) const {
    if constexpr (KeyedOperation<First>) first.check_images(images);
    rest.check_images(images);
  }

  Footprint footprint(ImageSize in) const {
    const Footprint a = first_footprint(in), b = rest.footprint(a.output);
    return {b.output, max(a.pixels, b.pixels), a.scratch_bytes + b.scratch_bytes};
  }

  /// Applies all operations; the one at each position draws from its own stream of numbers.
  template <class Block>
  LOTAR_FN void apply(Block& block, Image& image, const ViewKey& key, std::uint32_t position = 0) const {
    if constexpr (RandomOperation<First>) {
      Random draws(key.seed, key.epoch, key.sample, key.view, position);
      first.apply(block, image, detail::draw(first, draws, image.size, key));
    } else {
      first.apply(block, image);
    }
    rest.apply(block, image, key, position + 1);
  }

 private:
  Footprint first_footprint(ImageSize in) const {
    if constexpr (requires { first.footprint(in); })
      return first.footprint(in);
    else
      return {in, in.pixels(), 0};
  }
};

/// The pipeline of these operations, first to last.
inline Pipeline<> pipeline() { return {}; }
template <class First, class... Rest>
Pipeline<First, Rest...> pipeline(const First& first, const Rest&... rest) {
  return {first, pipeline(rest...)};
}

}  // namespace lotar
