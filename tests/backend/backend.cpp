#include <lotar/core/backend.hpp>

#include <cmath>
#include <cstdint>
#include <memory>
#include <new>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <lotar/core/tensor.hpp>

#include "../test.hpp"

using namespace lotar;

namespace {

using Memory = TestBackend::Memory;

static_assert(ConvBackend<TestBackend>);
static_assert(BlockOf<TestBackend::Block>);

template <class T, std::size_t N = 1>
using Array = Tensor<T, N, TestBackend>;

/// Whose default is not of zero bytes.
struct Seven {
  std::int32_t value = 7;
};

struct Triple {
  float a;
  std::uint8_t b;
  double c;
};

struct AddIndex {
  View<std::uint32_t, 1, Memory> out;
  LOTAR_FN void operator()(std::size_t i) const { out(i) += static_cast<std::uint32_t>(i) + 1; }
};

struct AddIndex2 {
  View<std::uint32_t, 2, Memory> out;
  LOTAR_FN void operator()(std::size_t r, std::size_t c) const {
    out(r, c) += static_cast<std::uint32_t>(r * out.extent(1) + c) + 1;
  }
};

/// to_i = from_i + add
struct Plus {
  View<const float, 1, Memory> from;
  float add;
  View<float, 1, Memory> to;
  LOTAR_FN void operator()(std::size_t i) const { to(i) = from(i) + add; }
};

std::vector<std::uint32_t> one_to(std::size_t n) {
  std::vector<std::uint32_t> v(n);
  std::iota(v.begin(), v.end(), 1u);
  return v;
}

}  // namespace

TEST_CASE("memory is aligned, and reused once freed") {
  TestBackend b;
  const std::size_t before = b.pool().used();
  const void* first = nullptr;
  {
    const auto a = b.allocate<float>(1000), c = b.allocate<float>(1000), none = b.allocate<float>(0);
    CHECK(a.get() != c.get());
    CHECK(none.get() != nullptr);
    for (const void* p : {a.get(), c.get(), none.get()}) CHECK(reinterpret_cast<std::uintptr_t>(p) % 256 == 0);
    CHECK(b.pool().used() >= before + 8000);
    first = c.get();
  }
  CHECK(b.pool().used() == before);
  const std::size_t allocations = b.pool().allocations();
  const auto a = b.allocate<float>(1000), c = b.allocate<float>(1000);
  CHECK((a.get() == first || c.get() == first));
  CHECK(b.pool().allocations() == allocations);
}

TEST_CASE("more memory than can be is refused") {
  TestBackend b;
  CHECK_THROWS_AS(b.allocate<double>(SIZE_MAX / 8 + 2), std::bad_alloc);  // 8 bytes, if it wrapped
  CHECK_THROWS_AS(b.allocate<std::byte>(SIZE_MAX), std::bad_alloc);
  CHECK(b.pool().used() == 0);
}

TEST_CASE("memory outlives the context that gave it") {
  std::shared_ptr<float[]> memory;
  {
    TestBackend b;
    memory = b.allocate<float>(10);
  }
  memory.reset();
  CHECK(memory == nullptr);
}

TEST_CASE("poisoned memory is NaN until it is written") {
  TestBackend b({.poison_allocations = true});
  for (int again = 0; again < 2; ++again) {  // reused memory, too
    const Array<float> fresh(b, {1001});
    for (const float v : fresh.to_host(b)) REQUIRE(std::isnan(v));
    b.fill(fresh.view(), 1);
  }
}

TEST_CASE("upload, copy and download keep every byte") {
  TestBackend b;
  for (const std::size_t n : {0u, 1u, 255u, 3000001u}) {
    std::vector<std::uint32_t> host = one_to(n);
    const Array<std::uint32_t> a(b, {n}), c(b, {n});
    b.upload(host, a.view());
    host.assign(n, 7);  // free to change at once
    b.copy(a.view(), c.view());
    b.fill(a.view(), 7);
    CHECK((c.to_host(b) == one_to(n)));
    CHECK((a.to_host(b) == host));
  }
}

TEST_CASE("fill writes zeros of any type, -0 and defaults of their own as well, and nothing to an empty view") {
  TestBackend b;
  const Tensor<float, 1, TestBackend> f(b, {5}), none(b, {0});
  const Tensor<bf16, 1, TestBackend> h(b, {5});
  b.fill(f.view(), -0.f);
  for (const float v : f.to_host(b)) CHECK((v == 0 && std::signbit(v)));
  b.fill(f.rows(1, 3), 0);
  const auto values = f.to_host(b);
  for (std::size_t i = 0; i < 5; ++i) CHECK(std::signbit(values[i]) == (i == 0 || i == 4));
  b.fill(h.view(), bf16(0.f));
  for (const bf16 v : h.to_host(b)) CHECK(v.bits == 0);
  b.fill(none.view(), 0);
  CHECK(none.to_host(b).empty());
  const Tensor<Seven, 1, TestBackend> sevens(b, {5});
  b.fill(sevens.view(), {});
  for (const Seven s : sevens.to_host(b)) CHECK(s.value == 7);
}

