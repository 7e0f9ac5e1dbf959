// Judges the encoder of a run by what a linear layer and its nearest neighbours make of its frozen features.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <lotar/augment/presets.hpp>
#include <lotar/eval/classifier.hpp>
#include <lotar/eval/features.hpp>
#include <lotar/eval/knn.hpp>
#include <lotar/eval/linear_probe.hpp>
#include <lotar/eval/protocols.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/train/checkpoint.hpp>

#include "backend.hpp"
#include "eval_results.hpp"
#include "pretrain_options.hpp"
#include "program.hpp"
#include "report/run_report.hpp"
#include "training_data.hpp"

namespace {

using B = ExampleBackend;
using examples::EvalOptions;
using examples::Judged;
using lotar::Json;
using lotar::Protocol;
using Classes = lotar::Tensor<std::int32_t, 1, B>;
using Features = lotar::Tensor<float, 2, B>;
using State = lotar::NetworkState<float, B>;

/// Whether the run's network gives logits, which then are judged in a probe's place. It has learned from the run's own
/// images; its features' neighbours are still those of the balanced set.
bool has_classifier(const Options& options) { return options.method == "supervised"; }

/// What a run's network is judged on.
struct EvalData {
  const lotar::Dataset& training;  ///< balanced
  const lotar::Dataset& test;
  std::vector<std::size_t> counts;  ///< of each class in the run's long-tailed training set
};

/// Which images a probe sees, and how.
struct Seen {
  examples::ProbeImages images;
  bool crop_flip = false, batch_statistics = false, unpadded_stem = false;
  std::size_t copies = 1;
  bool operator==(const Seen&) const = default;
};

/// Judges one set of a network's parameters, which stay as they are, by protocols. Neighbours are judged on the first
/// copy of the features that a protocol's probe sees.
class Judge {
 public:
  Judge(B& b, const EvalOptions& eval, const Options& options, const lotar::NetworkOptions& network, State& state,
        const EvalData& data, std::string name)
      : b_(b), eval_(eval), options_(options), network_(network), state_(state), data_(data), name_(std::move(name)) {
    lotar::NetworkOptions other = network;
    if (other.stem == lotar::Stem::cifar && options.method != "sdclr") other.stem = lotar::Stem::unpadded;
    unpadded_.emplace(other);
  }

  Judged operator()(const Protocol& protocol) {
    const bool few = examples::is_few_shot(eval_.few_shot);
    const std::size_t draws = examples::draw_count(protocol, eval_.few_shot, eval_.draws);
    const auto frozen = [&] { return std::pair(state_.values.to_host(b_), state_.statistics.to_host(b_)); };
    const auto before = frozen();
    Judged judged;
    for (std::uint64_t seed = 1; seed <= draws; ++seed) judge_draw(protocol, few, seed, judged);
    if (frozen() != before) throw lotar::Error("linear_eval: the evaluation changed the encoder");
    return judged;
  }

 private:
  std::size_t side() const { return data_.test.images.shape()[1]; }
  auto plain_view() const { return lotar::plain_view(side()); }

  void judge_draw(const Protocol& protocol, bool few, std::uint64_t seed, Judged& judged) {
    const lotar::LinearProbeOptions& probe = protocol.options(few);
    const Seen seen{examples::choose_images(data_.training.labels, data_.counts.size(), protocol, eval_.few_shot, seed),
                    protocol.crop_flip, protocol.batch_statistics, protocol.unpadded_stem,
                    examples::copy_count(protocol, eval_.few_shot, eval_.augmented_copies)};
    see(seen, probe.batch_size);
    judged.training_images = has_classifier(options_)
                                 ? std::accumulate(data_.counts.begin(), data_.counts.end(), std::size_t{0})
                                 : seen.images.training.size();
    judged.validation_images = seen.images.validation.size();
    judged.copies = seen.copies;

    const Classes labels = upload_labels(seen.images.training), held_out = upload_labels(seen.images.validation);
    const Classes predicted(b_, {{data_.test.size()}});
    const auto scores = [&] { return examples::score(predicted.to_host(b_), data_.test.labels, data_.counts); };
    if (has_classifier(options_)) {
      lotar::classify<float>(b_, network_, state_, test_, predicted.view());
    } else {
      const auto progress = [&](const lotar::LinearProbeProgress& p) {
        if (p.epoch % std::max<std::size_t>(30, p.epochs / 5) == 0)
          std::fprintf(stderr, "%s: probe epoch %zu/%zu loss %.4f\n", name_.c_str(), p.epoch, p.epochs, p.loss);
      };
      lotar::train_linear_probe<float>(b_, training_, labels, data_.counts.size(), probe, progress,
                                       {validation_, held_out})
          .predict(b_, test_, predicted);
    }
    judged.classifier.push_back(scores());
    if (protocol.batch_mean) {
      const double all = lotar::batch_mean_accuracy(predicted.to_host(b_), data_.test.labels, probe.batch_size);
      for (auto& [convention, accuracy] : judged.classifier.back()) accuracy.all = all;
    }
    const lotar::KnnOptions knn{.k = std::min(lotar::KnnOptions{}.k, labels.size())};
    lotar::knn_classify<float>(b_, training_.rows(0, labels.size()), labels, test_, knn, predicted.view());
    judged.knn.push_back(scores());
  }

