// Writes the features that lotar's ResNet-18 of a model file gives for the inputs of load_checkpoint.py, which compares them with
// PyTorch's. Run by hand:
//
//   build/dev/tests/model_features runs/NAME/model.safetensors mlp features.npy    (mlp: the run's --projector)
//   tests/reference/load_checkpoint.py runs/NAME/model.safetensors --features features.npy

#include <cstdio>
#include <exception>
#include <vector>

#include <lotar/backend/cpu.hpp>
#include <lotar/io/npy.hpp>
#include <lotar/nn/network.hpp>
#include <lotar/nn/state.hpp>
#include <lotar/train/checkpoint.hpp>

int main(int argc, char** argv) try {
  if (argc != 4) return std::fputs("model_features: wanted MODEL PROJECTOR FILE.npy\n", stderr), 2;
  constexpr std::size_t count = 8, size = 32;
  const lotar::Network network({.arch = "resnet18", .width = 64, .projector = argv[2]});
  std::vector<float> values(network.table().size()), statistics(network.table().statistics_size());
  lotar::read_model(argv[1], network.table(), values, statistics);
  lotar::Cpu b;
  lotar::NetworkState<float, lotar::Cpu> state(b, network.table(), 1);
  b.upload(values, state.values.flat());
  b.upload(statistics, state.statistics.flat());

  std::vector<float> x;
  for (std::size_t n = 0; n < count; ++n)
    for (std::size_t h = 0; h < size; ++h)
      for (std::size_t w = 0; w < size; ++w)
        for (std::size_t c = 0; c < 3; ++c)
          x.push_back(static_cast<float>((31 * n + 7 * h + 3 * w + 11 * c + h * w) % 17) / 16);
  auto pass = state.pass(b, false);
  lotar::Tensor<float, 4, lotar::Cpu> images(b, {{count, size, size, 3}}, x);
  const auto features = network.encoder().forward(b, std::move(images), pass).to_host(b);
  lotar::write_npy<float>(argv[3], {count, network.features()}, features);
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "model_features: %s\n", error.what());
  return 2;
}
