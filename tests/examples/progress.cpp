#include "../../examples/progress.hpp"

#include <limits>
#include <optional>
#include <sstream>

#include "../test.hpp"

using namespace examples;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

/// A progress that writes to a string, and whose time is set by hand.
struct Shown {
  double time = 100;
  std::ostringstream out;
  std::optional<Progress> progress;

  Shown(const TrainingLength& length, bool terminal, std::size_t first_step = 0) {
    progress.emplace(length, first_step, out, terminal, [this] { return time; });
  }
  /// What an update at a time after the start writes.
  std::string at(double seconds, std::size_t step, double loss) {
    time = 100 + seconds;
    out.str("");
    progress->update(step, loss);
    return out.str();
  }
};

constexpr TrainingLength length{.epochs = 3, .images = 100, .batch_size = 32};  // batches of 32, 32, 32, 4

}  // namespace

TEST_CASE("the length of a training counts the smaller last batch") {
  CHECK(length.steps() == 4);
  CHECK(length.last_step() == 12);
  CHECK(length.images_until(0) == 0);
  CHECK(length.images_until(3) == 96);
  CHECK(length.images_until(4) == 100);
  CHECK(length.images_until(9) == 232);
  CHECK(TrainingLength{3, 100, 32, 7}.last_step() == 7);
}

TEST_CASE("times are short") {
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(59.9) == "0:59");
  CHECK(clock_text(61) == "1:01");
  CHECK(clock_text(3723) == "1:02:03");
  CHECK(clock_text(90000) == "25:00:00");
  CHECK(clock_text(-1) == "0:00");
}

TEST_CASE("on a terminal a bar is redrawn ten times a second") {
  Shown shown(length, true);
  CHECK(shown.at(0.05, 1, 5) == "");
  CHECK(shown.at(2, 2, 5.25) == "\repoch 1/3 [########........] 2/4 loss 5.2500 32 images/s 0:07 left");
  CHECK(shown.at(2.09, 3, 5) == "");
  CHECK(shown.at(4, 4, unknown) ==
        "\repoch 1/3 [################] 4/4 25 images/s 0:08 left            ");  // covers the longer line
  CHECK(shown.at(4.2, 5, std::numeric_limits<double>::infinity())
            .starts_with("\repoch 2/3 [####............] 1/4 loss infinite"));
  CHECK(shown.at(4.21, 12, 1).find(" 0:00 left") != std::string::npos);  // the last update is shown whenever it comes
  shown.out.str("");
  shown.progress.reset();
  CHECK(shown.out.str() == "\n");
}

TEST_CASE("a bar that never showed leaves no line") {
  Shown shown(length, true);
  shown.progress.reset();
  CHECK(shown.out.str() == "");
}

TEST_CASE("a long line is cut before it wraps") {
  Shown shown({.epochs = 100'000, .images = 1'000'000'000, .batch_size = 1}, true);
  const std::string line = shown.at(1000, 99'999'999'999, 123456789.0);
  CHECK(line.size() == 80);
}

TEST_CASE("elsewhere there are plain lines: an epoch's end after ten seconds, a minute within an epoch") {
  Shown shown(length, false);
  CHECK(shown.at(9, 4, 5) == "");
  CHECK(shown.at(11, 7, 5) == "");
  CHECK(shown.at(20, 8, 4.5) == "epoch 2/3 step 4/4 loss 4.5000 10 images/s 0:10 left\n");
  CHECK(shown.at(79, 9, 4) == "");
  CHECK(shown.at(80, 9, 4) == "epoch 3/3 step 1/4 loss 4.0000 2.9 images/s 0:23 left\n");
  CHECK(shown.at(80.5, 12, 4) == "epoch 3/3 step 4/4 loss 4.0000 3.7 images/s 0:00 left\n");
  shown.out.str("");
  shown.progress.reset();
  CHECK(shown.out.str() == "");
}

TEST_CASE("a resumed training counts its own images only, and max_steps ends it earlier") {
  Shown shown({.epochs = 3, .images = 100, .batch_size = 32, .max_steps = 8}, false, 4);
  CHECK(shown.at(60, 5, 4) == "epoch 2/3 step 1/4 loss 4.0000 0.5 images/s 2:07 left\n");
  CHECK(shown.at(61, 8, 4).ends_with(" 0:00 left\n"));
}

TEST_CASE("a training of nothing is refused") {
  CHECK_THROWS_WITH_AS(Shown({.epochs = 1, .images = 0, .batch_size = 32}, false),
                       "Progress: wanted epochs, images and batch_size >= 1", lotar::ConfigError);
}