  /// Makes the features of all sets, as far as those that are there are others.
  void see(const Seen& seen, std::size_t batch) {
    if (seen_ == seen) return;
    const lotar::Network& network = seen.unpadded_stem ? *unpadded_ : network_;
    const bool same_test = seen_ && seen_->unpadded_stem == seen.unpadded_stem &&  //
                           !seen_->batch_statistics && !seen.batch_statistics;
    State drifting(b_, network.table(), 0);
    b_.copy(state_.values, drifting.values.view());
    b_.copy(state_.statistics, drifting.statistics.view());
    const auto features = [&](const lotar::Dataset& set, const auto& view, std::size_t copies,
                              const lotar::FeatureOptions& options) {
      Features f(b_, {{copies * set.size(), network.features()}});
      if (set.size() == 0) return f;
      std::fprintf(stderr, "%s: features of %zu images, %zu time%s\n", name_.c_str(), set.size(), copies,
                   copies == 1 ? "" : "s");
      lotar::extract_features(b_, network.encoder(), drifting, upload_images(set), view, f.view(), options);
      return f;
    };
    lotar::FeatureOptions training;
    if (seen.batch_statistics) training = {.batch = batch, .batch_statistics = true};
    const lotar::Dataset images = lotar::subset(data_.training, seen.images.training);
    training_ = seen.crop_flip ? features(images, lotar::crop_flip_augmentation(side()), seen.copies, training)
                               : features(images, plain_view(), seen.copies, training);
    validation_ = features(lotar::subset(data_.training, seen.images.validation), plain_view(), 1, {});
    if (!same_test) test_ = features(data_.test, plain_view(), 1, {});
    seen_ = seen;
  }

  lotar::Tensor<std::uint8_t, 4, B> upload_images(const lotar::Dataset& d) {
    const auto& s = d.images.shape();
    return {b_, {{s[0], s[1], s[2], s[3]}}, std::span<const std::uint8_t>(d.images.data(), d.images.size())};
  }

  Classes upload_labels(const std::vector<std::uint32_t>& indices) {
    std::vector<std::int32_t> labels;
    for (const std::uint32_t i : indices) labels.push_back(data_.training.labels[i]);
    return {b_, {{labels.size()}}, labels};
  }

