#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <lotar/augment/boosted_rand_augment.hpp>
#include <lotar/augment/presets.hpp>
#include <lotar/core/config.hpp>
#include <lotar/core/error.hpp>
#include <lotar/core/number_text.hpp>
#include <lotar/io/json.hpp>
#include <lotar/train/pretraining.hpp>

#include "program.hpp"

/// What `pretrain` may be told; the defaults are the thesis' settings.
struct Options {
  std::string method = "lotar", lotar;
  int rand_augment = -1;
  double prune = -1;
  std::string data = "data", dataset = "cifar10", split, profile = "exp";
  std::size_t image_size = 64;
  double ratio = 100;
  std::uint64_t split_seed = 1;
  std::string augmentation = "thesis";
  double crop_scale = 0;
  std::string arch = "resnet18", stem = "cifar", projector = "thesis";
  std::size_t width = 64, projection = 128;
  std::size_t epochs = 1200, batch_size = 256;
  double temperature = 0.2, temperature_high = 0;
  std::size_t temperature_period = 400;
  double focal = 0, dclw = 0;
  std::string optimizer = "lars";
  double lr = 0.5, weight_decay = 5e-4;
  std::size_t warmup_epochs = 10;
  std::string precision = "float32", norms = "synchronized";
  std::uint64_t seed = 1;
  int threads = 0;
  std::size_t checkpoint_every = 10, metrics_every = 10, max_steps = 0;
  std::string out = "runs/lotar";
  bool resume = false;
};

inline void add_options(CLI::App& app, Options& o) {
  app.option_defaults()->always_capture_default()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--method", o.method,
                 "simclr, lotar, bcl, sdclr or supervised: what the next three are unless they are set");
  app.add_option(
      "--lotar", o.lotar,
      "Weights of the samples' losses: none, readme, thesis_code, figure or normalized; empty: readme for lotar");
  app.add_option("--rand-augment", o.rand_augment,
                 "Operations of a RandAugment as strong as BCL's memory says: 1 as in BCL-I, 2 as in BCL-D; 0: none; "
                 "-1: 1 for bcl");
  app.add_option("--prune", o.prune,
                 "SDCLR: part of the weights that the second view's branch lacks; 0: no such branch; "
                 "-1: 0.9 for sdclr");
  app.add_option("--data", o.data, "Folder of the data set's files, or its parent");
  app.add_option("--dataset", o.dataset,
                 "cifar10, cifar100, fashion_mnist, synthetic, or folder for images of one's own");
  app.add_option("--image-size", o.image_size, "With --dataset folder: pixels a side that images are made to have")
      ->check(not_negative());
  app.add_option("--split", o.split, "Train on the images that this file lists (of make_splits, or an .npy list)");
  app.add_option("--ratio", o.ratio, "Without --split: images of the head over those of the tail; 1 for no tail");
  app.add_option("--profile", o.profile, "Without --split: exp, step, pareto, or all for every image");
  app.add_option("--split-seed", o.split_seed, "Without --split: which images")->check(not_negative());
  app.add_option("--augmentation", o.augmentation,
                 "thesis (crops of 8 % or more, bilinear), bcl (10 %, bicubic), or crop_flip (thesis without colours); "
                 "supervised pads, crops and flips");
  app.add_option("--crop-scale", o.crop_scale,
                 "Smallest part of an image's area that a crop shows; 0: as the augmentation says");
  app.add_option("--arch", o.arch, "resnet10, resnet18, resnet34 or resnet50");
  app.add_option("--stem", o.stem, "cifar (3x3) or imagenet (7x7 and pooling)");
  app.add_option("--width", o.width, "Channels of the network's first stage")->check(not_negative());
  app.add_option("--projector", o.projector, "thesis, mlp, mlp_bn or linear; supervised has its classifier instead");
  app.add_option("--projection", o.projection, "Width of the projections")->check(not_negative());
  app.add_option("--epochs", o.epochs, "How often every image is seen")->check(not_negative());
  app.add_option("--batch-size", o.batch_size, "Images in an update, each in two views")->check(not_negative());
  app.add_option("--temperature", o.temperature, "Of the loss");
  app.add_option("--temperature-high", o.temperature_high,
                 "Highest of a temperature that varies over the epochs; 0: none");
  app.add_option("--temperature-period", o.temperature_period, "Epochs from one highest temperature to the next")
      ->check(not_negative());
  app.add_option("--focal", o.focal, "Gamma of the focal loss; 0: not focal");
  app.add_option("--dclw", o.dclw, "Sigma of DCLW; 0: NT-Xent as it is");
  app.add_option("--optimizer", o.optimizer, "lars, sgd or adam");
  app.add_option("--lr", o.lr, "Learning rate after the warm-up; a cosine leads it to 1e-6");
  app.add_option("--weight-decay", o.weight_decay, "Of all parameters");
  app.add_option("--warmup-epochs", o.warmup_epochs, "Epochs in which the learning rate grows from 0")
      ->check(not_negative());
  app.add_option("--precision", o.precision,
                 "Of activations and the convolutions' weights: float32, bf16, or on CUDA tf32 (float32 whose products "
                 "round their factors to 10 bits); all else is float32");
  app.add_option("--norms", o.norms,
                 "Of several processes: batch norms over the whole batch (synchronized) or each process' part (own)");
  app.add_option("--seed", o.seed, "Of the parameters, the order and the views")->check(not_negative());
  app.add_option("--threads", o.threads, "Of the CPU backend; 0: one a core; no result depends on it");
  app.add_option("--checkpoint-every", o.checkpoint_every, "Epochs between checkpoints")->check(not_negative());
  app.add_option("--metrics-every", o.metrics_every, "Updates between looks at the loss")->check(not_negative());
  app.add_option("--max-steps", o.max_steps, "Stop after so many updates of the whole training; 0: do not")
      ->check(not_negative());
  app.add_option("--out", o.out, "Folder of the run");
  app.add_flag("--resume", o.resume, "Go on with the run in --out from its last checkpoint");
}

