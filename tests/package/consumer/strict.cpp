#include "squares.hpp"

#include <lotar/core/tensor.hpp>

namespace {

struct Odd {
  lotar::View<float, 1, lotar::Cpu::Memory> y;
  LOTAR_FN void operator()(std::size_t i) const { y(i) = 1 + 2 * static_cast<float>(i); }
};

}  // namespace

std::vector<float> odd_numbers(lotar::Cpu& b, std::size_t n) {
  lotar::Tensor<float, 1, lotar::Cpu> y(b, {n});
  b.for_each(n, Odd{y});
  return y.to_host(b);
}
