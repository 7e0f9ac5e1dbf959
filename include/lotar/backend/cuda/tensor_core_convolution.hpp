#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include <lotar/backend/cuda/convolution_64.hpp>
#include <lotar/backend/cuda/convolution_problem.hpp>
#include <lotar/backend/cuda/error.hpp>
#include <lotar/backend/cuda/filter_gradient_64.hpp>
#include <lotar/backend/cuda/launch.hpp>
#include <lotar/backend/cuda/padded_convolution.hpp>
#include <lotar/backend/cuda/result_sums.hpp>
#include <lotar/backend/cuda/stream.hpp>
#include <lotar/core/bf16.hpp>

/// The convolutions that convolution_64.hpp and filter_gradient_64.hpp compute.
namespace lotar::detail {

/// How many thread blocks, each of which has a multiprocessor.
inline unsigned tensor_core_blocks(CudaStream& stream, unsigned tiles) {
  return std::min(stream.device().multiprocessors(), tiles);
}

/// A thread block of f, an address in shared memory of which is a multiple of 1024.
template <class F>
__global__ void __launch_bounds__(F::threads, 1) tensor_core_kernel(const __grid_constant__ F f) {
  if constexpr (compiled_for_wgmma) {
    extern __shared__ __align__(1024) std::byte shared_pixels[];
    f(shared_address(shared_pixels));
  }
}

template <class F>
void launch_tensor_cores(const char* call, CudaStream& stream, const F& f) {
  check(cudaFuncSetAttribute(tensor_core_kernel<F>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             static_cast<int>(stream.device().most_shared())),  // the same by every thread that does
        "cudaFuncSetAttribute");
  launch(call, stream.get(), tensor_core_kernel<F>, dim3(tensor_core_blocks(stream, f.tiles)), dim3(F::threads),
         f.shared_bytes(), f);
}

/// Whether they compute this one: bf16, 3x3, stride and padding 1, to 64 channels; from 64, or from up to 8, which are
/// images, so that there the gradient of the input is left to cuDNN.
inline bool by_tensor_cores(CudaStream& stream, const ConvolutionProblem& p, const ConvolutionArrays& arrays) {
  const auto& [x, filter, y] = p.extents;
  const bool few = x[3] <= padded_channels, to_filter = p.kind == ConvolutionKind::backward_filter;
  if (!stream.device().has_wgmma() || p.factors != Storage::bf16 || filter[0] != conv_channels || filter[1] != 3 ||
      filter[2] != 3 || p.conv.stride != 1 || p.conv.padding != 1 || !(few || x[3] == conv_channels) ||
      (few && p.kind == ConvolutionKind::backward_data) || (!to_filter && p.beta != 0 && p.beta != 1) ||
      p.result != (to_filter ? Storage::float32 : Storage::bf16))
    return false;
  const auto aligned = alignments(arrays);
  if (aligned[2] < 16 || (x[3] >= padded_channels && (aligned[0] < 16 || (!to_filter && aligned[1] < 16))))
    return false;
  constexpr std::size_t most_places = std::size_t{1} << 28;  // so that 16 bytes of them have numbers of 32 bits
  constexpr std::size_t most_edge = 1 << 14;
  if (x[1] > most_edge || x[2] > most_edge || x[0] > most_places / ((x[1] + 1) * (x[2] + 1))) return false;
  const PixelGrid grid = pixel_grid(x);
  if (stage_pixels(grid) > (few ? most_stage_pixels<padded_channels> : most_stage_pixels<conv_channels>)) return false;
  const std::size_t shared = to_filter ? few ? FilterGradient64<padded_channels>::shared_bytes_of(grid)
                                             : FilterGradient64<conv_channels>::shared_bytes_of(grid)
                             : few ? Convolution64<Taps8, false>::shared_bytes_of(grid)
                                       : Convolution64<Taps64<false>, false>::shared_bytes_of(grid);
  return shared <= stream.device().most_shared();
}

/// Whether they compute it of a normalized x: see ConvInput.
inline bool normalized_by_tensor_cores(CudaStream& stream, const ConvolutionProblem& p,
                                       const ConvolutionArrays& arrays) {
  return p.kind != ConvolutionKind::backward_data && p.extents[0][3] == conv_channels &&
         by_tensor_cores(stream, p, arrays);
}

/// The parts of which a convolution's results are summed: see result_sums.hpp.
inline std::size_t tensor_core_parts(CudaStream& stream, const Extents<4>& x) {
  return std::size_t{conv_multipliers} * tensor_core_blocks(stream, pixel_grid(x).tiles());
}

/// A copy with 8 channels, those behind full of zeros; or what there is, if it has so many.
struct EightChannels {
  std::shared_ptr<bf16[]> scratch;
  const bf16* data;