/// Sets what the method stands for, where it was not said.
inline void complete(Options& o) {
  if (o.lotar.empty()) o.lotar = o.method == "lotar" ? "readme" : "none";
  if (o.rand_augment == -1) o.rand_augment = o.method == "bcl" ? 1 : 0;
  if (o.prune == -1) o.prune = o.method == "sdclr" ? 0.9 : 0;
}

/// Completes the options.
/// @throws lotar::ConfigError for what no part of the library refuses.
inline void check(Options& o) {
  complete(o);
  const auto refuse = [](const std::string& what) { throw lotar::ConfigError(what); };
  const std::set<std::string> methods{"simclr", "lotar", "bcl", "sdclr", "supervised"};
  if (!methods.contains(o.method))
    refuse("--method: wanted simclr, lotar, bcl, sdclr or supervised, got \"" + o.method + "\"");
  const bool plain = o.lotar == "none" && o.rand_augment == 0 && o.prune == 0;
  if ((o.method == "lotar" && o.lotar == "none") || (o.method == "bcl" && o.rand_augment == 0) ||
      (o.method == "sdclr" && o.prune == 0) || (o.method == "simclr" && !plain))
    refuse("--method " + o.method + ": contradicts --lotar " + o.lotar + ", --rand-augment " +
           std::to_string(o.rand_augment) + " and --prune " + lotar::number_text(o.prune));
  if (o.rand_augment < 0) refuse("--rand-augment: wanted at least 0, got " + std::to_string(o.rand_augment));
  if (o.method == "supervised" && (!plain || o.focal > 0 || o.dclw > 0 || o.temperature_high > 0))
    refuse("--method supervised: wanted none of the contrastive losses' options");
  if (o.augmentation != "thesis" && o.augmentation != "bcl" && o.augmentation != "crop_flip")
    refuse("--augmentation: wanted thesis, bcl or crop_flip, got \"" + o.augmentation + "\"");
  if (o.stem != "cifar" && o.stem != "imagenet") refuse("--stem: wanted cifar or imagenet, got \"" + o.stem + "\"");
  if (o.norms != "synchronized" && o.norms != "own")
    refuse("--norms: wanted synchronized or own, got \"" + o.norms + "\"");
  if (o.precision != "float32" && o.precision != "tf32" && o.precision != "bf16")
    refuse("--precision: wanted float32, tf32 or bf16, got \"" + o.precision + "\"");
  if (!(o.crop_scale >= 0 && o.crop_scale <= 1))
    refuse("--crop-scale: wanted 0 to 1, got " + lotar::number_text(o.crop_scale));
  if (o.checkpoint_every == 0 || o.metrics_every == 0)
    refuse("--checkpoint-every and --metrics-every: wanted at least 1");
}

