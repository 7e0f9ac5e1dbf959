#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include <lotar/core/backend.hpp>

#include "../worst.hpp"

namespace lotar {

/// A convolution and its arrays' extents.
struct ConvolutionCase {
  Extents<4> x, filter;
  Conv2d conv;
  Extents<4> y() const { return conv2d_output(x, filter, conv); }
};

/// 3x3 to 64 channels, for which some devices have kernels of their own.
inline ConvolutionCase to_64(const Extents<4>& x) { return {x, {64, 3, 3, x[3]}, {1, 1}}; }

/// Errors of bf16, of the largest value: of one rounding, and of two, where what is rounded is added to.
inline constexpr double rounded_once = 4e-3, rounded_twice = 8e-3;

/// f(index of x, of the filter, of y) for every product of the convolution that falls inside the image: seven loops.
template <class F>
void for_each_product(const ConvolutionCase& p, const F& f) {
  const Extents<4> x = p.x, w = p.filter, y = p.y();
  for (std::size_t n = 0; n < y[0]; ++n)
    for (std::size_t i = 0; i < y[1]; ++i)
      for (std::size_t j = 0; j < y[2]; ++j)
        for (std::size_t k = 0; k < w[0]; ++k)
          for (std::size_t r = 0; r < w[1]; ++r)
            for (std::size_t s = 0; s < w[2]; ++s)
              for (std::size_t c = 0; c < w[3]; ++c) {
                const std::size_t row = i * p.conv.stride + r, col = j * p.conv.stride + s, pad = p.conv.padding;
                if (row < pad || col < pad || row >= x[1] + pad || col >= x[2] + pad) continue;
                f(((n * x[1] + row - pad) * x[2] + col - pad) * x[3] + c, ((k * w[1] + r) * w[2] + s) * w[3] + c,
                  ((n * y[1] + i) * y[2] + j) * y[3] + k);
              }
}

struct ConvolutionAnswer {
  std::vector<double> y, dx, dfilter;
};

/// The convolution of x, and its gradients where that of y is dy.
inline ConvolutionAnswer convolution_by_loops(const ConvolutionCase& p, const std::vector<double>& x,
                                              const std::vector<double>& filter, const std::vector<double>& dy) {
  ConvolutionAnswer a{std::vector<double>(dy.size()), std::vector<double>(x.size()),
                      std::vector<double>(filter.size())};
  for_each_product(p, [&](std::size_t at_x, std::size_t at_w, std::size_t at_y) {
    a.y[at_y] += x[at_x] * filter[at_w];
    a.dx[at_x] += dy[at_y] * filter[at_w];
    a.dfilter[at_w] += dy[at_y] * x[at_x];
  });
  return a;
}

/// Values that T holds exactly.
template <class T>
std::vector<T> convolution_values(std::size_t n, double phase) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i)
    v[i] = static_cast<T>(static_cast<float>(std::sin(.9 * static_cast<double>(i) + phase)));
  return v;
}

/// The arrays of a convolution that are given.
template <class T>
struct ConvolutionValues {
  std::vector<T> x, filter, dy;
  explicit ConvolutionValues(const ConvolutionCase& p)
      : x(convolution_values<T>(p.x.size(), 0)),
        filter(convolution_values<T>(p.filter.size(), 1)),
        dy(convolution_values<T>(p.y().size(), 2)) {}
};

template <class T>
std::vector<double> to_double(const std::vector<T>& v) {
  std::vector<double> out(v.size());
  for (std::size_t i = 0; i < v.size(); ++i) out[i] = static_cast<double>(static_cast<Accum<T>>(v[i]));
  return out;
}

/// The largest |got - wanted| over 1 + the largest |wanted|; NaN counts as infinity.
template <class T>
double worst_error(const std::vector<T>& got, const std::vector<double>& wanted) {
  double worst = 0, scale = 1;
  for (const double w : wanted) scale = std::fmax(scale, std::abs(w));
  const auto values = to_double(got);
  for (std::size_t i = 0; i < wanted.size(); ++i) worst = worst_of(worst, std::abs(values[i] - wanted[i]) / scale);
  return worst;
}

/// The mean of each column of a matrix [rows, cols], and the sum of squares about it.
struct ColumnStatistics {
  std::vector<double> mean, squares;
};

/// By plain loops.
inline ColumnStatistics statistics_by_loops(const std::vector<double>& y, std::size_t cols) {
  ColumnStatistics s{std::vector<double>(cols), std::vector<double>(cols)};
  const double rows = static_cast<double>(y.size() / cols);
  for (std::size_t i = 0; i < y.size(); ++i) s.mean[i % cols] += y[i] / rows;
  for (std::size_t i = 0; i < y.size(); ++i) s.squares[i % cols] += std::pow(y[i] - s.mean[i % cols], 2);
  return s;
}

