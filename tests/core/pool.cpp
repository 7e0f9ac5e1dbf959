#include <lotar/core/pool.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <set>
#include <thread>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

/// What the resource of a test has handed out.
struct Ledger {
  std::size_t limit = 1 << 20, allocated = 0, freed = 0;
  std::vector<std::size_t> sizes;
};

struct Resource {
  Ledger* ledger;
  void* allocate(std::size_t bytes) const {
    if (bytes > ledger->limit) throw std::bad_alloc();
    ++ledger->allocated;
    ledger->sizes.push_back(bytes);
    return ::operator new(bytes);
  }
  void deallocate(void* p) const {
    ++ledger->freed;
    ::operator delete(p);
  }
};

using TestPool = Pool<Resource>;

}  // namespace

TEST_CASE("a freed block serves the next request of its size") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  void* const first = pool.allocate(1000);
  pool.deallocate(first, 1000);
  CHECK(pool.allocate(1000) == first);
  void* const second = pool.allocate(1000);
  CHECK(second != first);
  CHECK(ledger.allocated == 2);
  CHECK(pool.allocations() == 2);
  pool.deallocate(first, 1000);
  pool.deallocate(second, 1000);
  const std::set<void*> again{pool.allocate(1000), pool.allocate(1000)};
  CHECK(again == std::set<void*>{first, second});
  CHECK(ledger.freed == 0);
  for (void* block : again) pool.deallocate(block, 1000);
}

TEST_CASE("nearly equal sizes share blocks") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  void* const block = pool.allocate(257);
  pool.deallocate(block, 257);
  CHECK(pool.allocate(512) == block);
  pool.deallocate(block, 512);
  void* const other = pool.allocate(513);
  CHECK(other != block);
  pool.deallocate(other, 513);
}

TEST_CASE("a block of one lane does not serve another") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  void* const first = pool.allocate(1000, 1);
  pool.deallocate(first, 1000, 1);
  void* const second = pool.allocate(1000, 2);
  CHECK(second != first);
  CHECK(pool.allocate(1000, 1) == first);
  pool.deallocate(first, 1000, 1);
  pool.deallocate(second, 1000, 2);
}

TEST_CASE("blocks are multiples of 256 bytes, at most a quarter above what was asked for") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  for (std::size_t bytes = 0; bytes < 600000; bytes = bytes * 9 / 8 + 1) {
    const std::size_t before = ledger.allocated;
    pool.deallocate(pool.allocate(bytes), bytes);
    if (ledger.allocated == before) continue;  // served by a block that is there
    const std::size_t size = ledger.sizes.back();
    CAPTURE(bytes);
    CAPTURE(size);
    CHECK(size % TestPool::alignment == 0);
    CHECK(size >= bytes);
    CHECK(size > 0);
    CHECK((size <= bytes + bytes / 4 || size < bytes + 256 || bytes == 0));
  }
}

TEST_CASE("the bytes used, the most of them, and the bytes held") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  CHECK(pool.used() == 0);
  void* const first = pool.allocate(1024);
  void* const second = pool.allocate(256);
  CHECK(pool.used() == 1280);
  CHECK(pool.peak() == 1280);
  pool.deallocate(first, 1024);
  CHECK(pool.used() == 256);
  CHECK(pool.peak() == 1280);
  CHECK(pool.reserved() == 1280);
  pool.deallocate(pool.allocate(256), 256);
  CHECK(pool.peak() == 1280);
  CHECK(pool.reserved() == 1536);
  pool.reset_peak();
  CHECK(pool.peak() == 256);
  void* const third = pool.allocate(512);
  CHECK(pool.peak() == 768);
  CHECK(pool.reserved() == 2048);
  pool.deallocate(second, 256);
  pool.deallocate(third, 512);
  CHECK(pool.used() == 0);
}

TEST_CASE("all memory goes back to the resource with the pool") {
  Ledger ledger;
  {
    TestPool pool(Resource{&ledger});
    for (std::size_t lane = 0; lane < 3; ++lane) pool.deallocate(pool.allocate(100, lane), 100, lane);
    CHECK(ledger.freed == 0);
  }
  CHECK(ledger.allocated == 3);
  CHECK(ledger.freed == 3);
}

TEST_CASE("a resource that has no more leaves the pool as it was") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  void* const block = pool.allocate(512);
  CHECK_THROWS_AS(pool.allocate(2 << 20), std::bad_alloc);
  CHECK(pool.used() == 512);
  CHECK(pool.peak() == 512);
  CHECK(pool.reserved() == 512);
  CHECK(pool.allocations() == 1);
  pool.deallocate(block, 512);
}

TEST_CASE("more than half of all addresses is refused") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  for (const std::size_t bytes : {SIZE_MAX / 2, SIZE_MAX / 2 + 1, SIZE_MAX / 2 + 2, SIZE_MAX})
    CHECK_THROWS_AS(pool.allocate(bytes), std::bad_alloc);
  CHECK(pool.used() == 0);
  CHECK(allocation_bytes<double>(SIZE_MAX / 16) == SIZE_MAX / 16 * 8);
  CHECK_THROWS_AS(allocation_bytes<double>(SIZE_MAX / 16 + 1), std::bad_alloc);
  CHECK_THROWS_AS(allocation_bytes<double>(SIZE_MAX / 8 + 2), std::bad_alloc);  // 8 bytes, if it wrapped
}

TEST_CASE("several threads share a pool") {
  Ledger ledger;
  TestPool pool(Resource{&ledger});
  constexpr int workers = 4;
  std::vector<int> spoiled(workers);
  std::vector<std::thread> threads;
  for (int worker = 0; worker < workers; ++worker)
    threads.emplace_back([&, worker] {
      for (int i = 0; i < 2000; ++i) {
        auto* const bytes = static_cast<unsigned char*>(pool.allocate(300));  // all on one lane
        std::memset(bytes, worker, 300);
        for (int k = 0; k < 300; ++k)
          if (bytes[k] != worker) ++spoiled[static_cast<std::size_t>(worker)];
        pool.deallocate(bytes, 300);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(spoiled == std::vector<int>(workers));
  CHECK(pool.used() == 0);
  CHECK(pool.allocations() <= workers);
  CHECK(pool.allocations() == ledger.allocated);
}

TEST_CASE("the resource hears how many bytes of a block are in use") {
  struct Exposed {
    std::vector<std::size_t>* heard;
    void* allocate(std::size_t bytes) const { return ::operator new(bytes); }
    void deallocate(void* p) const { ::operator delete(p); }
    void expose(void*, std::size_t bytes, std::size_t size) const { heard->insert(heard->end(), {bytes, size}); }
  };
  std::vector<std::size_t> heard;
  Pool<Exposed> pool(Exposed{&heard});
  void* const block = pool.allocate(300);
  pool.deallocate(block, 300);
  pool.deallocate(pool.allocate(511), 511);
  CHECK(heard == std::vector<std::size_t>{300, 512, 0, 512, 511, 512, 0, 512});
}
