#include <lotar/backend/cpu/winograd.hpp>

#include <lotar/backend/cpu/winograd_gradient.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <lotar/backend/cpu.hpp>
#include <lotar/core/tensor.hpp>

#include "../test.hpp"
#include "../train/training.hpp"
#include "convolution.hpp"

using namespace lotar;

namespace {

template <class T>
using Array = Tensor<T, 4, Cpu>;

/// Values without a pattern, between -1 and 1.
template <class T>
std::vector<T> noise(std::size_t n, std::uint32_t seed) {
  std::vector<T> v(n);
  std::uint32_t state = seed * 2654435761u + 1;
  for (T& x : v) {
    state = state * 1664525u + 1013904223u;
    x = static_cast<T>(static_cast<float>(state >> 8) * 0x1p-23f - 1);
  }
  return v;
}

/// The largest |got - wanted| over the largest |wanted|.
template <class T>
double error(const std::vector<T>& got, const std::vector<double>& wanted) {
  double worst = 0, scale = 0;
  const auto values = to_double(got);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    scale = std::fmax(scale, std::abs(wanted[i]));
    worst = worst_of(worst, std::abs(values[i] - wanted[i]));
  }
  return worst / scale;
}

/// A backend and threads, to call Winograd's algorithm where the backend would choose the direct sums.
struct Forced {
  Cpu b{{.threads = 2, .poison_allocations = true}};
  detail::Threads threads{2};

  template <class T>
  static detail::ConvolutionSource<T> source(const Array<T>& x) {
    return {x.data};
  }

  template <class T, class Convolve>
  void forward(const Convolve& convolve, const Array<T>& x, const Array<T>& w, Conv2d conv, const Array<T>& y) {
    const std::size_t c = x.extent(3);
    const detail::WinogradFilter<T> filter{w.data, 9 * c, c, 1, false};
    convolve(b, threads, detail::winograd_forward(x.extents, y.extents, conv.padding), source(x), filter, 0.f, y.data);
  }
  template <class T, class Convolve>
  void backward_data(const Convolve& convolve, const Array<T>& dy, const Array<T>& w, Conv2d conv, float beta,
                     const Array<T>& dx) {
    const std::size_t c = dx.extent(3);
    const detail::WinogradFilter<T> filter{w.data, 1, c, 9 * c, true};
    convolve(b, threads, detail::winograd_backward(dx.extents, dy.extents, conv.padding), source(dy), filter, beta,
             dx.data);
  }
  template <class T>
  void backward_filter(const Array<T>& x, const Array<T>& dy, Conv2d conv, double beta, const Array<float>& dw) {
    detail::winograd_gradient(b, threads, detail::winograd_forward(x.extents, dy.extents, conv.padding), source(x),
                              dy.data, beta, dw.data);
  }
};

const auto by_tiles = [](auto&&... a) { detail::winograd_by_tiles(a...); };
const auto by_panels = [](auto&&... a) { detail::winograd_by_panels(a...); };

/// All three operations against plain loops, with beta 0 over NaN and beta 1/2 over values.
template <class T, class Convolve>
void check_winograd(const Convolve& convolve, const ConvolutionCase& p) {
  CAPTURE(to_string(p.x));
  CAPTURE(to_string(p.filter));
  CAPTURE(p.conv.padding);
  const double tolerance = 1e-5, stored = sizeof(T) == 2 ? 4e-3 : tolerance;
  Forced f;
  const auto hx = noise<T>(p.x.size(), 1), hw = noise<T>(p.filter.size(), 2), hdy = noise<T>(p.y().size(), 3);
  const auto hdw = noise<float>(p.filter.size(), 4);
  auto wanted = convolution_by_loops(p, to_double(hx), to_double(hw), to_double(hdy));
  const Array<T> x(f.b, p.x, hx), w(f.b, p.filter, hw), dy(f.b, p.y(), hdy), y(f.b, p.y()), dx(f.b, p.x);
  const Array<float> dw(f.b, p.filter);
  f.forward(convolve, x, w, p.conv, y);
  f.backward_data(convolve, dy, w, p.conv, 0, dx);
  f.backward_filter(x, dy, p.conv, 0, dw);
  CHECK(worst_error(y.to_host(f.b), wanted.y) <= stored);
  CHECK(worst_error(dx.to_host(f.b), wanted.dx) <= stored);
  CHECK(worst_error(dw.to_host(f.b), wanted.dfilter) <= tolerance);

  f.b.copy(x.view(), dx.view());
  f.b.upload(hdw, dw.flat());
  f.backward_data(convolve, dy, w, p.conv, .5f, dx);
  f.backward_filter(x, dy, p.conv, .5, dw);
  for (std::size_t i = 0; i < hx.size(); ++i) wanted.dx[i] += .5 * static_cast<double>(static_cast<float>(hx[i]));
  for (std::size_t i = 0; i < hdw.size(); ++i) wanted.dfilter[i] += .5 * static_cast<double>(hdw[i]);
  CHECK(worst_error(dx.to_host(f.b), wanted.dx) <= stored);
  CHECK(worst_error(dw.to_host(f.b), wanted.dfilter) <= tolerance);
}