  B& b_;
  const EvalOptions& eval_;
  const Options& options_;
  lotar::Network network_;
  std::optional<lotar::Network> unpadded_;
  State& state_;
  const EvalData& data_;
  std::string name_;
  std::optional<Seen> seen_;
  Features training_, validation_, test_;
};

/// The protocols asked for; of a network that classifies by itself only that is judged.
std::vector<Protocol> choose_protocols(const EvalOptions& eval, const Options& options) {
  std::vector<Protocol> chosen;
  for (const std::string& name : eval.protocols)
    chosen.push_back(examples::choose_protocol(name, eval.groups, has_classifier(options)));
  if (has_classifier(options)) chosen.erase(chosen.begin() + 1, chosen.end());
  if (eval.draws > 1 && !examples::is_few_shot(eval.few_shot))
    throw lotar::ConfigError("--draws: all training images are drawn in one way only; wanted --few-shot with it");
  return chosen;
}

void evaluate(const EvalOptions& eval) {
  const auto path = [&](const char* name) { return (std::filesystem::path(eval.run) / name).string(); };
  const Options options = read_options(path("config.json"));
  const std::vector<Protocol> protocols = choose_protocols(eval, options);
  const std::string data = eval.data.empty() ? options.data : eval.data;

  const lotar::Dataset whole = load_part(options, data, lotar::Part::train);
  const lotar::NetworkOptions network = network_options(options, whole.classes.size());
  const lotar::ParameterTable table = lotar::Network(network).table();
  std::vector<float> values(table.size()), statistics(table.statistics_size());
  const auto model = lotar::read_model(path("model.safetensors"), table, values, statistics);

  const lotar::Split split = lotar::load_split(path("split.txt"), whole);
  const lotar::Dataset test = load_part(options, data, lotar::Part::test);
  const EvalData sets{whole, test, split.counts};

  B b = make_backend(eval.threads);
  State state(b, table, options.seed);
  const auto judge_all = [&](const std::string& name) {
    Judge judge(b, eval, options, network, state, sets, name);
    std::vector<Judged> all;
    for (const Protocol& p : protocols) all.push_back(judge(p));
    return all;
  };
  std::vector<Judged> untrained;
  if (eval.untrained) untrained = judge_all("untrained");
  b.upload(values, state.values);
  b.upload(statistics, state.statistics);
  const std::vector<Judged> trained = judge_all(options.method);

  Json by_protocol;
  std::string text;
  for (std::size_t i = 0; i < protocols.size(); ++i) {
    const Judged* before = eval.untrained ? &untrained[i] : nullptr;
    Json& one = by_protocol[protocols[i].name];
    one = examples::results_json(trained[i], before, {whole.classes, split.counts, protocols[i].groups}, eval.few_shot);
    one["evaluation"] = examples::evaluation_json(protocols[i], eval.few_shot, eval.draws, eval.augmented_copies);
    text += examples::results_text(protocols[i].name, options.method, trained[i], before, protocols[i].groups);
  }
  Json results = by_protocol[protocols[0].name];
  results["protocol"] = protocols[0].name;
  results["method"] = options.method;
  results["dataset"] = options.dataset;
  results["seed"] = options.seed;
  results["split"] = {{"made", split.made}, {"fingerprint", split.fingerprint}, {"images", split.indices.size()}};
  results["protocols"] = by_protocol;
  if (const auto step = model.find("step"), steps = model.find("steps"); step != model.end() && steps != model.end()) {
    results["step"] = lotar::parse_json(step->second, path("model.safetensors"));
    results["steps"] = lotar::parse_json(steps->second, path("model.safetensors"));
    if (step->second != steps->second)
      text = "The training was at update " + step->second + " of " + steps->second + ".\n" + text;
  }
  std::fputs(text.c_str(), stdout);  // first: it is not lost where nothing can be written
  std::fflush(stdout);
  lotar::write_file_atomically(path("results.txt"), text);
  std::vector<std::string> pictures = examples::write_training_pictures(eval.run);
  pictures.push_back(path("accuracy.svg"));
  lotar::write_file_atomically(pictures.back(),
                               examples::scatter_chart(examples::accuracy_chart(results, path("results.json"))));
  lotar::write_json(path("results.json"), results);  // the last: a run that has it lacks nothing of the evaluation
  std::printf("results and pictures: %s\n", eval.run.c_str());
  for (const std::string& picture : pictures) std::printf("  %s\n", picture.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  EvalOptions options;
  CLI::App app("Judge the frozen features of a run's encoder by a linear probe and by kNN.", "linear_eval");
  app.option_defaults()->always_capture_default();
  app.add_option("--run", options.run, "Folder of the run, as pretrain left it");
  app.add_option("--data", options.data, "Folder of the data set's files, or its parent; empty: the run's own");
  app.add_option("--protocol", options.protocols,
                 "How to probe: thesis, thesis_code, standardized, sdclr or bcl; may be given several times")
      ->allow_extra_args(false);
  app.add_option("--groups", options.groups,
                 "Which classes are Many, Medium and Few: thesis, sdclr or shots; empty: the protocol's");
  app.add_option("--few-shot", options.few_shot,
                 "Train the probe on so many images of each class, such as 50, or on 1% of each; none: on all");
  app.add_option("--draws", options.draws, "Average over so many few-shot training sets; 0: as the protocol says")
      ->check(not_negative());
  app.add_option("--augmented-copies", options.augmented_copies,
                 "sdclr and thesis_code: make the training features so often, for epochs to take in turn; 0: as the "
                 "protocol says, which is once an epoch for sdclr")
      ->check(not_negative());
  app.add_flag("--untrained", options.untrained, "Judge the network before its training too");
  app.add_option("--threads", options.threads, "0: one a core; no result depends on it");
  return run_program(app, argc, argv, [&] { evaluate(options); });
}