/// From those of parts [parts, cols] of so many rows.
inline ColumnStatistics statistics_of_parts(const ColumnStatistics& parts, const std::vector<double>& counts) {
  const std::size_t cols = parts.mean.size() / counts.size();
  ColumnStatistics s{std::vector<double>(cols), std::vector<double>(cols)};
  double rows = 0;
  for (const double count : counts) rows += count;
  for (std::size_t i = 0; i < parts.mean.size(); ++i) s.mean[i % cols] += counts[i / cols] * parts.mean[i] / rows;
  for (std::size_t i = 0; i < parts.mean.size(); ++i)
    s.squares[i % cols] += parts.squares[i] + counts[i / cols] * std::pow(parts.mean[i] - s.mean[i % cols], 2);
  return s;
}

/// How far moments of parts are off those of y: means over the magnitude of means and deviations, squares over squares.
struct MomentErrors {
  double mean = 0, squares = 0;
};
template <class T, class A>
MomentErrors moment_errors(const std::vector<T>& y, const std::vector<A>& mean, const std::vector<A>& squares,
                           const std::vector<A>& counts) {
  const std::size_t cols = mean.size() / counts.size();
  const double rows = static_cast<double>(y.size() / cols);
  const ColumnStatistics wanted = statistics_by_loops(to_double(y), cols),
                         got = statistics_of_parts({to_double(mean), to_double(squares)}, to_double(counts));
  MomentErrors worst;
  for (std::size_t c = 0; c < cols; ++c) {
    const double scale = std::abs(wanted.mean[c]) + std::sqrt(wanted.squares[c] / rows);
    if (got.mean[c] != wanted.mean[c])
      worst.mean = worst_of(worst.mean, std::abs(got.mean[c] - wanted.mean[c]) / scale);
    if (got.squares[c] != wanted.squares[c])
      worst.squares = worst_of(worst.squares, std::abs(got.squares[c] - wanted.squares[c]) / wanted.squares[c]);
  }
  return worst;
}

/// Of a norm [3, cols], as ConvInput has it: most betas are positive, unlike the padding.
template <class A>
std::vector<A> norm_coefficients(std::size_t cols) {
  std::vector<A> norm = convolution_values<A>(3 * cols, 3);
  for (std::size_t i = 2 * cols; i < 3 * cols; ++i) norm[i] += A(.5);
  return norm;
}

/// x normalized, rounded once.
template <class T>
std::vector<T> normalized_by(const std::vector<T>& x, const std::vector<Accum<T>>& norm) {
  using A = Accum<T>;
  const std::size_t cols = norm.size() / 3;
  std::vector<T> values;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % cols;
    values.push_back(static_cast<T>(max(norm_value(x[i], norm[c], norm[cols + c], norm[2 * cols + c]), A(0))));
  }
  return values;
}

/// NormSums over all rows, and for each the sum of its terms' magnitudes.
struct NormSumsAnswer {
  std::vector<double> sum, product, magnitude;
};

template <class T>
NormSumsAnswer norm_sums_by_loops(const std::vector<T>& x, const std::vector<Accum<T>>& norm,
                                  const std::vector<double>& dx) {
  const std::size_t cols = norm.size() / 3;
  NormSumsAnswer s{std::vector<double>(cols), std::vector<double>(cols), std::vector<double>(cols)};
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t c = i % cols;
    if (!(norm_value(x[i], norm[c], norm[cols + c], norm[2 * cols + c]) > 0)) continue;
    const double about_mean = static_cast<double>(static_cast<Accum<T>>(x[i])) - static_cast<double>(norm[c]);
    s.sum[c] += dx[i];
    s.product[c] += dx[i] * about_mean;
    s.magnitude[c] += std::abs(dx[i]) * (1 + std::abs(about_mean));
  }
  return s;
}

/// The largest error of sums of parts [parts, cols], over the magnitudes.
template <class A>
double worst_of_sums(const std::vector<A>& parts, const std::vector<double>& wanted,
                     const std::vector<double>& magnitude) {
  const std::size_t cols = wanted.size();
  std::vector<double> sums(cols);
  for (std::size_t i = 0; i < parts.size(); ++i) sums[i % cols] += static_cast<double>(parts[i]);
  double worst = 0;
  for (std::size_t c = 0; c < cols; ++c) {
    const double error = std::abs(sums[c] - wanted[c]);
    if (error != 0) worst = worst_of(worst, error / magnitude[c]);  // a sum of no terms is 0
  }
  return worst;
}

}  // namespace lotar
