#include <lotar/nn/pass.hpp>

#include <vector>

#include "../test.hpp"

using namespace lotar;

TEST_CASE("a tape gives back what was pushed last, with its type, extents and memory") {
  TestBackend b;
  Tape<TestBackend> tape;
  CHECK(tape.empty());
  Tensor<float, 2, TestBackend> x(b, {{2, 3}}, std::vector<float>{1, 2, 3, 4, 5, 6});
  const float* const memory = x.data;
  tape.push(std::move(x));
  tape.push(Tensor<std::uint32_t, 1, TestBackend>(b, {{2}}, std::vector<std::uint32_t>{7, 8}));
  CHECK(tape.pop<std::uint32_t, 1>().to_host(b) == std::vector<std::uint32_t>{7, 8});
  CHECK_FALSE(tape.empty());
  const auto back = tape.pop<float, 2>();
  CHECK(back.data == memory);
  CHECK(back.extents == Extents<2>{{2, 3}});
  CHECK(back.to_host(b) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(tape.empty());
}

TEST_CASE("what a tape holds stays in memory, and no longer") {
  TestBackend b;
  Tape<TestBackend> tape;
  tape.push(Tensor<float, 1, TestBackend>(b, {{1000}}));
  CHECK(b.pool().used() >= 4000);
  tape.clear();
  CHECK(tape.empty());
  CHECK(b.pool().used() == 0);
}

TEST_CASE("a pass keeps tensors for training only") {
  TestBackend b;
  for (const bool training : {true, false}) {
    Pass<float, TestBackend> pass;
    pass.training = training;
    pass.keep(Tensor<float, 1, TestBackend>(b, {{4}}));
    CHECK(pass.tape.empty() == !training);
  }
}

TEST_CASE("a backward pass without its forward pass is refused") {
  Tape<TestBackend> tape;
  CHECK_THROWS_WITH_AS((tape.pop<float, 2>()),
                       "Tape: nothing is kept; a backward pass needs a forward pass before it, with training = true",
                       ConfigError);
}

TEST_CASE("a tensor of another shape or element than the one kept last is refused, and stays") {
  TestBackend b;
  Tape<TestBackend> tape;
  tape.push(Tensor<float, 2, TestBackend>(b, {{2, 3}}));
  CHECK_THROWS_WITH_AS((tape.pop<float, 4>()),
                       "Tape: wanted 4 dimensions of 4 bytes an element, the last kept has 2 dimensions of 4 bytes an "
                       "element; backward passes follow the forward ones in reverse order",
                       ConfigError);
  CHECK_THROWS_AS((tape.pop<double, 2>()), ConfigError);
  CHECK(tape.pop<float, 2>().extents == Extents<2>{{2, 3}});
}

TEST_CASE("the parts of a pass's arrays end where these do") {
  TestBackend b;
  const Tensor<float, 1, TestBackend> flat(b, {8});
  Pass<float, TestBackend> pass{flat, flat, flat, flat};
  for (const auto& part : {pass.gradient(3, 5), pass.statistic(3, 5)}) {
    CHECK(part.data == flat.data + 3);
    CHECK(part.size() == 5);
  }
  CHECK(pass.value(3, 5).data == flat.data + 3);
  CHECK(pass.filter(3, 5).data == flat.data + 3);
  CHECK_THROWS_WITH_AS(pass.value(3, 6), "Pass: values must reach entry 9, got [8]", ShapeError);
  CHECK_THROWS_WITH_AS(pass.filter(8, 1), "Pass: filters must reach entry 9, got [8]", ShapeError);
  CHECK_THROWS_WITH_AS(pass.statistic(0, 9), "Pass: statistics must reach entry 9, got [8]", ShapeError);
  pass.gradients = {};
  CHECK_THROWS_WITH_AS(pass.gradient(0, 1), "Pass: gradients must reach entry 1, got [0]", ShapeError);
}