TEST_CASE("fill writes values of any type, and no more than its view") {
  TestBackend b;
  const Array<Triple> t(b, {7});
  b.fill(t.view(), {1, 2, 3});
  b.fill(t.rows(2, 3), {4, 5, 6});
  const auto host = t.to_host(b);
  for (std::size_t i = 0; i < 7; ++i) {
    const bool inside = i >= 2 && i < 5;
    CHECK(host[i].a == (inside ? 4 : 1));
    CHECK(host[i].b == (inside ? 5 : 2));
    CHECK(host[i].c == (inside ? 6 : 3));
  }
}

TEST_CASE("for_each meets every index once") {
  TestBackend b;
  for (const std::size_t n : {0u, 1u, 255u, 256u, 257u, 100003u}) {
    const Array<std::uint32_t> out(b, {n});
    b.fill(out.view(), 0);
    b.for_each(n, AddIndex{out});
    CHECK((out.to_host(b) == one_to(n)));
  }
}

TEST_CASE("for_each over rows and columns meets every pair once") {
  TestBackend b;
  const Extents<2> shapes[] = {{0, 5}, {5, 0}, {1, 1}, {3, 70001}, {70001, 3}, {513, 257}, {100, 1}};
  for (const Extents<2>& shape : shapes) {
    const Array<std::uint32_t, 2> out(b, shape);
    b.fill(out.view(), 0);
    b.for_each(shape[0], shape[1], AddIndex2{out});
    CHECK((out.to_host(b) == one_to(shape.size())));
  }
}

TEST_CASE("work of one context waits for that of a fork") {
  TestBackend b;
  TestBackend other = b.fork();
  const Array<float> a(b, {100000}), c(b, {100000});
  b.fill(a.view(), 1);
  other.wait(b);
  for (int i = 0; i < 50; ++i) other.for_each(a.size(), Plus{a, 1, a});
  b.wait(other);
  b.for_each(a.size(), Plus{a, 1, c});
  CHECK(c.to_host(b) == std::vector<float>(a.size(), 52));
  CHECK(&other.pool() == &b.pool());
}

TEST_CASE("a context waits for itself") {
  TestBackend b;
  const Array<float> a(b, {3});
  b.fill(a.view(), 1);
  b.wait(b);
  CHECK(a.to_host(b) == std::vector<float>(3, 1));
}

TEST_CASE("a recorded step does the same each time, and reads what changed in between") {
  TestBackend b;
  const Array<float> value(b, {1000}), increment(b, {1000});
  b.fill(value.view(), 0);
  int host_runs = 0;
  auto step = b.record([&] {
    ++host_runs;
    const Array<float> temporary(b, {1000});
    b.for_each(1000, Plus{value, 1, temporary});
    b.copy(temporary.view(), value.view());
  });
  CHECK(host_runs == 0);  // recording runs nothing
  for (int i = 1; i <= 5; ++i) {
    step();
    CHECK(value.to_host(b) == std::vector<float>(1000, static_cast<float>(i)));
  }
  b.fill(value.view(), 100);
  step();
  CHECK(value.to_host(b) == std::vector<float>(1000, 101));
}

TEST_CASE("a fork that waits for a recorded step and is waited for is part of it") {
  TestBackend b;
  TestBackend first = b.fork(), second = b.fork();
  constexpr std::size_t n = 100000;
  const Array<float> value(b, {n}), one(b, {n}), two(b, {n});
  b.fill(value.view(), 0);
  int host_runs = 0;
  auto step = b.record([&] {
    ++host_runs;
    const Array<float> begun(b, {n});
    b.for_each(n, Plus{value, 1, begun});
    first.wait(b);
    second.wait(first);
    {
      const Array<float> a(first, {n}), c(second, {n}), own(b, {n});
      for (int i = 0; i < 10; ++i) {  // side by side, each with memory of its own
        first.for_each(n, Plus{i == 0 ? begun : a, 10, a});
        second.for_each(n, Plus{i == 0 ? begun : c, 1000, c});
        b.for_each(n, Plus{i == 0 ? begun : own, -1, own});
      }
      first.copy(a.view(), one.view());
      second.copy(c.view(), two.view());
      b.copy(own.view(), value.view());
    }
    first.wait(second);
    b.wait(first);
    b.for_each(n, Plus{one, 0, value});
  });
  for (int i = 1; i <= 5; ++i) {
    step();
    CHECK(value.to_host(b) == std::vector<float>(n, static_cast<float>(101 * i)));
    CHECK(two.to_host(b) == std::vector<float>(n, static_cast<float>(101 * i - 100 + 10000)));
    // outside of the step the forks are free, and know it done where they wait for it
    first.wait(b);
    first.for_each(n, Plus{value, 0, one});
    CHECK(one.to_host(first) == std::vector<float>(n, static_cast<float>(101 * i)));
    b.wait(first);
  }
  const std::size_t allocations = b.pool().allocations();
  step();
  CHECK(b.pool().allocations() == allocations);
  if (std::string(TestBackend::name) == "cuda") CHECK(host_runs == 2);
}

