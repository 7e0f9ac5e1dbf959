#include <lotar/train/sample_record.hpp>

#include <limits>
#include <span>
#include <vector>

#include "../test.hpp"

using namespace lotar;

namespace {

/// Two batches of two and one sample, out of three.
struct Recorder {
  TestBackend b;
  DeviceSampleRecord<float, TestBackend> record{b, 3, 2};
  Tensor<std::uint32_t, 1, TestBackend> order{b, {{3}}, std::vector<std::uint32_t>{2, 0, 1}};
  Tensor<Clock, 1, TestBackend> clock{b, {{1}}};
  Tensor<float, 2, TestBackend> z{b, {{4, 1}}};

  void add(const Clock& now, const std::vector<float>& losses, const std::vector<float>& d,
           const std::vector<float>& w) {
    b.upload(std::span<const Clock>(&now, 1), clock.flat());
    const Tensor<float, 1, TestBackend> l(b, {{losses.size()}}, losses), distances(b, {{d.size()}}, d),
        weights(b, {{w.size()}}, w);
    record.add(b, {z, l, distances, weights, {order, clock, 2}});
  }
};

}  // namespace

TEST_CASE("values go to the samples that the clock and the order tell") {
  Recorder r;
  r.add({0, 0, 0}, {1, 2, 3, 4}, {.5f, .25f}, {1, 3});
  r.add({0, 1, 1}, {5, 7}, {.125f}, {1});
  const SampleRecord record = r.record.download(r.b);
  CHECK(record.loss == std::vector<float>{3, 6, 2});  // sample 0 was second in the batch: anchors 1 and 3
  CHECK(record.distance == std::vector<float>{.25f, .125f, .5f});
  CHECK(record.weight == std::vector<float>{3, 1, 1});
  CHECK(record.batch_loss == std::vector<float>{(1 + 3 * 2 + 3 + 3 * 4) / 4.f, 6});
  CHECK(record.first_bad == SampleRecord::none);
}

TEST_CASE("a method of one view has one anchor a sample") {
  Recorder r;
  r.add({0, 0, 0}, {1, 2}, {0, 0}, {1, 1});
  const SampleRecord record = r.record.download(r.b);
  CHECK(record.loss[2] == 1);
  CHECK(record.loss[0] == 2);
  CHECK(record.batch_loss[0] == 1.5f);
}

TEST_CASE("the first step that is not finite is kept") {
  Recorder r;
  const float infinity = std::numeric_limits<float>::infinity();
  r.add({0, 0, 4}, {1, 2, 3, 4}, {.5f, .25f}, {1, 3});
  r.add({0, 1, 5}, {5, infinity}, {.125f}, {1});
  r.add({1, 0, 6}, {1, std::numeric_limits<float>::quiet_NaN(), 3, 4}, {.5f, .25f}, {1, 3});
  CHECK(r.record.download(r.b).first_bad == 5);
}
