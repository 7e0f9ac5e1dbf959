#include <cmath>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <lotar/core/bf16.hpp>
#include <lotar/nn/conv_unit.hpp>

#include "layers.hpp"

// What one unit leaves to be normalized by another, and what the other takes along going back.

using namespace lotar;

namespace {

/// Two units, the first's result normalized when it is read, where the backend does that, or before.
template <class T, class B>
std::vector<double> two_units(B& b, const Extents<4>& in, std::size_t inside, std::size_t out, bool on_load) {
  using A = Accum<T>;
  ParameterTable table;
  const ConvUnit first(table, "conv1", "bn1", {in[3], inside, 3, Conv2d{1, 1}}),
      second(table, "conv2", "bn2", {inside, out, 3, Conv2d{1, 1}});
  NetworkState<T, B> state(b, table, 1);
  auto values = state.values.to_host(b);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] += static_cast<A>(.2 * noise(2, i));  // betas that are not 0
  b.upload(values, state.values.flat());
  const Extents<4> between{{in[0], in[1], in[2], inside}}, result{{in[0], in[1], in[2], out}};
  std::vector<double> all;
  const auto add = [&](const auto& tensor) {
    for (const auto v : tensor.to_host(b)) all.push_back(static_cast<double>(static_cast<A>(v)));
  };
  const auto noise_of = [](const Extents<4>& extents, std::size_t stream) {
    std::vector<T> v;
    for (const double value : noise_values(extents.size(), stream)) v.push_back(static_cast<T>(static_cast<A>(value)));
    return v;
  };
  for (const bool training : {true, false}) {
    auto pass = state.pass(b, training);
    Activation<T, B> x{Tensor<T, 4, B>(b, in, noise_of(in, 1))};
    if (on_load)
      x = first.forward_on_load(b, std::move(x), pass, second);
    else
      x = {first.forward(b, std::move(x), pass)};
    if constexpr (ConvInputBackend<B>) {
      const Tensor<T, 4, B> filter(b, {{out, 3, 3, inside}});
      CHECK((x.norm.data != nullptr) == (on_load && b.conv2d_normalizes(between, filter.view(), Conv2d{1, 1})));
    } else {
      CHECK(x.norm.data == nullptr);
    }
    add(second.forward(b, std::move(x), pass));
    if (!training) continue;
    const ActivationGradient<T, B> dy{Tensor<T, 4, B>(b, result, noise_of(result, 3))};
    const ActivationGradient<T, B> d =
        on_load ? second.backward_on_load(b, dy, pass) : ActivationGradient<T, B>{second.backward(b, dy, pass)};
    add(d.d), add(first.backward(b, d, pass));
    CHECK(pass.tape.empty());
  }
  add(state.gradients), add(state.statistics);
  return all;
}

/// A backend that takes the sums of gradients in three parts, one of them empty.
struct TakesSums : TestBackend {
  TakesSums() = default;
  explicit TakesSums(TestBackend base) : TestBackend(std::move(base)) {}
  TakesSums fork() const { return TakesSums(TestBackend::fork()); }
  using TestBackend::conv2d_backward_data;

