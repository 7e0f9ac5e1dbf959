#include <string>

#include <benchmark/benchmark.h>

#include <lotar/core/config.hpp>

#include "../tests/device.hpp"

/// The main of every benchmark: Google Benchmark's, with what was measured added to its output.
int main(int argc, char** argv) {
  if (device_is_missing()) return 77;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  using lotar::version_major, lotar::version_minor, lotar::version_patch;
  benchmark::AddCustomContext("lotar", std::to_string(version_major) + "." + std::to_string(version_minor) + "." +
                                           std::to_string(version_patch));
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("build", LOTAR_BUILD);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