double inner(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

/// What the public operations give: y, dx, dw.
struct Answers {
  std::vector<float> y, dx, dw;
  bool operator==(const Answers&) const = default;
};
Answers convolve(Cpu b, const ConvolutionCase& p) {
  const Array<float> x(b, p.x, noise<float>(p.x.size(), 1)), w(b, p.filter, noise<float>(p.filter.size(), 2)),
      dy(b, p.y(), noise<float>(p.y().size(), 3)), y(b, p.y()), dx(b, p.x), dw(b, p.filter);
  b.conv2d_forward(x, w, p.conv, y);
  b.conv2d_backward_data(dy, w, p.conv, 0, dx);
  b.conv2d_backward_filter(x, dy, p.conv, 0, dw);
  return {y.to_host(b), dx.to_host(b), dw.to_host(b)};
}

}  // namespace

TEST_CASE("the convolution with a lone 1 is a shift") {
  Forced f;
  std::vector<float> pixels(5 * 6), filter(9);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i + 1);
  filter[1 * 3 + 2] = 1;  // row 1, column 2: the right neighbour
  const Array<float> x(f.b, {1, 5, 6, 1}, pixels), y(f.b, {1, 5, 6, 1}), w(f.b, {1, 3, 3, 1}, filter);
  f.forward(by_tiles, x, w, {1, 1}, y);
  const auto got = y.to_host(f.b);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    CHECK(got[i] == doctest::Approx(i % 6 == 5 ? 0 : pixels[i] + 1).epsilon(1e-5));
}

TEST_CASE("Winograd's convolutions agree with plain loops at any extents and padding") {
  for (const std::size_t padding : {0u, 1u, 2u, 3u})
    for (const std::size_t h : {1u, 2u, 3u, 4u, 5u, 7u, 8u})
      for (const std::size_t w : {1u, 3u, 6u, 9u}) {
        if (h + 2 * padding < 3 || w + 2 * padding < 3) continue;
        const ConvolutionCase p{{3, h, w, 5}, {6, 3, 3, 5}, {1, padding}};
        check_winograd<float>(by_tiles, p);
        check_winograd<float>(by_panels, p);
      }
}

TEST_CASE_TEMPLATE("Winograd's convolutions of any number of channels", T, float, bf16) {
  for (const std::size_t c : {1u, 3u, 16u, 33u, 50u, 70u})
    for (const std::size_t k : {1u, 7u, 16u, 32u, 49u}) {
      const ConvolutionCase p{{2, 6, 5, c}, {k, 3, 3, c}, {1, 1}};
      check_winograd<T>(by_tiles, p);
      check_winograd<T>(by_panels, p);
    }
}

TEST_CASE("Winograd's convolutions of more tiles than a block, a piece or a group has") {
  const ConvolutionCase p{{13, 17, 14, 9}, {11, 3, 3, 9}, {1, 1}};
  check_winograd<float>(by_tiles, p);
  check_winograd<float>(by_panels, p);
}

TEST_CASE_TEMPLATE("the gradient of a filter is the sum of groups of tiles", T, float, bf16) {
  for (const ConvolutionCase& p : {ConvolutionCase{{70, 17, 20, 5}, {6, 3, 3, 5}, {1, 1}},     // one group is left over
                                   ConvolutionCase{{1030, 2, 2, 50}, {33, 3, 3, 50}, {1, 1}},  // of several blocks
                                   ConvolutionCase{{1030, 1, 1, 129}, {128, 3, 3, 129}, {1, 1}},  // of longer pieces
                                   ConvolutionCase{{17000, 1, 1, 3}, {2, 3, 3, 3}, {1, 1}}})      // as many as may be
    check_winograd<T>(by_tiles, p);
}

