#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <functional>
#include <iostream>
#include <limits>
#include <ostream>
#include <string>
#include <utility>

#include <lotar/core/error.hpp>

#include "text.hpp"

namespace examples {

/// How long a training is, in images and updates.
struct TrainingLength {
  std::size_t epochs;
  std::size_t images;                                               ///< an epoch
  std::size_t batch_size;                                           ///< the last batch of an epoch may be smaller
  std::size_t max_steps = std::numeric_limits<std::size_t>::max();  ///< stops after so many updates

  std::size_t steps() const { return (images + batch_size - 1) / batch_size; }  ///< an epoch
  std::size_t last_step() const { return std::min(epochs * steps(), max_steps); }
  /// The images of the first `step` updates of the training.
  std::size_t images_until(std::size_t step) const {
    return step / steps() * images + std::min(step % steps() * batch_size, images);
  }
};

/// Shows how a training goes: on a terminal a bar that is redrawn ten times a second, elsewhere a line at an epoch's
/// end, ten seconds apart at least, and after every minute within an epoch.
class Progress {
 public:
  /// Seconds from any start.
  using Time = std::function<double()>;

  /// @param first_step  updates that an earlier process made.
  explicit Progress(const TrainingLength& length, std::size_t first_step = 0, std::ostream& out = std::cerr,
                    bool terminal = isatty(STDERR_FILENO) == 1, Time now = steady_seconds)
      : length_(length),
        first_step_(first_step),
        out_(out),
        terminal_(terminal),
        now_(std::move(now)),
        start_(now_()),
        last_(start_) {
    if (length.epochs == 0 || length.images == 0 || length.batch_size == 0)
      throw lotar::ConfigError("Progress: wanted epochs, images and batch_size >= 1");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  /// Leaves the bar as it is, on a line of its own.
  ~Progress() {
    if (width_ > 0) out_ << std::endl;
  }

  /// Tells that so many updates of the training are made, and the loss of the last ones; NaN if it is not known.
  void update(std::size_t step, double loss) {
    const double now = now_();
    const bool done = step >= length_.last_step(), epoch_done = step % length_.steps() == 0;
    if (!done && now - last_ < (terminal_ ? 0.1 : epoch_done ? 10 : 60)) return;
    last_ = now;
    std::string line = text(step, loss, now);
    if (!terminal_) {
      out_ << line << std::endl;
      return;
    }
    line.resize(std::min<std::size_t>(line.size(), 79));  // a longer line might wrap, and no return undoes that
    out_ << '\r' << line << std::string(width_ > line.size() ? width_ - line.size() : 0, ' ') << std::flush;
    width_ = line.size();
  }

 private:
  static double steady_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  std::string text(std::size_t step, double loss, double now) const {
    const std::size_t epoch = step == 0 ? 0 : (step - 1) / length_.steps(), in_epoch = step - epoch * length_.steps();
    std::string line = "epoch " + std::to_string(epoch + 1) + "/" + std::to_string(length_.epochs) + " ";
    if (terminal_) {
      constexpr std::size_t cells = 16;
      const std::size_t full = cells * in_epoch / length_.steps();
      line.append("[").append(full, '#').append(cells - full, '.').append("] ");
    } else {
      line += "step ";
    }
    line += std::to_string(in_epoch) + "/" + std::to_string(length_.steps());
    if (!std::isnan(loss)) line.append(" loss ").append(std::isfinite(loss) ? fixed(loss, 4) : "infinite");
    const double done = static_cast<double>(length_.images_until(step) - length_.images_until(first_step_));
    if (done <= 0 || now <= start_) return line;
    const double rate = done / (now - start_);
    const double left =
        static_cast<double>(length_.images_until(std::max(step, length_.last_step())) - length_.images_until(step));
    return line + " " + fixed(rate, rate < 10 ? 1 : 0) + " images/s " + clock_text(left / rate) + " left";
  }

  TrainingLength length_;
  std::size_t first_step_;
  std::ostream& out_;
  bool terminal_;
  Time now_;
  double start_, last_;
  std::size_t width_ = 0;  // of the bar on the screen
};

/// Seconds of wall time.
class Stopwatch {
 public:
  /// The time since the start or the last restart.
  double restart() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace examples
