// Trains an encoder by a contrastive method on a long-tailed subset of a data set, without its labels.

#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <lotar/augment/boosted_rand_augment.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/train/pretraining.hpp>

#include "backend.hpp"
#include "background.hpp"
#include "diagnostics.hpp"
#include "pretrain_options.hpp"
#include "program.hpp"
#include "progress.hpp"
#include "report/image_grid.hpp"
#include "report/run_report.hpp"
#include "run_directory.hpp"
#include "training_data.hpp"

namespace {

using lotar::Json;

/// The most memory of the host that this process has held.
std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

/// One line of metrics.jsonl: what the epoch gave, by class group.
/// @param rate     of the epoch's last update
/// @param pairs    whether the samples have two views: a distance, and a weight
/// @param images   seen in these seconds: less than the epoch's if the run was resumed in it
Json metrics(const lotar::SampleRecord& record, const TrainingData& data, const lotar::Clock& clock, bool pairs,
             double rate, double images, double seconds) {
  const Json losses = group_means(record.loss, data);
  Json line{{"epoch", clock.epoch + 1},
            {"step", clock.step},
            {"loss", losses["all"]},
            {"learning_rate", rate},
            {"seconds", seconds},
            {"images_per_second", images / seconds},
            {"peak_memory_bytes", peak_memory_bytes()},
            {"loss_by_group", losses},
            {"rank_correlation", examples::rank_correlations(record, data.images.labels, data.counts)}};
  if (!pairs) return line;
  double weighted = 0;
  for (std::size_t i = 0; i < record.loss.size(); ++i)
    weighted += static_cast<double>(record.weight[i]) * static_cast<double>(record.loss[i]);
  line["weighted_loss"] = weighted / static_cast<double>(record.loss.size());
  line["distance"] = group_means(record.distance, data);
  line["weight"] = group_means(record.weight, data);
  line["weight_histogram"] = examples::weight_histogram(record.weight);
  return line;
}

/// A picture of some samples of the training set beside two views of each.
/// @param images  the training set's, on the backend
template <class Pipeline>
void draw_views(const std::string& path, ExampleBackend& b, const TrainingData& data,
                const lotar::In<std::uint8_t, 4, ExampleBackend>& images, const Pipeline& views, std::uint64_t seed) {
  const lotar::Extents<4> shape = data.shape();
  const std::size_t n = std::min<std::size_t>(16, shape[0]);
  std::vector<std::uint32_t> chosen(n);
  for (std::uint32_t i = 0; i < n; ++i) chosen[i] = i * static_cast<std::uint32_t>(shape[0] / n);
  const lotar::Dataset samples = lotar::subset(data.images, chosen);
  const std::span<const std::uint8_t> originals = lotar::values(samples.images);
  const lotar::Tensor<std::uint32_t, 1, ExampleBackend> order(b, {{n}}, chosen);
  const lotar::Clock start;
  const lotar::Tensor<lotar::Clock, 1, ExampleBackend> clock(b, {{1}}, std::span(&start, 1));
  lotar::Tensor<float, 4, ExampleBackend> out(b, {{2 * n, shape[1], shape[2], 3}});
  lotar::two_views<float>(b, images, order, n, clock, seed, views, out.view());
  const std::vector<std::uint8_t> made = examples::to_bytes(out.to_host(b));
  const std::span<const std::uint8_t> both(made);
  examples::write_view_grid(path, {n, shape[1], shape[2], shape[3], originals},
                            {n, shape[1], shape[2], 3, both.first(both.size() / 2)},
                            {n, shape[1], shape[2], 3, both.subspan(both.size() / 2)});
}

/// Trains by a method, given what makes its views end in a normalisation or without one.
/// @tparam T  how activations are stored
template <class T, class Method, class Views>
void train(const Options& options, ExampleBackend& b, const TrainingData& data, Method method, const Views& views) {
  auto training =
      lotar::make_pretraining<T>(b, data.pixels(), data.shape(), pretraining_options(options, data.counts.size()),
                                 std::move(method), views(lotar::imagenet_normalize));
  const lotar::Clock& clock = training.clock();
  std::size_t last = training.steps();
  if (options.max_steps > 0) last = std::min<std::size_t>(last, options.max_steps);
  if (!is_first(b)) {  // computes its share of the batches that the first process trains by
    const std::string checkpoint = examples::checkpoint_path(options.out);
    if (options.resume && std::filesystem::exists(checkpoint)) training.restore(lotar::read_checkpoint(checkpoint));
    while (clock.step < last) training.step();
    return;
  }

  if (options.resume) check_split(options.out, data.split);  // before the folder says otherwise
  examples::RunDirectory run(options.out, to_json(options, ExampleBackend::name), options.resume, may_change());
  lotar::write_split(split_path(options.out), data.split);
  draw_views(run.file("views.png"), b, data, training.images(), views(lotar::Normalize{}), options.seed);
  if (options.resume && run.has_checkpoint()) training.restore(lotar::read_checkpoint(run.checkpoint_path()));
  run.drop_metrics_after(clock.step / static_cast<std::uint32_t>(training.steps_per_epoch()));

  examples::Background background;
  const auto save = [&] {
    background.run([&run, &training, &options, checkpoint = training.save(), step = clock.step] {
      lotar::write_model(
          run.model_path(), training.network().table(), checkpoint.arrays.at("values"),
          checkpoint.arrays.at("statistics"), step,
          {{"method", options.method}, {"step", std::to_string(step)}, {"steps", std::to_string(training.steps())}});
      lotar::write_checkpoint(run.checkpoint_path(), checkpoint);
    });
  };
  if (clock.step == 0 || clock.step >= last) save();  // at the start also soon proof that the folder has room

  const examples::TrainingLength length{options.epochs, training.samples(), options.batch_size, last};
  std::optional<examples::Progress> progress(std::in_place, length, clock.step);
  examples::Stopwatch epoch_time;
  std::size_t epoch_start = clock.step;
  while (clock.step < last) {
    training.step();
    if (clock.step % options.metrics_every == 0 || training.epoch_complete()) {
      background.check();
      lotar::SampleRecord record = training.record();  // waits, and refuses what is not finite
      progress->update(clock.step, record.batch_loss[clock.batch - 1]);
      if (training.epoch_complete()) {
        const auto images = static_cast<double>(length.images_until(clock.step) - length.images_until(epoch_start));
        std::vector<float> projections;
        if constexpr (Method::views == 2) projections = training.projections();
        background.run([&run, &training, &data, record = std::move(record), projections = std::move(projections),
                        now = clock, rate = training.learning_rate(), images, seconds = epoch_time.restart()] {
          Json line = metrics(record, data, now, Method::views == 2, rate, images, seconds);
          if (!projections.empty())
            line["projection"] = examples::projection_metrics(projections, training.network().projections());
          run.append_metrics(line);
        });
        epoch_start = clock.step;
      }
    }
    const bool due = training.epoch_complete() && (clock.epoch + 1) % options.checkpoint_every == 0;
    if (due || clock.step == last) save();
  }
  progress.reset();  // before the next line
  background.wait();
  examples::write_training_pictures(options.out);
  std::printf("model, checkpoint, metrics and pictures: %s\n", options.out.c_str());
}

template <class T>
void train(const Options& options) {
  ExampleBackend b = make_backend(options.threads, options.precision == "tf32");
  const TrainingData data = load_training_data(options);
  const std::size_t size = data.shape()[1];
  if (options.method == "supervised") {
    const lotar::Tensor<std::int32_t, 1, ExampleBackend> labels(b, {{data.images.labels.size()}}, data.images.labels);
    const auto views = [&](const lotar::Normalize& last) { return lotar::crop_flip_augmentation(size, last); };
    train<T>(options, b, data, lotar::Supervised<ExampleBackend>(labels.view()), views);
    return;
  }
  lotar::LotarOptions weights{.sign = 0};
  if (options.lotar != "none") weights = lotar::lotar_preset(options.lotar);
  const lotar::Lotar lotar(weights);
  if (options.rand_augment == 0) {
    train<T>(options, b, data, lotar, [&](const lotar::Normalize& last) { return augmentation(options, size, last); });
    return;
  }
  lotar::Bcl<ExampleBackend, lotar::Lotar> bcl(b, data.images.size(), lotar);
  const lotar::BoostedRandAugment<ExampleBackend::Memory> boost{
      .operations = static_cast<std::size_t>(options.rand_augment), .strengths = bcl.strengths()};
  const auto views = [&](const lotar::Normalize& last) { return augmentation(options, size, boost, last); };
  train<T>(options, b, data, std::move(bcl), views);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  options.precision = default_precision;
  CLI::App app("Train an encoder on a long-tailed data set without its labels.", "pretrain");
  add_options(app, options);
  const int code = run_program(app, argc, argv, [&] {
    check(options);
    options.precision == "bf16" ? train<lotar::bf16>(options) : train<float>(options);
  });
  return end_program(code);
}