TEST_CASE("outputs larger than the source, whose tiles begin behind its images") {
  check_winograd<float>(by_tiles, {{4, 1, 2, 16}, {16, 3, 3, 16}, {1, 3}});
  check_winograd<float>(by_tiles, {{130, 1, 1, 16}, {16, 3, 3, 16}, {1, 5}});
}

TEST_CASE("what is fetched ahead lies in the images, one stretch after the other") {
  for (const std::size_t padding : {0u, 1u, 2u, 5u})
    for (const std::size_t h : {1u, 3u, 4u, 9u})
      for (const std::size_t w : {1u, 4u, 7u}) {
        if (h + 2 * padding < 3 || w + 2 * padding < 3) continue;
        const ConvolutionCase p{{3, h, w, 8}, {16, 3, 3, 8}, {1, padding}};
        for (const detail::WinogradShape& s :
             {detail::winograd_forward(p.x, p.y(), padding), detail::winograd_backward(p.x, p.y(), padding)}) {
          for (std::size_t tile = 0; tile < s.tiles(); ++tile) {
            REQUIRE(detail::winograd_source(s, tile) <= detail::winograd_source(s, tile + 1));
            REQUIRE(detail::winograd_target(s, tile) <= detail::winograd_target(s, tile + 1));
          }
          CHECK(detail::winograd_source(s, s.tiles()) == s.n * s.h * s.w * s.c);
          CHECK(detail::winograd_target(s, s.tiles()) == s.n * s.rows * s.cols * s.k);
        }
      }
}

TEST_CASE("the sums of groups take 64 MiB at most, or one group") {
  Forced f;
  const Extents<4> x{{1030, 1, 1, 512}}, filter{{512, 3, 3, 512}};  // tiles for two groups of 36 MiB
  const Array<float> images(f.b, x, noise<float>(x.size(), 1)), dy(f.b, x, noise<float>(x.size(), 2)), dw(f.b, filter);
  const std::size_t before = f.b.pool().peak();
  f.backward_filter(images, dy, {1, 1}, 0, dw);
  CHECK(f.b.pool().peak() - before < std::size_t{64} << 20);
}

TEST_CASE("on ResNet-18's shapes errors are at most 1e-5 of the largest value") {
  Cpu b({.poison_allocations = true}), exact;
  struct Stage {
    std::size_t n, edge, channels;
  };
  for (const Stage s : {Stage{2, 32, 64}, Stage{4, 16, 128}, Stage{8, 8, 256}, Stage{16, 4, 512}, Stage{2, 32, 16},
                        Stage{2, 16, 32}, Stage{4, 8, 64}, Stage{16, 4, 128}}) {
    CAPTURE(s.edge);
    CAPTURE(s.channels);
    const ConvolutionCase p{{s.n, s.edge, s.edge, s.channels}, {s.channels, 3, 3, s.channels}, {1, 1}};
    REQUIRE(detail::winograd_wins(detail::winograd_forward(p.x, p.y(), 1)));
    REQUIRE(detail::winograd_wins(detail::winograd_backward(p.x, p.y(), 1)));
    const Answers got = convolve(b, p);
    const auto wide = [&](const Extents<4>& extents, std::uint32_t seed) {
      return Array<double>(exact, extents, to_double(noise<float>(extents.size(), seed)));
    };
    const Array<double> x = wide(p.x, 1), w = wide(p.filter, 2), dy = wide(p.y(), 3);
    const Array<double> y(exact, p.y()), dx(exact, p.x), dw(exact, p.filter);
    exact.conv2d_forward(x, w, p.conv, y);
    exact.conv2d_backward_data(dy, w, p.conv, 0, dx);
    exact.conv2d_backward_filter(x, dy, p.conv, 0, dw);
    const double e[] = {error(got.y, y.to_host(exact)), error(got.dx, dx.to_host(exact)),
                        error(got.dw, dw.to_host(exact))};
    for (const double each : e) CHECK(each <= 1e-5);

    const auto hx = to_double(noise<float>(p.x.size(), 1)), hw = to_double(noise<float>(p.filter.size(), 2)),
               hdy = to_double(noise<float>(p.y().size(), 3));
    const double product = inner(to_double(got.y), hdy),
                 scale = std::sqrt(inner(hdy, hdy)) * std::sqrt(inner(to_double(got.y), to_double(got.y)));
    CHECK(std::abs(inner(hx, to_double(got.dx)) - product) <= 1e-6 * scale);  // adjoints
    CHECK(std::abs(inner(hw, to_double(got.dw)) - product) <= 1e-6 * scale);
  }
}

