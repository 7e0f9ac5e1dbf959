#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../text.hpp"

namespace examples {

/// What an axis shows. Limits that are NaN come from the data.
struct Axis {
  std::string label = "";
  bool log = false;
  bool integer = false;  ///< ticks at whole numbers only
  double low = std::numeric_limits<double>::quiet_NaN();
  double high = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::string> categories = {};  ///< if any, names of the values 0, 1, ..., which alone have ticks
};

struct Tick {
  double value;
  std::string text;
};

/// An axis on the picture: its range, its ticks, and the pixel of every value.
class Scale {
 public:
  /// @param values       what is to be shown; without any the range is 0 to 1, or 1 to 10.
  /// @param first, last  the pixels of the ends.
  /// @param max_ticks    at least 2.
  Scale(const Axis& axis, std::span<const double> values, double first, double last, int max_ticks)
      : log_(axis.log), first_(first), last_(last) {
    low_ = std::numeric_limits<double>::infinity(), high_ = -low_;
    for (const double v : values) {
      if (!drawable(v)) continue;
      low_ = std::min(low_, v);
      high_ = std::max(high_, v);
    }
    if (low_ > high_) low_ = log_ ? 1 : 0, high_ = log_ ? 10 : 1;
    if (drawable(axis.low)) low_ = axis.low, high_ = std::max(low_, high_);
    if (drawable(axis.high)) high_ = axis.high, low_ = std::min(low_, high_);
    if (!axis.categories.empty())
      category_ticks(axis.categories);
    else if (log_)
      log_ticks();
    else
      linear_ticks(axis.integer, max_ticks);
  }

  /// Whether a value has a place on such an axis; what has none is a gap.
  bool drawable(double v) const { return std::abs(v) < 1e100 && (!log_ || v > 1e-100); }

  double pixel(double v) const {
    return first_ + (last_ - first_) * (along(v) - along(low_)) / (along(high_) - along(low_));
  }

  const std::vector<Tick>& ticks() const { return ticks_; }

  /// A number as ticks have it: no more decimals than it needs, up to six.
  static std::string general(double v) {
    if (v != 0 && (std::abs(v) >= 1e7 || std::abs(v) < 1e-4)) {
      char text[64];
      const auto end = std::to_chars(text, text + sizeof(text), v, std::chars_format::scientific, 2).ptr;
      return {text, end};
    }
    std::string text = fixed(v, v == std::floor(v) ? 0 : 6);
    if (text.find('.') != std::string::npos) text.erase(text.find_last_not_of("0") + 1);
    return text;
  }

 private:
  double along(double v) const { return log_ ? std::log10(v) : v; }

  void category_ticks(const std::vector<std::string>& names) {
    for (const std::string& name : names) ticks_.push_back({static_cast<double>(ticks_.size()), name});
    low_ = -0.5, high_ = static_cast<double>(names.size()) - 0.5;
  }

  /// Ticks at multiples of 1, 2 or 5 times a power of ten; the range ends at ticks.
  void linear_ticks(bool integer, int max_ticks) {
    const double most = std::max(std::abs(low_), std::abs(high_)), least = std::max(most, 1e-12) * 1e-6;
    if (most < least) {  // zeros
      low_ = 0, high_ = 1;
    } else if (high_ - low_ < least) {  // one value: a range around it
      const double half = std::max(least, 0.05 * most);
      low_ -= half, high_ += half;
    }
    const int limit = std::max(2, max_ticks);
    int power = static_cast<int>(std::floor(std::log10((high_ - low_) / limit)));
    if (integer) power = std::max(power, 0);
    double step = 0, from = 0, to = 0;
    for (bool found = false; !found; ++power)
      for (const double digit : {1.0, 2.0, 5.0}) {
        step = digit * std::pow(10.0, power);
        from = std::floor(low_ / step + 1e-9), to = std::ceil(high_ / step - 1e-9);
        found = to - from < limit;
        if (found) break;
      }
    if (to == from) ++to;
    const int decimals = std::max(0, -(power - 1));
    const bool plain = decimals <= 6 && std::max(std::abs(from), std::abs(to)) * step < 1e7;
    for (double i = from; i <= to; ++i)
      ticks_.push_back({i * step, plain ? fixed(i * step, decimals) : general(i * step)});
    low_ = from * step, high_ = to * step;
  }

  /// Ticks at 1, 2 and 5 times powers of ten, or at powers alone where those are many; at both ends where neither falls
  /// into the range.
  void log_ticks() {
    low_ /= 1.2, high_ *= 1.2;
    const double decades = std::log10(high_ / low_);
    const int every = std::max(1, static_cast<int>(decades / 8));
    for (int power = static_cast<int>(std::floor(std::log10(low_))); std::pow(10.0, power) <= high_; ++power)
      for (const double digit : {1.0, 2.0, 5.0}) {
        const double value = digit * std::pow(10.0, power);
        const bool shown = digit == 1 ? power % every == 0 : decades < 3.5;
        if (shown && value >= low_ && value <= high_) ticks_.push_back({value, general(value)});
      }
    if (ticks_.empty()) ticks_ = {{low_, general(low_)}, {high_, general(high_)}};
  }

  bool log_;
  double first_, last_;
  double low_, high_;
  std::vector<Tick> ticks_;
};

}  // namespace examples
