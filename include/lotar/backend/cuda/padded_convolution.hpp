#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/direct_convolution.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/planned_convolution.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/bf16.hpp>
#include <lotar/core/pack.hpp>

/// Convolutions of bf16 images of few channels, such as a network's first, as convolutions of 8 channels, those behind
/// full of zeros: cuDNN's fast engines take multiples of 8. What is padded grows to up to 8 times its size, which is
/// little where there are fewer than 8; cuDNN has its own ways for other numbers, and for gradients of filters, whose
/// sums over all pixels it cuts better (see ConvolutionPlans).
namespace lotar::detail {

static_assert(padded_channels == pack_width<bf16>);  // a pixel is one store

/// f(pixel) of an image, or place of a filter: its few channels, and zeros behind.
struct PadChannels {
  const bf16* from;
  std::size_t channels;
  bf16* to;
  LOTAR_FN void operator()(std::size_t pixel) const {
    Pack<bf16, padded_channels> padded;
    for (std::size_t c = 0; c < padded_channels; ++c) padded[c] = c < channels ? from[pixel * channels + c] : bf16(0.f);
    store_pack(padded, to + pixel * padded_channels);
  }
};

/// f(pixel, channel): to = from + beta to, of the few channels.
struct AddUnpadded {
  const bf16* from;
  double beta;
  std::size_t channels;
  bf16* to;
  LOTAR_FN void operator()(std::size_t pixel, std::size_t c) const {
    add_scaled(static_cast<float>(from[pixel * padded_channels + c]), beta, to[pixel * channels + c]);
  }
};

/// Runs a convolution of bf16 with fewer than 8 channels, or the gradient of its data, by cuDNN as one of 8: from
/// copies of x and the filter; a gradient into a scratch, whose part is then added.
/// @param amiss  out: what may have kept cuDNN from having a plan, if anything
/// @return false if it has no plan, there are more channels, or the filter's gradient is asked for
inline bool run_padded(CudaStream& stream, ConvolutionProblem problem, ConvolutionArrays arrays, std::string& amiss) {
  const std::size_t channels = problem.extents[0][3], computed = problem.result_array();
  if (channels >= padded_channels || problem.kind == ConvolutionKind::backward_filter) return false;
  const ConvolutionArrays few = arrays;
  const double beta = std::exchange(problem.beta, 0);
  std::shared_ptr<bf16[]> scratch[2];  // of x and the filter
  std::size_t pixels[2];
  for (const std::size_t i : {0u, 1u}) {
    pixels[i] = problem.extents[i].size() / channels;
    problem.extents[i][3] = padded_channels;
    scratch[i] = stream.allocate<bf16>(pixels[i] * padded_channels);
    arrays[i] = scratch[i].get();
  }
  const ConvolutionPlan* const plan = find_plan(stream, problem, arrays, amiss);
  if (plan == nullptr) return false;
  for (const std::size_t i : {0u, 1u})
    if (i != computed)
      launch_loop(stream.get(), pixels[i], PadChannels{static_cast<const bf16*>(few[i]), channels, scratch[i].get()});
  run_plan(stream, *plan, arrays);
  if (computed < 2)
    launch_loop(stream.get(), pixels[computed], channels,
                AddUnpadded{scratch[computed].get(), beta, channels, static_cast<bf16*>(few[computed])});
  return true;
}

}  // namespace lotar::detail