TEST_CASE("Winograd's convolutions give the same bits with any number of threads, and allocate once") {
  for (const ConvolutionCase& p : {ConvolutionCase{{40, 13, 10, 24}, {40, 3, 3, 24}, {1, 1}},      // by tiles
                                   ConvolutionCase{{139, 13, 10, 24}, {40, 3, 3, 24}, {1, 1}},     // three groups
                                   ConvolutionCase{{14, 4, 4, 256}, {272, 3, 3, 256}, {1, 1}}}) {  // by panels
    REQUIRE(detail::winograd_wins(detail::winograd_forward(p.x, p.y(), 1)));
    const Answers one = convolve(Cpu({.threads = 1}), p);
    for (const int threads : {2, 3, 16}) {
      Cpu b({.threads = threads, .poison_allocations = true});
      CHECK(convolve(b, p) == one);
      const std::size_t allocations = b.pool().allocations();
      CHECK(convolve(b, p) == one);
      CHECK(b.pool().allocations() == allocations);
    }
  }
}

TEST_CASE("Winograd's algorithm is taken where it is the faster one, and not where it is switched off") {
  const auto wins = [](std::size_t n, std::size_t edge, std::size_t c, std::size_t k) {
    return detail::winograd_wins<64>({n, edge, edge, c, edge, edge, k, 1});
  };
  CHECK(wins(1, 32, 64, 64));
  CHECK(wins(1, 4, 512, 512));
  CHECK_FALSE(wins(128, 2, 512, 512));  // tiles that are mostly empty
  CHECK(wins(128, 3, 64, 64));
  CHECK_FALSE(wins(128, 5, 64, 64));
  CHECK(wins(128, 32, 16, 8));
  CHECK_FALSE(wins(128, 32, 3, 64));  // few channels
  CHECK_FALSE(wins(128, 32, 8, 16));  // half a register of 64 bytes, and one of 32
  CHECK(detail::winograd_wins<32>({128, 32, 32, 8, 32, 32, 16, 1}));
  CHECK_FALSE(detail::winograd_wins<32>({128, 32, 32, 8, 32, 32, 8, 1}));

  Cpu direct({.winograd = false}), winograd;
  const ConvolutionCase taken{{4, 8, 8, 32}, {16, 3, 3, 32}, {1, 1}};
  CHECK(convolve(winograd, taken).y != convolve(direct, taken).y);
  CHECK(convolve(winograd, taken).dx != convolve(direct, taken).dx);
  CHECK(convolve(winograd, taken).dw != convolve(direct, taken).dw);
  for (const ConvolutionCase& p : {ConvolutionCase{{4, 5, 5, 32}, {16, 3, 3, 32}, {1, 1}},
                                   ConvolutionCase{{4, 16, 16, 32}, {16, 3, 3, 32}, {2, 1}},
                                   ConvolutionCase{{4, 8, 8, 32}, {16, 3, 1, 32}, {1, 1}}})
    CHECK(convolve(winograd, p) == convolve(direct, p));
}

TEST_CASE("an image's results have the same bits alone and among others") {
  for (const ConvolutionCase& p :
       {ConvolutionCase{{30, 8, 8, 40}, {48, 3, 3, 40}, {1, 1}},
        ConvolutionCase{{200, 4, 4, 256}, {272, 3, 3, 256}, {1, 1}}}) {  // by tiles; one by panels
    const Answers all = convolve(Cpu(), p);
    ConvolutionCase one = p;
    one.x[0] = 1;
    const Answers first = convolve(Cpu(), one);
    CHECK(std::equal(first.y.begin(), first.y.end(), all.y.begin()));
    CHECK(std::equal(first.dx.begin(), first.dx.end(), all.dx.begin()));
  }
}

