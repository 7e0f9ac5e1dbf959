#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/view.hpp>

namespace lotar {

/// Where a training is. It lies in backend memory, where a kernel advances it, so that a recorded step reads its place
/// each time it is replayed.
struct Clock {
  std::uint32_t epoch = 0;  ///< from 0
  std::uint32_t batch = 0;  ///< within the epoch, from 0
  std::uint32_t step = 0;   ///< updates so far
};

/// Which samples of a data set the clock's batch holds, as kernels see it: row i is order[batch * batch_size + i].
template <class Memory>
struct BatchSamples {
  View<const std::uint32_t, 1, Memory> order;  ///< of the epoch
  View<const Clock, 1, Memory> clock;          ///< [1]
  std::size_t batch_size = 0;                  ///< of a whole batch

  LOTAR_FN std::uint32_t operator()(std::size_t i) const { return order(clock(0).batch * batch_size + i); }
};

/// Throws ShapeError "where: ..." if n samples are more than a batch, or the order, holds. Which batch it is is not
/// checked: the clock lies on the backend.
template <class Memory>
void check_batch(const char* where, std::size_t n, const View<const std::uint32_t, 1, Memory>& order,
                 std::size_t batch_size) {
  if (n > batch_size || n > order.extent(0))
    throw ShapeError(std::string(where) + ": a batch of " + std::to_string(n) +
                     " samples is more than the batch size " + std::to_string(batch_size) + " or the " +
                     std::to_string(order.extent(0)) + " of order");
}

/// The kernel that ends a step: for_each(1, AdvanceClock{clock.data}).
struct AdvanceClock {
  Clock* clock;
  LOTAR_FN void operator()(std::size_t) const {
    ++clock->batch;
    ++clock->step;
  }
};

}  // namespace lotar
