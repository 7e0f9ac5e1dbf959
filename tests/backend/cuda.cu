#include <lotar/backend/cuda.hpp>

#include <cstddef>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <lotar/core/tensor.hpp>

#include <doctest/doctest.h>

#include "convolution.hpp"
#include "refusal.hpp"

using namespace lotar;

namespace {

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, Cuda>;

struct Greedy {
  template <class Block>
  LOTAR_FN void operator()(Block&, std::size_t) const {}
};

struct LargeGreedy : Greedy {
  static constexpr bool large_scratch = true;
};

/// x = value, after some hundred microseconds.
struct SlowStore {
  float value;
  float* x;
  template <class Block>
  LOTAR_FN void operator()(Block& block, std::size_t) const {
    float v = value;
    for (int i = 0; i < 200000; ++i) v = fma(v, .5f, value * .5f);
    if (block.leader()) *x = v;
  }
};

}  // namespace

static_assert(ConvMomentsBackend<Cuda> && ConvNormSumsBackend<Cuda> && RunsPacks<Cuda>);

TEST_CASE("code for compute capability 9.0a has kernels of its own for convolutions to 64 channels") {
  Cuda b;
  cudaDeviceProp device{};
  cudaGetDeviceProperties(&device, 0);
  constexpr bool built = [] {
    for (const int architecture : {__CUDA_ARCH_LIST__})
      if (architecture == 900) return true;  // 90 and 90a alike
    return false;
  }();
  if (!built || device.major != 9 || device.minor != 0) return;
  for (const std::size_t channels : {3u, 64u}) {
    const Array<bf16, 4> x(b, {3, 5, 40, channels}), w(b, {64, 3, 3, channels}), y(b, {3, 5, 40, 64});
    CHECK(b.conv2d_moment_parts(x, w, {1, 1}, y.view()) > 0);
    CHECK(b.conv2d_normalizes(x.extents, w.view(), {1, 1}) == (channels == 64));
    CHECK((b.conv2d_norm_sum_parts(y, w, x, {1, 1}, x.view()) > 0) == (channels == 64));
  }
}

TEST_CASE("a device that is not there is refused") {
  CHECK_THROWS_AS(Cuda({.device = -1}), ConfigError);
  CHECK_THROWS_AS(Cuda({.device = 1000}), ConfigError);
}

TEST_CASE("more scratch than a thread block can have is refused by kernel and size") {
  Cuda b;
  const std::string text = refusal([&] { b.for_each_block(1, Work{1, 1 << 20}, Greedy{}); });
  CHECK(text.find("Greedy: wants 1048576 bytes of scratch a work item, the device has ") != std::string::npos);
}

TEST_CASE("a block may have all of the shared memory that reductions leave, and a large one more") {
  Cuda b;
  cudaDeviceProp device{};
  cudaGetDeviceProperties(&device, 0);
  const auto launch = [&](Work work, const auto& f) {
    return refusal([&] {
      b.for_each_block(3, work, f);
      b.sync();
    });
  };
  for (const auto& [items, threads] : {std::pair{1u, CudaBlock::least_threads}, {100000u, CudaBlock::most_threads}}) {
    const std::size_t most = device.sharedMemPerBlockOptin - std::size_t{threads} * CudaBlock::partial_bytes;
    CHECK(launch(Work{items, most}, Greedy{}) == "");
    CHECK(launch(Work{items, most + 1}, Greedy{}) != "");
    CHECK(launch(Work{items, most + 1}, LargeGreedy{}) == "");
  }
  CHECK_THROWS_AS(b.for_each_block(1, Work{1, std::size_t{0} - 8}, LargeGreedy{}), std::bad_alloc);
}

TEST_CASE("a kernel takes much scratch from several threads at once") {
  Cuda b;
  const auto launch = [](Cuda context, std::size_t bytes) {
    for (int i = 0; i < 2000; ++i) context.for_each_block(1, Work{1, bytes}, Greedy{});
    context.sync();
  };
  std::string failed;
  std::thread other([&, fork = b.fork()] { failed = refusal([&] { launch(fork, 60 * 1024); }); });
  CHECK(refusal([&] { launch(b, 90 * 1024); }) == "");
  other.join();
  CHECK(failed == "");
}

TEST_CASE("the memory of a stream that is gone is not another's while somebody holds it") {
  Cuda b;
  Array<float> a, c;
  {
    Cuda fork = b.fork();
    a = Array<float>(fork, {1000});
    c = Array<float>(fork, {1000});
  }
  const void* const first = a.data;
  a = {};
  Cuda second = b.fork();
  CHECK(Array<float>(second, {1000}).data != first);  // c is still held
  const std::size_t allocations = b.pool().allocations();
  const void* const last = c.data;
  c = {};
  Cuda third = b.fork();
  const Array<float> x(third, {1000}), y(third, {1000});
  CHECK((x.data == last || y.data == last));
  CHECK(b.pool().allocations() == allocations);
}