TEST_CASE("a recorded step refuses what could not be replayed, each time, and stays usable") {
  if (std::string(TestBackend::name) == "cpu") {  // where a step is the call itself
    CHECK(true);
    return;
  }
  TestBackend b;
  TestBackend fork = b.fork(), stranger = b.fork();
  const Array<float> a(b, {3});
  std::vector<float> host(3);
  const auto refused = [&](auto call) {
    std::string texts[2] = {"nothing", "nothing"};
    for (const bool first : {true, false}) {  // the call in which it is run, or the one in which it is captured
      bool calls = first;
      auto step = b.record([&] {
        fork.wait(b);
        if (calls) call();
        b.wait(fork);
      });
      if (!first) step();
      calls = true;
      try {
        step();
      } catch (const Error& e) {
        texts[first] = e.what();
      }
      for (TestBackend* context : {&b, &fork, &stranger}) context->fill(a.view(), 1), context->sync();
      CHECK(a.to_host(b) == std::vector<float>(3, 1));
    }
    CHECK(texts[0] == texts[1]);
    return texts[0];
  };
  for (TestBackend* context : {&b, &fork}) {
    TestBackend& c = *context;
    CHECK(refused([&] { c.upload(host, a.view()); }) == "upload: not in a step that is being recorded");
    CHECK(refused([&] { c.download(a.view(), std::span<float>(host)); }) ==
          "download: not in a step that is being recorded");
    CHECK(refused([&] { c.sync(); }) == "sync: not in a step that is being recorded");
    CHECK(refused([&] { c.fork(); }) == "fork: not in a step that is being recorded");
    CHECK(refused([&] { c.wait(stranger); }) ==
          "wait: a step that is being recorded waits only for contexts that have waited for it");
  }
  CHECK(refused([] {}) == "nothing");
}

TEST_CASE("the memory of a recorded step is not handed out while the recording lives") {
  TestBackend b;
  const Array<float> x(b, {1000}), y(b, {1000});
  const auto through = [&](const Array<float>& value) {
    return [&b, &value] {
      const Array<float> temporary(b, {1000});
      b.for_each(1000, Plus{value, 1, temporary});
      b.copy(temporary.view(), value.view());
    };
  };
  b.fill(x.view(), 0);
  b.fill(y.view(), 0);
  auto first = b.record(through(x)), second = b.record(through(y));
  std::vector<Array<float>> kept;
  for (int i = 0; i < 4; ++i) {
    first();
    second();
    kept.emplace_back(b, Extents<1>{1000});
    b.fill(kept.back().view(), static_cast<float>(-i));
  }
  for (int i = 0; i < 4; ++i)
    CHECK(kept[static_cast<std::size_t>(i)].to_host(b) == std::vector<float>(1000, static_cast<float>(-i)));
  CHECK(x.to_host(b) == std::vector<float>(1000, 4));
  CHECK(y.to_host(b) == std::vector<float>(1000, 4));
}

TEST_CASE("steps that are run again allocate nothing new") {
  TestBackend b;
  const Array<float> value(b, {5000});
  b.fill(value.view(), 0);
  auto step = b.record([&] {
    const Array<float> small(b, {10}), large(b, {5000});
    b.for_each(5000, Plus{value, 1, large});
    b.copy(large.view(), value.view());
    b.fill(small.view(), 0);
  });
  for (int i = 0; i < 2; ++i) step();
  const std::size_t allocations = b.pool().allocations(), used = b.pool().used();
  for (int i = 0; i < 5; ++i) step();
  CHECK(b.pool().allocations() == allocations);
  CHECK(b.pool().used() == used);
  CHECK(value.to_host(b) == std::vector<float>(5000, 7));
}

TEST_CASE("transfers of the wrong length are refused") {
  TestBackend b;
  const Array<float> a(b, {3}), c(b, {4});
  std::vector<float> host(4);
  CHECK_THROWS_WITH_AS(b.copy(a.view(), c.view()), "copy: to must be [3], got [4]", ShapeError);
  CHECK_THROWS_WITH_AS(b.upload(host, a.view()), "upload: to must be [4], got [3]", ShapeError);
  CHECK_THROWS_WITH_AS(b.download(a.view(), std::span<float>(host)), "download: from must be [4], got [3]", ShapeError);
}