TEST_CASE("values that are not finite reach at least the results that they reach directly") {
  const ConvolutionCase p{{2, 8, 8, 16}, {16, 3, 3, 16}, {1, 1}};
  for (const float odd : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::vector<float> hx = noise<float>(p.x.size(), 1);
    hx[(3 * 8 + 4) * 16 + 5] = odd;
    const auto run = [&](Cpu b) {
      const Array<float> x(b, p.x, hx), w(b, p.filter, noise<float>(p.filter.size(), 2)), y(b, p.y());
      b.conv2d_forward(x, w, p.conv, y);
      return y.to_host(b);
    };
    const std::vector<float> direct = run(Cpu({.winograd = false})), got = run(Cpu());
    std::size_t reached = 0;
    for (std::size_t i = 0; i < got.size(); ++i) {
      reached += !std::isfinite(direct[i]);
      CHECK((std::isfinite(direct[i]) || !std::isfinite(got[i])));
    }
    CHECK(reached == 9 * 16);
  }
}

TEST_CASE("the gradient of a filter over no images is 0, and what was there stays") {
  Cpu b({.poison_allocations = true});
  const Array<float> none(b, {0, 8, 8, 16}), dw(b, {16, 3, 3, 16});
  b.conv2d_backward_filter(none, none, {1, 1}, 0, dw);
  CHECK(dw.to_host(b) == std::vector<float>(dw.size()));
  b.fill(dw.view(), 3.f);
  b.conv2d_backward_filter(none, none, {1, 1}, 1, dw);
  CHECK(dw.to_host(b) == std::vector<float>(dw.size(), 3.f));
}

TEST_CASE("in double, results are exact on integers") {
  Cpu b;
  const ConvolutionCase p{{4, 8, 8, 32}, {16, 3, 3, 32}, {1, 1}};
  std::vector<double> hx(p.x.size()), hw(p.filter.size());
  for (std::size_t i = 0; i < hx.size(); ++i) hx[i] = static_cast<double>(i * i % 7) - 3;
  for (std::size_t i = 0; i < hw.size(); ++i) hw[i] = static_cast<double>(i * i % 5) - 2;
  const Array<double> x(b, p.x, hx), w(b, p.filter, hw), y(b, p.y());
  b.conv2d_forward(x, w, p.conv, y);
  CHECK(y.to_host(b) == convolution_by_loops(p, hx, hw, std::vector<double>(p.y().size())).y);
}

TEST_CASE("over 200 steps a training's loss is that of the direct sums within 2 %") {
  constexpr std::size_t images = 64, edge = 8, steps = 200, window = 50;
  std::vector<std::uint8_t> pixels(images * edge * edge * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    const std::size_t image = i / (edge * edge * 3), place = i % (edge * edge * 3);
    pixels[i] = static_cast<std::uint8_t>((place * (image % 16 + 1) / 8 + image * 37) % 256);
  }
  PretrainingOptions options = training_options();
  options.network.width = 16;
  options.batch_size = 32;
  options.schedule.learning_rate = .02;  // small, so that rounding errors do not grow to other paths within 200 steps
  options.schedule.epochs = steps / 2;
  /// The mean loss of every 50 steps.
  const auto losses = [&](bool winograd) {
    Cpu b({.winograd = winograd});
    auto training =
        make_pretraining(b, pixels, {{images, edge, edge, 3}}, options, SimClr{}, thesis_augmentation(edge));
    std::vector<double> means(steps / window);
    for (std::size_t step = 0; step < steps; step += 2) {
      training.step();
      training.step();
      for (const float l : training.record().batch_loss) means[step / window] += static_cast<double>(l) / window;
    }
    return means;
  };
  const auto direct = losses(false), winograd = losses(true);
  CHECK(direct.back() < .9 * std::log(63.));  // the loss of views that a network cannot tell apart
  CHECK(direct != winograd);
  for (std::size_t i = 0; i < direct.size(); ++i) {
    CAPTURE(i);
    CAPTURE(direct[i]);
    CHECK(std::abs(winograd[i] - direct[i]) <= .02 * direct[i]);
  }
}
