#pragma once

#include <chrono>
#include <future>
#include <utility>

namespace examples {

/// Work beside the training, one piece after the other: what the host does with an epoch's results while the backend
/// goes on. What a piece threw, the next call throws; of the last piece it is lost unless somebody waits.
class Background {
 public:
  /// Begins f on another thread, once the piece before is done.
  /// @throws what that one threw; f is not begun then.
  template <class F>
  void run(F f) {
    wait();
    work_ = std::async(std::launch::async, [f = std::move(f)]() mutable {
      F once(std::move(f));  // what it holds is given back when it is done
      once();
    });
  }

  /// Does not wait. @throws what the last piece threw, if it is over.
  void check() {
    if (work_.valid() && work_.wait_for(std::chrono::seconds(0)) == std::future_status::ready) work_.get();
  }

  /// Waits for the last piece. @throws what it threw.
  void wait() {
    if (work_.valid()) work_.get();
  }

 private:
  std::future<void> work_;  // waits in its destructor too
};

}  // namespace examples
