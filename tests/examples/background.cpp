#include "../../examples/background.hpp"

#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../test.hpp"

using namespace examples;

TEST_CASE("work in the background is done in order, on another thread, and all of it") {
  std::vector<int> done;
  std::thread::id worker;
  {
    Background background;
    for (int i = 0; i < 5; ++i)
      background.run([&, i] {
        done.push_back(i);
        worker = std::this_thread::get_id();
      });
    background.wait();
    CHECK(done == std::vector{0, 1, 2, 3, 4});
    CHECK(worker != std::this_thread::get_id());
    background.run([&] { done.push_back(5); });
  }
  CHECK(done.size() == 6);
}

TEST_CASE("a check does not wait, and throws what is known, once") {
  Background background;
  CHECK_NOTHROW(background.check());
  std::promise<void> begin;
  background.run([&] {
    begin.get_future().wait();
    throw std::runtime_error("no room");
  });
  CHECK_NOTHROW(background.check());  // while the piece waits
  begin.set_value();
  std::string thrown;
  while (thrown.empty()) try {
      background.check();
    } catch (const std::runtime_error& e) {
      thrown = e.what();
    }
  CHECK(thrown == "no room");
  CHECK_NOTHROW(background.wait());
}

TEST_CASE("what a piece throws, the next call throws, once; the next piece is not begun then") {
  Background background;
  bool begun = false;
  background.run([] { throw std::runtime_error("no room"); });
  CHECK_THROWS_WITH_AS(background.run([&] { begun = true; }), "no room", std::runtime_error);
  CHECK_FALSE(begun);
  background.run([&] { begun = true; });
  background.wait();
  CHECK(begun);
  background.wait();
}
