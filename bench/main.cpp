#include <string>

#include <benchmark/benchmark.h>

#include <lotar/core/config.hpp>

#include "../tests/device.hpp"

/// The main of every benchmark: Google Benchmark's, with what was measured added to its output.
int main(int argc, char** argv) {
  if (device_is_missing()) return 77;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("lotar", lotar::version);
  benchmark::AddCustomContext("compiler", __VERSION__);
  benchmark::AddCustomContext("build", LOTAR_BUILD);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
