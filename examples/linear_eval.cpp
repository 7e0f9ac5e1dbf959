// Judges the encoder of a run by what a linear layer and its nearest neighbours make of its frozen features.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <lotar/eval/features.hpp>
#include <lotar/eval/knn.hpp>
#include <lotar/eval/linear_probe.hpp>
#include <lotar/eval/metrics.hpp>
#include <lotar/eval/protocols.hpp>
#include <lotar/io/atomic_file.hpp>
#include <lotar/train/checkpoint.hpp>

#include "backend.hpp"
#include "pretrain_options.hpp"
#include "program.hpp"
#include "report/run_report.hpp"
#include "training_data.hpp"

namespace {

using B = ExampleBackend;
using lotar::Json;

struct EvalOptions {
  std::string run = "runs/lotar", data, protocol = "thesis", groups;
  std::size_t per_class = 0;
  bool untrained = false;
  int threads = 0;
};

/// The images of a data set on the backend, and their labels.
struct Labelled {
  lotar::Tensor<std::uint8_t, 4, B> images;
  lotar::Tensor<std::int32_t, 1, B> labels;
  std::vector<std::int32_t> host_labels;

  Labelled(B& b, const lotar::Dataset& d)
      : images(b, {{d.size(), d.images.shape()[1], d.images.shape()[2], d.images.shape()[3]}},
               std::span<const std::uint8_t>(d.images.data(), d.images.size())),
        labels(b, {{d.size()}}, d.labels),
        host_labels(d.labels) {}
};

/// The first `per_class` images of each class; all of them for 0.
lotar::Dataset first_of_each_class(lotar::Dataset dataset, std::size_t per_class) {
  if (per_class == 0) return dataset;
  std::vector<std::size_t> seen(dataset.classes.size());
  std::vector<std::uint32_t> indices;
  for (std::uint32_t i = 0; i < dataset.size(); ++i)
    if (seen[static_cast<std::size_t>(dataset.labels[i])]++ < per_class) indices.push_back(i);
  return lotar::subset(dataset, indices);
}

struct Judged {
  lotar::Accuracy probe, knn;
};

/// Probe and kNN on the features of one set of parameters, which stay as they are: checked bit by bit.
Judged judge(B& b, const lotar::Network& network, lotar::NetworkState<float, B>& state, const Labelled& train,
             const Labelled& test, std::size_t classes, std::span<const lotar::Group> groups,
             const lotar::LinearProbeOptions& probe_options, const std::string& name) {
  const auto frozen = [&] { return std::pair(state.values.to_host(b), state.statistics.to_host(b)); };
  const auto before = frozen();
  const auto features = [&](const Labelled& set) {
    std::fprintf(stderr, "%s: features of %zu images\n", name.c_str(), set.host_labels.size());
    lotar::Tensor<float, 2, B> f(b, {{set.host_labels.size(), network.features()}});
    const auto view = lotar::plain_view(set.images.extent(1));
    lotar::extract_features(b, network.encoder(), state, set.images, view, f.view());
    return f;
  };
  const auto known = features(train), unknown = features(test);
  const lotar::Tensor<std::int32_t, 1, B> predicted(b, {{test.host_labels.size()}});
  const auto score = [&] { return lotar::accuracy(predicted.to_host(b), test.host_labels, groups); };

  const auto progress = [&](const lotar::LinearProbeProgress& p) {
    if (p.epoch % 30 == 0)
      std::fprintf(stderr, "%s: probe epoch %zu/%zu loss %.4f\n", name.c_str(), p.epoch, p.epochs, p.loss);
  };
  Judged judged;
  lotar::train_linear_probe<float>(b, known, train.labels, classes, probe_options, progress)
      .predict(b, unknown, predicted);
  judged.probe = score();
  lotar::knn_classify<float>(b, known, train.labels, unknown, {}, predicted.view());
  judged.knn = score();
  if (frozen() != before) throw lotar::Error("linear_eval: the evaluation changed the encoder");
  return judged;
}

Json group_json(const lotar::Accuracy& a) { return {{"many", a.many}, {"medium", a.medium}, {"few", a.few}}; }

std::string row(const std::string& name, const Judged& j) {
  char text[160];
  std::snprintf(text, sizeof(text), "%-10s %7.2f %7.2f %7.2f %7.2f   %7.2f\n", name.c_str(), 100 * j.probe.many,
                100 * j.probe.medium, 100 * j.probe.few, 100 * j.probe.all, 100 * j.knn.all);
  return text;
}

void evaluate(const EvalOptions& eval) {
  const auto path = [&](const char* name) { return (std::filesystem::path(eval.run) / name).string(); };
  const Options options = read_options(path("config.json"));
  const lotar::Protocol& protocol = lotar::find_protocol(eval.protocol);
  const std::string data = eval.data.empty() ? options.data : eval.data;

  const lotar::Network network(network_options(options));
  std::vector<float> values(network.table().size()), statistics(network.table().statistics_size());
  lotar::read_model(path("model.safetensors"), network.table(), values, statistics);

  const lotar::Dataset whole = load_part(options, data, lotar::Part::train);
  const std::vector<std::size_t> counts = lotar::load_split(path("split.txt"), whole).counts;
  const auto convention = eval.groups.empty() ? protocol.groups : lotar::parse_group_convention(eval.groups);
  const std::vector<lotar::Group> groups = lotar::group_classes(counts, convention);

  B b = make_backend(eval.threads);
  const Labelled train(b, first_of_each_class(whole, eval.per_class));
  const lotar::Dataset test_set = load_part(options, data, lotar::Part::test);
  const Labelled test(b, test_set);
  lotar::NetworkState<float, B> state(b, network.table(), options.seed);
  const auto judge_state = [&](const std::string& name) {
    return judge(b, network, state, train, test, counts.size(), groups, protocol.probe, name);
  };

  std::string table = "accuracy in %: linear probe (protocol " + std::string(protocol.name) + ", " +
                      std::to_string(train.host_labels.size()) + " training images), and kNN\n" +
                      "              Many  Medium     Few     All   kNN All\n";
  Json results;
  if (eval.untrained) {
    const Judged untrained = judge_state("untrained");
    table += row("untrained", untrained);
    results["untrained"] = {
        {"all", untrained.probe.all}, {"groups", group_json(untrained.probe)}, {"knn", untrained.knn.all}};
  }
  b.upload(values, state.values);
  b.upload(statistics, state.statistics);
  const Judged trained = judge_state(options.method);
  table += row(options.method, trained);

  results["protocol"] = protocol.name;
  results["method"] = options.method;
  results["training_images"] = train.host_labels.size();
  results["all"] = trained.probe.all;
  results["groups"] = group_json(trained.probe);
  results["group_deviation"] = trained.probe.group_deviation;
  results["knn"] = {{"all", trained.knn.all}, {"groups", group_json(trained.knn)}};
  results["classes"] = Json::array();
  static constexpr const char* group_names[] = {"many", "medium", "few"};
  for (std::size_t c = 0; c < counts.size(); ++c)
    results["classes"].push_back({{"name", whole.classes[c]},
                                  {"training_images", counts[c]},
                                  {"group", group_names[static_cast<int>(groups[c])]},
                                  {"accuracy", trained.probe.classes[c]},
                                  {"knn", trained.knn.classes[c]}});
  lotar::write_json(path("results.json"), results);
  lotar::write_file_atomically(path("results.txt"), table);
  std::fputs(table.c_str(), stdout);
  std::printf("results and pictures: %s\n", eval.run.c_str());
  for (const std::string& picture : examples::write_report(eval.run)) std::printf("  %s\n", picture.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  EvalOptions options;
  CLI::App app("Judge the frozen features of a run's encoder by a linear probe and by kNN.", "linear_eval");
  app.option_defaults()->always_capture_default();
  app.add_option("--run", options.run, "Folder of the run, as pretrain left it");
  app.add_option("--data", options.data, "Folder of the data set's files, or its parent; empty: the run's own");
  app.add_option("--protocol", options.protocol, "How to probe: thesis or standardized");
  app.add_option("--groups", options.groups,
                 "Which classes are Many, Medium and Few: thesis or sdclr; empty: the protocol's");
  app.add_option("--per-class", options.per_class, "Train the probe on the first so many images of each class; 0: all")
      ->check(not_negative());
  app.add_flag("--untrained", options.untrained, "Judge the network before its training too");
  app.add_option("--threads", options.threads, "0: one a core; no result depends on it");
  return run_program(app, argc, argv, [&] { evaluate(options); });
}