TEST_CASE("a device's errors: what a kernel did says how to find it") {
  CHECK(detail::describe("f", cudaErrorInvalidValue) == "f: cudaErrorInvalidValue: invalid argument");
  CHECK(detail::describe("f", cudaErrorIllegalAddress).find("CUDA_LAUNCH_BLOCKING=1") != std::string::npos);
  CHECK(detail::capability_text(750) == "7.5");
  CHECK(detail::capability_text(1210) == "12.1");
}

TEST_CASE("cuDNN's statuses: what it does not support, and what failed") {
  CHECK(detail::is_unsupported(CUDNN_STATUS_NOT_SUPPORTED_SHAPE));
  CHECK(detail::is_unsupported(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH));
  for (const cudnnStatus_t status :
       {CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER,
        CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDART, CUDNN_STATUS_NOT_SUPPORTED_RUNTIME_PREREQUISITE_MISSING,
        CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE}) {
    CHECK(detail::is_amiss(status));
    CHECK_FALSE(detail::is_unsupported(status));
  }
  CHECK_FALSE(detail::is_amiss(CUDNN_STATUS_NOT_SUPPORTED_SHAPE));
  CHECK_FALSE(detail::is_amiss(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED));
  CHECK_FALSE(detail::is_unsupported(CUDNN_STATUS_SUCCESS));
  CHECK_FALSE(detail::is_unsupported(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED));
  CHECK_FALSE(detail::is_unsupported(CUDNN_STATUS_NOT_INITIALIZED));
  CHECK_FALSE(detail::is_unsupported(CUDNN_STATUS_EXECUTION_FAILED));
}

TEST_CASE("more memory than there is is refused with how much is free, and the context lives on") {
  Cuda b;
  const std::string text = refusal([&] { b.allocate<std::byte>(std::size_t{1} << 50); });
  CHECK(text.find("cudaMalloc of 1125899906842624 bytes: cudaErrorMemoryAllocation") == 0);
  CHECK(text.find("are free, the pool holds " + std::to_string(b.pool().reserved())) != std::string::npos);
  const Array<float> a(b, {3});
  b.fill(a.view(), 2);
  CHECK(a.to_host(b) == std::vector<float>(3, 2));
}

TEST_CASE("a fork that a step does not wait for is refused when the step is captured, and both stay usable") {
  Cuda b;
  Cuda other = b.fork();
  const Array<float> a(b, {3}), c(b, {3});
  bool joined = false;
  auto step = b.record([&] {
    other.wait(b);
    other.fill(a.view(), 5);
    if (joined) b.wait(other);
  });
  step();
  CHECK(refusal(step).find("record: cudaStreamEndCapture: cudaErrorStreamCaptureUnjoined") == 0);
  joined = true;
  for (int i = 0; i < 3; ++i) {
    b.fill(a.view(), 1);
    step();
    CHECK(a.to_host(b) == std::vector<float>(3, 5));
  }
  other.fill(c.view(), 7);
  CHECK(c.to_host(other) == std::vector<float>(3, 7));
}

TEST_CASE("what a fork does besides follows each call of a step that it takes part in") {
  Cuda b;
  Cuda other = b.fork();
  const Array<float> x(b, {1}), y(b, {1}), z(b, {1});
  auto step = b.record([&] {
    other.wait(b);
    other.fill(z.view(), 1);
    b.wait(other);
    b.for_each_block(1, Work{1}, SlowStore{5, x.data});
  });
  for (int call = 0; call < 4; ++call) {
    b.fill(x.view(), 0);
    step();
    other.copy(x, y.view());
    CHECK(y.to_host(other) == std::vector<float>{5});
  }
}

TEST_CASE("a step follows what a fork that takes part in it did before the call") {
  Cuda b;
  Cuda other = b.fork();
  const Array<float> x(b, {1}), y(b, {1});
  auto step = b.record([&] {
    other.wait(b);
    other.copy(x, y.view());
    b.wait(other);
  });
  for (int call = 1; call < 5; ++call) {
    const auto value = static_cast<float>(call);
    other.for_each_block(1, Work{1}, SlowStore{value, x.data});
    step();
    CHECK(y.to_host(b) == std::vector<float>{value});
  }
}

TEST_CASE("the host's memory may change once it was uploaded, however much it is") {
  Cuda b;
  constexpr std::size_t n = (std::size_t{13} << 20) / sizeof(float);  // more than is on its way at once
  std::vector<Array<float>> arrays;
  std::vector<float> host(n);
  for (std::size_t i = 0; i < 3; ++i) {
    arrays.emplace_back(b, Extents<1>{{n}});
    for (std::size_t k = 0; k < n; ++k) host[k] = static_cast<float>(k + i);
    b.upload(host, arrays.back().view());
  }
  for (std::size_t i = 0; i < 3; ++i) {
    const std::vector<float> there = arrays[i].to_host(b);
    std::size_t wrong = 0;
    for (std::size_t k = 0; k < n; ++k) wrong += there[k] != static_cast<float>(k + i);
    CHECK(wrong == 0);
  }
}

