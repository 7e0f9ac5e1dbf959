#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <lotar/augment/image.hpp>
#include <lotar/augment/pipeline.hpp>
#include <lotar/augment/views.hpp>
#include <lotar/core/random.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../worst.hpp"

/// A picture with large steps between neighbours: [height, width, 3]. The same formula is in
/// tests/reference/augment.py.
inline std::vector<std::uint8_t> picture(lotar::ImageSize size) {
  std::vector<std::uint8_t> values;
  for (std::size_t y = 0; y < size.height; ++y)
    for (std::size_t x = 0; x < size.width; ++x)
      for (std::size_t c = 0; c < 3; ++c)
        values.push_back(static_cast<std::uint8_t>(37 * y + 59 * x + 83 * c + y * x * (c + 3) % 71 + 5 * x * x % 97));
  return values;
}

/// The same in [0, 1].
inline std::vector<float> unit_picture(lotar::ImageSize size) {
  std::vector<float> values;
  for (const std::uint8_t v : picture(size)) values.push_back(static_cast<float>(v) / 255);
  return values;
}

template <class Operation>
using ParametersOf = decltype(lotar::detail::draw(std::declval<const Operation&>(), std::declval<lotar::Random&>(),
                                                  lotar::ImageSize{}, lotar::ViewKey{}));

/// An operation with parameters that are given instead of drawn.
template <class Operation>
struct Given {
  Operation operation;
  ParametersOf<Operation> parameters;

  void check(lotar::ImageSize in) const { operation.check(in); }
  lotar::Footprint footprint(lotar::ImageSize in) const { return lotar::pipeline(operation).footprint(in); }
  template <class Block>
  LOTAR_FN void apply(Block& block, lotar::Image& image) const {
    operation.apply(block, image, parameters);
  }
};

template <class Operation>
Given<Operation> given(const Operation& operation, const ParametersOf<Operation>& parameters) {
  return {operation, parameters};
}

/// What operations that do not draw make of the picture of a size, [H, W, 3].
template <class... Operations>
std::vector<float> apply(lotar::ImageSize in, const Operations&... operations) {
  TestBackend b;
  const auto p = lotar::pipeline(operations...);
  const lotar::ImageSize size = p.footprint(in).output;
  const std::vector<std::uint8_t> source = picture(in);
  const std::vector<std::uint32_t> first = {0};
  const lotar::Tensor<std::uint8_t, 4, TestBackend> images(b, {1, in.height, in.width, 3}, source);
  const lotar::Tensor<std::uint32_t, 1, TestBackend> samples(b, {1}, first);
  const lotar::Tensor<float, 4, TestBackend> out(b, {1, size.height, size.width, 3});
  lotar::fixed_view(b, images.view(), samples.view(), p, out.view());
  return out.to_host(b);
}

template <class Operation, class Memory>
struct Draw {
  Operation operation;
  lotar::ImageSize size;
  lotar::ViewKey key;
  lotar::View<ParametersOf<Operation>, 1, Memory> out;
  LOTAR_FN void operator()(std::size_t i) const {
    lotar::ViewKey own = key;
    own.sample = static_cast<std::uint32_t>(i);
    lotar::Random random(own.seed, own.epoch, own.sample, own.view, 0);
    out(i) = lotar::detail::draw(operation, random, size, own);
  }
};

/// What an operation draws for samples 0 to n - 1, on the backend.
template <class Operation>
std::vector<ParametersOf<Operation>> draws(TestBackend& b, const Operation& operation, lotar::ImageSize size,
                                           std::size_t n, const lotar::ViewKey& key) {
  const lotar::Tensor<ParametersOf<Operation>, 1, TestBackend> out(b, {n});
  b.for_each(n, Draw<Operation, TestBackend::Memory>{operation, size, key, out.view()});
  return out.to_host(b);
}

template <class Operation>
std::vector<ParametersOf<Operation>> draws(const Operation& operation, lotar::ImageSize size, std::size_t n,
                                           std::uint64_t seed = 1) {
  TestBackend b;
  return draws(b, operation, size, n, {.seed = seed});
}

/// The largest difference; infinite if the sizes differ or a value is not a number.
inline float max_difference(const std::vector<float>& a, const std::vector<float>& b) {
  float worst = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) worst = worst_of(worst, std::abs(a[i] - b[i]));
  return worst;
}

/// The mean difference, in grey levels, of values in [0, 1] from PIL's.
inline double mean_levels(const std::vector<float>& ours, const std::vector<float>& pil) {
  if (ours.size() != pil.size()) return INFINITY;
  double sum = 0;
  for (std::size_t i = 0; i < ours.size(); ++i)
    sum += std::abs(255 * static_cast<double>(ours[i]) - static_cast<double>(pil[i]));
  return sum / static_cast<double>(ours.size());
}