  EightChannels(CudaStream& stream, const void* from, std::size_t pixels, std::size_t channels)
      : data(static_cast<const bf16*>(from)) {
    if (channels == padded_channels) return;
    scratch = stream.allocate<bf16>(pixels * padded_channels);
    launch_loop(stream.get(), pixels, PadChannels{data, channels, scratch.get()});
    data = scratch.get();
  }
};

/// The gradient of a filter of C channels, computed of `channels`: parts of it, and their sum.
template <unsigned channels>
void run_filter_gradient_64(CudaStream& stream, const ConvolutionProblem& problem, const bf16* x, const bf16* dy,
                            float* result, const float* norm = nullptr) {
  using F = FilterGradient64<channels>;
  const PixelGrid grid = pixel_grid(problem.extents[0]);
  const unsigned parts = F::parts_of_block * tensor_core_blocks(stream, grid.tiles());
  const auto scratch = stream.allocate<float>(std::size_t{parts} * F::size);
  launch_tensor_cores("conv2d_backward_filter", stream, F(x, dy, grid, scratch.get(), norm));
  const AddFilterParts add{{scratch.get(), F::size}, parts, channels, problem.extents[1][3], problem.beta, result};
  launch_blocks(stream, F::size / AddFilterParts::strip, add.work(), add);
}

/// What they do besides convolving.
struct TensorCoreExtras {
  const float* norm = nullptr;   ///< [3, 64], applied to x: where the convolution is normalized_by_tensor_cores()
  ResultMoments64 moments = {};  ///< taken, forward
  NormSums64 sums = {};          ///< taken, going back to an input that is not added to
};

/// Runs a convolution that is by_tensor_cores().
inline void run_tensor_cores(CudaStream& stream, const ConvolutionProblem& problem, const ConvolutionArrays& arrays,
                             const TensorCoreExtras& extras) {
  const Extents<4>& extents = problem.extents[0];
  const std::size_t channels = extents[3], pixels = extents.size() / channels;
  const PixelGrid grid = pixel_grid(extents);
  const auto* const x = static_cast<const bf16*>(arrays[0]);
  const auto* const filter = static_cast<const bf16*>(arrays[1]);
  auto* const y = static_cast<bf16*>(arrays[2]);
  switch (problem.kind) {
    case ConvolutionKind::forward:
      if (channels == conv_channels) {
        launch_tensor_cores(
            "conv2d_forward", stream,
            Convolution64<Taps64<false>, false, ResultMoments64>({x, filter, grid, extras.norm}, y, extras.moments));
      } else {
        const EightChannels x8(stream, x, pixels, channels), filter8(stream, filter, conv_channels * 9, channels);
        launch_tensor_cores(
            "conv2d_forward", stream,
            Convolution64<Taps8, false, ResultMoments64>({x8.data, filter8.data, grid}, y, extras.moments));
      }
      return;
    case ConvolutionKind::backward_data: {
      const Taps64<true> taps{y, filter, grid};
      auto* const dx = static_cast<bf16*>(arrays[0]);
      if (extras.sums.x != nullptr)
        launch_tensor_cores("conv2d_backward_data", stream,
                            Convolution64<Taps64<true>, false, NormSums64>(taps, dx, extras.sums));
      else if (problem.beta == 0)
        launch_tensor_cores("conv2d_backward_data", stream, Convolution64<Taps64<true>, false>(taps, dx));
      else
        launch_tensor_cores("conv2d_backward_data", stream, Convolution64<Taps64<true>, true>(taps, dx));
      return;
    }
    case ConvolutionKind::backward_filter: {
      auto* const result = static_cast<float*>(arrays[1]);
      if (channels == conv_channels)
        run_filter_gradient_64<conv_channels>(stream, problem, x, y, result, extras.norm);
      else
        run_filter_gradient_64<padded_channels>(stream, problem, EightChannels(stream, x, pixels, channels).data, y,
                                                result);
    }
  }
}

}  // namespace lotar::detail