/// The options that a run's config.json holds.
/// @throws lotar::IoError if the file is missing or damaged, or has an option that there is not.
inline Options read_options(const std::string& path) {
  Options options;
  CLI::App app;
  add_options(app, options);
  app.config_formatter(std::make_shared<JsonConfig>(app));
  app.set_config("--config", path, "", true);
  try {
    app.parse(std::vector<std::string>());
  } catch (const CLI::Error& error) {
    throw lotar::IoError(path, error.what());
  }
  check(options);
  return options;
}

/// All options, and what computes.
inline lotar::Json to_json(const Options& o, const std::string& backend) {
  return {{"method", o.method},
          {"lotar", o.lotar},
          {"rand-augment", o.rand_augment},
          {"prune", o.prune},
          {"data", o.data},
          {"dataset", o.dataset},
          {"image-size", o.image_size},
          {"split", o.split},
          {"ratio", o.ratio},
          {"profile", o.profile},
          {"split-seed", o.split_seed},
          {"augmentation", o.augmentation},
          {"crop-scale", o.crop_scale},
          {"arch", o.arch},
          {"stem", o.stem},
          {"width", o.width},
          {"projector", o.projector},
          {"projection", o.projection},
          {"epochs", o.epochs},
          {"batch-size", o.batch_size},
          {"temperature", o.temperature},
          {"temperature-high", o.temperature_high},
          {"temperature-period", o.temperature_period},
          {"focal", o.focal},
          {"dclw", o.dclw},
          {"optimizer", o.optimizer},
          {"lr", o.lr},
          {"weight-decay", o.weight_decay},
          {"warmup-epochs", o.warmup_epochs},
          {"precision", o.precision},
          {"norms", o.norms},
          {"seed", o.seed},
          {"threads", o.threads},
          {"checkpoint-every", o.checkpoint_every},
          {"metrics-every", o.metrics_every},
          {"max-steps", o.max_steps},
          {"versions", {{"lotar", lotar::version}, {"backend", backend}}}};
}

/// The options that a resumed run may have otherwise: none of them changes what is computed. A split may lie elsewhere;
/// check_split sees that it is the run's own.
inline std::set<std::string> may_change() {
  return {"data", "split", "threads", "checkpoint-every", "metrics-every", "max-steps"};
}

/// @param classes  of the data set: the width of a supervised network's logits
inline lotar::NetworkOptions network_options(const Options& o, std::size_t classes) {
  const bool supervised = o.method == "supervised";
  return {.arch = o.arch,
          .width = o.width,
          .stem = o.stem == "cifar" ? lotar::Stem::cifar : lotar::Stem::imagenet,
          .projector = supervised ? "linear" : o.projector,
          .projection = {.out = supervised ? classes : o.projection},
          .pruned_branch = o.prune > 0};
}

inline lotar::PretrainingOptions pretraining_options(const Options& o, std::size_t classes) {
  return {.network = network_options(o, classes),
          .optimizer = {.name = o.optimizer, .weight_decay = o.weight_decay},
          .schedule = {.learning_rate = o.lr, .warmup_epochs = o.warmup_epochs, .epochs = o.epochs},
          .batch_size = o.batch_size,
          .temperature = {o.temperature, o.temperature_high, o.temperature_period},
          .objective = {.focal = o.focal, .dclw = o.dclw},
          .prune = o.prune,
          .synchronize_norms = o.norms == "synchronized",
          .seed = o.seed};
}

/// The views of --augmentation, with --crop-scale.
inline auto augmentation(const Options& o, std::size_t size, const lotar::Normalize& normalize) {
  auto views =
      o.augmentation == "bcl" ? lotar::bcl_augmentation(size, normalize) : lotar::thesis_augmentation(size, normalize);
  auto& [crop, after_crop] = views;
  auto& [flip, after_flip] = after_crop;
  auto& [jitter, after_jitter] = after_flip;
  if (o.crop_scale > 0) crop.scale_low = o.crop_scale;
  if (o.augmentation == "crop_flip") jitter.probability = after_jitter.first.probability = 0;
  return views;
}

/// The same with RandAugment after the colours.
template <class Memory>
auto augmentation(const Options& o, std::size_t size, const lotar::BoostedRandAugment<Memory>& rand_augment,
                  const lotar::Normalize& normalize) {
  const auto plain = augmentation(o, size, normalize);
  return lotar::pipeline(plain.first, plain.rest.first, plain.rest.rest.first, plain.rest.rest.rest.first, rand_augment,
                         normalize);
}
