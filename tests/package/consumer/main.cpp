#include <cstdio>
#include <string>

#include <lotar/core/config.hpp>
#include <lotar/core/tensor.hpp>
#include <lotar/data/load.hpp>

#include "squares.hpp"

/// n ones times the first n odd numbers, as a product of matrices: n^2.
static float square(lotar::Cpu& b, std::size_t n) {
  const lotar::Tensor<float, 2, lotar::Cpu> ones(b, {1, n}, std::vector<float>(n, 1.f));
  const lotar::Tensor<float, 2, lotar::Cpu> odd(b, {n, 1}, odd_numbers(b, n));
  const lotar::Tensor<float, 2, lotar::Cpu> sum(b, {1, 1});
  b.gemm(lotar::Op::none, lotar::Op::none, 1.0, ones, odd, 0.0, sum);
  return sum.to_host(b)[0];
}

int main() {
  using lotar::version_major, lotar::version_minor, lotar::version_patch;
  const std::string version =
      std::to_string(version_major) + "." + std::to_string(version_minor) + "." + std::to_string(version_patch);
  lotar::Cpu b;
  const float got = square(b, 100);
  const std::size_t images = lotar::load_dataset("synthetic", "", lotar::Part::test).size();
  std::printf("lotar %s, expected %s; 100^2 = %g; %zu images\n", version.c_str(), EXPECTED_VERSION,
              static_cast<double>(got), images);
  return version == EXPECTED_VERSION && version == lotar::version && got == 10000.f && images == 5000 ? 0 : 1;
}
