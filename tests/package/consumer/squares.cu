#include <cstdio>
#include <vector>

#include <cuda_runtime_api.h>

#include <lotar/backend/cuda.hpp>
#include <lotar/core/tensor.hpp>

struct Square {
  lotar::View<float, 1, lotar::Cuda::Memory> y;
  LOTAR_FN void operator()(std::size_t i) const { y(i) = static_cast<float>(i * i); }
};

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) return std::puts("skipped: no CUDA device"), 77;
  lotar::Cuda b;
  lotar::Tensor<float, 1, lotar::Cuda> y(b, {10});
  b.for_each(10, Square{y});
  return y.to_host(b)[9] == 81.f ? 0 : 1;
}
