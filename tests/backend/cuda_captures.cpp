#include <lotar/backend/cuda/captures.hpp>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "../test.hpp"

using lotar::detail::Captures;

TEST_CASE("what would break a capture is put off until the last one ends, in the order of the calls") {
  std::vector<int> done;
  const auto call = [&](int i) { Captures::outside([&done, i] { done.push_back(i); }); };
  call(1);
  CHECK(done == std::vector<int>{1});
  std::optional<Captures::Scope> first(std::in_place), second(std::in_place);
  call(2);
  std::thread([&] { call(3); }).join();
  first.reset();
  CHECK(done == std::vector<int>{1});
  second.reset();
  CHECK(done == std::vector<int>{1, 2, 3});
  call(4);
  CHECK(done == std::vector<int>{1, 2, 3, 4});
}

TEST_CASE("what is put off may let go of more") {
  struct Owner {
    bool& gone;
    ~Owner() {
      Captures::outside([this] { gone = true; });
    }
  };
  bool gone = false;
  auto owner = std::make_shared<Owner>(gone);
  {
    const Captures::Scope scope;
    Captures::outside([owner = std::move(owner)]() mutable { owner.reset(); });
    CHECK(!gone);
  }
  CHECK(gone);
}