  template <class T>
  std::size_t conv2d_norm_sum_parts(const View<const std::type_identity_t<T>, 4, Memory>&,
                                    const View<const std::type_identity_t<T>, 4, Memory>&,
                                    const ConvInput<std::type_identity_t<T>, Memory>&, Conv2d,
                                    const View<T, 4, Memory>&) const {
    return 3;
  }
  template <class T>
  void conv2d_backward_data(const View<const std::type_identity_t<T>, 4, Memory>& dy,
                            const View<const std::type_identity_t<T>, 4, Memory>& filter,
                            const ConvInput<std::type_identity_t<T>, Memory>& x, Conv2d conv,
                            const View<T, 4, Memory>& dx, const NormSums<Accum<T>, Memory>& sums) {
    using A = Accum<T>;
    conv2d_backward_data(dy, filter, conv, 0, dx);
    const std::size_t c = dx.extent(3);
    REQUIRE(sums.sum.extents == Extents<2>{{3, c}});
    REQUIRE(sums.product.extents == Extents<2>{{3, c}});
    std::vector<T> from(dx.size()), d(dx.size());
    std::vector<A> norm(3 * c), sum(3 * c), product(3 * c);
    download(x.x.flat(), std::span<T>(from));
    download(dx.flat(), std::span<T>(d));
    download(x.norm.flat(), std::span<A>(norm));
    for (std::size_t i = 0; i < d.size(); ++i) {
      const std::size_t k = i % c, at = i / c % 2 * 2 * c + k;  // of the first part or the last
      const A about_mean = static_cast<A>(from[i]) - norm[k];
      if (!(about_mean * norm[c + k] + norm[2 * c + k] > A(0))) continue;
      sum[at] += static_cast<A>(d[i]);
      product[at] += static_cast<A>(d[i]) * about_mean;
    }
    upload(sum, sums.sum.flat());
    upload(product, sums.product.flat());
    ++taken;
  }

  std::size_t taken = 0;
};

}  // namespace

TEST_CASE(
    "what is normalized when it is read gives the same as what was normalized before, in training and evaluation") {
  TestBackend b;
  const Extents<4> in{{3, 5, 4, 2}};
  const std::vector<double> wanted = two_units<double>(b, in, 5, 3, false), got = two_units<double>(b, in, 5, 3, true);
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-12));
}

TEST_CASE("a backend that takes a norm's sums as it computes the gradient trains alike") {
  static_assert(ConvNormSumsBackend<TakesSums> == ConvInputBackend<TestBackend>);
  TestBackend b;
  TakesSums takes;
  const Extents<4> in{{3, 5, 4, 2}};
  const std::vector<double> wanted = two_units<double>(b, in, 5, 3, false),
                            got = two_units<double>(takes, in, 5, 3, true);
  CHECK(takes.taken == (std::string_view(TestBackend::name) == "cpu" ? 1 : 0));  // where doubles are normalized on load
  REQUIRE(got.size() == wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(wanted[i]).epsilon(1e-12));
}

TEST_CASE("what is normalized when it is read, of channels for which a device has kernels of its own") {
  TestBackend b;
  const Extents<4> in{{2, 6, 5, 64}};
  const auto wanted = two_units<bf16>(b, in, 64, 64, false), got = two_units<bf16>(b, in, 64, 64, true);
  REQUIRE(got.size() == wanted.size());
  // Where what is normalized is not rounded, all else is rounded elsewhere.
  for (std::size_t i = 0; i < got.size(); ++i)
    CHECK(std::abs(got[i] - wanted[i]) <= 0x1p-6 * (1 + std::abs(wanted[i])));
}

TEST_CASE(
    "a unit without a ReLU leaves nothing to be normalized by another; one that cannot read the result is refused") {
  TestBackend b;
  ParameterTable table;
  const ConvUnit no_relu(table, "conv1", "bn1", {2, 5, 3, Conv2d{1, 1}, false}),
      unit(table, "conv2", "bn2", {2, 5, 3, Conv2d{1, 1}});
  NetworkState<double, TestBackend> state(b, table, 1);
  auto pass = state.pass(b, true);
  const auto forward = [&](const ConvUnit& from) {
    from.forward_on_load(b, Activation<double, TestBackend>{Array<4>(b, {{1, 4, 4, 2}})}, pass, unit);
  };
  CHECK_THROWS_WITH_AS(forward(no_relu), "ConvUnit::forward_on_load: wanted a unit with a ReLU, got one without",
                       ConfigError);
  CHECK_THROWS_WITH_AS(
      forward(unit),
      "conv2d: x [N, H, W, C] and filter [K, R, S, C] must agree in C, got [1, 4, 4, 5] and [5, 3, 3, 2]", ShapeError);
  CHECK(pass.tape.empty());
}
