#include <cstdio>
#include <cstdlib>

// Linked into tests that are compiled for x86-64-v3, but compiled for any x86-64.
namespace {

/// Ends such a test with 77, which CTest shows as Skipped, on a processor that it is not for: before the other
/// constructors, which are code for that processor too.
[[gnu::constructor(101)]] void skip_without_v3() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
      __builtin_cpu_supports("bmi2"))
    return;
  std::puts("skipped: wanted a processor with AVX2, FMA, BMI and BMI2");
  std::exit(77);
}

}  // namespace
