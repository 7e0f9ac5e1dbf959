#pragma once

#include <cstddef>
#include <cstdint>

#include <lotar/core/config.hpp>

namespace lotar {

/// Where a training is. It lies in backend memory, where a kernel advances it, so that a recorded step reads its place
/// each time it is replayed.
struct Clock {
  std::uint32_t epoch = 0;  ///< from 0
  std::uint32_t batch = 0;  ///< within the epoch, from 0
  std::uint32_t step = 0;   ///< updates so far
};

/// The kernel that ends a step: for_each(1, AdvanceClock{clock.data}).
struct AdvanceClock {
  Clock* clock;
  LOTAR_FN void operator()(std::size_t) const {
    ++clock->batch;
    ++clock->step;
  }
};

}  // namespace lotar