TEST_CASE("a step's fork may go before the recording, which keeps what the graph uses") {
  Cuda b;
  const Array<float, 2> x(b, {64, 64}, std::vector<float>(64 * 64, 1.f)), y(b, {64, 64});
  std::optional<Cuda> other = b.fork();
  auto step = b.record([&] {
    other->wait(b);
    other->gemm(Op::none, Op::none, 1, x, x, 0, y);
    b.wait(*other);
  });
  step();
  step();
  other.reset();
  Cuda next = b.fork();
  const Array<float, 2> z(next, {64, 64});
  next.gemm(Op::none, Op::none, 2, x, x, 0, z);
  next.sync();
  b.fill(y.view(), 0);
  step();
  CHECK(y.to_host(b) == std::vector<float>(64 * 64, 64.f));
}

TEST_CASE("what lets go of a context while a step is captured does not break the capture") {
  Cuda b;
  const Array<float> a(b, {3});
  struct Context {
    Cuda b;
    Array<float, 2> x, y;
    explicit Context(Cuda fork) : b(std::move(fork)), x(b, {8, 8}, std::vector<float>(64, 1.f)), y(b, {8, 8}) {
      b.gemm(Op::none, Op::none, 1, x, x, 0, y);  // makes a handle
    }
  };
  std::optional<Context> here, elsewhere;
  auto step = b.record([&] {
    here.reset();
    std::thread([&] { elsewhere.reset(); }).join();
    b.fill(a.view(), 5);
  });
  for (int i = 0; i < 3; ++i) {
    here.emplace(b.fork());
    elsewhere.emplace(b.fork());
    b.fill(a.view(), 1);
    step();
    CHECK(a.to_host(b) == std::vector<float>(3, 5));
  }
}

TEST_CASE("a step that throws while it is captured leaves the stream as it was") {
  Cuda b;
  const Array<float> a(b, {3});
  bool fail = false;
  auto step = b.record([&] {
    b.fill(a.view(), 5);
    if (fail) throw ConfigError("no");
  });
  step();
  fail = true;
  CHECK_THROWS_AS(step(), ConfigError);
  fail = false;
  b.fill(a.view(), 1);
  step();
  step();
  CHECK(a.to_host(b) == std::vector<float>(3, 5));
}

TEST_CASE("memory of a step that throws goes to the next recording only after the step's forks") {
  Cuda b;
  Cuda other = b.fork();
  {
    auto step = b.record([&] {
      other.wait(b);
      const Array<float> mine(other, {1});
      other.for_each_block(1, Work{1}, SlowStore{7, mine.data});
      throw ConfigError("no");
    });
    CHECK_THROWS_AS(step(), ConfigError);
  }
  std::optional<Array<float>> x;
  auto next = b.record([&] {
    x.emplace(b, Extents<1>{{1}});
    b.fill(x->view(), 1);
  });
  next();
  b.sync();
  other.sync();
  CHECK(x->to_host(b) == std::vector<float>{1});
}

TEST_CASE("a recording inside another is the step itself") {
  Cuda b;
  const Array<float> a(b, {3}), c(b, {3});
  auto inner = b.record([&] { b.fill(a.view(), 1); });
  auto outer = b.record([&] {
    inner();
    b.copy(a.view(), c.view());
  });
  for (int i = 0; i < 4; ++i) {
    b.fill(a.view(), 0);
    b.fill(c.view(), 0);
    outer();
    CHECK(c.to_host(b) == std::vector<float>(3, 1));
  }
}

TEST_CASE("products and convolutions are recorded") {
  Cuda b;
  const ConvolutionCase p{{4, 8, 8, 16}, {24, 3, 3, 16}, {1, 1}};
  const Array<float, 4> x(b, p.x, convolution_values<float>(p.x.size(), 0)),
      w(b, p.filter, convolution_values<float>(p.filter.size(), 1)), y(b, p.y());
  const Array<float, 2> gram(b, {24, 24});
  auto step = b.record([&] {
    b.conv2d_forward(x, w, p.conv, y);
    const auto rows = y.reshape(Extents<2>{256, 24});
    b.gemm(Op::transpose, Op::none, 1, rows, rows, 0, gram);
  });
  step();
  const auto wanted = gram.to_host(b);
  for (int i = 0; i < 4; ++i) {
    b.fill(y.view(), 0);
    b.fill(gram.view(), 0);
    step();
    CHECK(gram.to_host(b) == wanted);
  }
}
