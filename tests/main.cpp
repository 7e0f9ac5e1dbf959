#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "device.hpp"

namespace {

int empty_cases = 0;

/// Counts the test cases that checked nothing: such a test cannot fail.
struct EmptyCases : doctest::IReporter {
  explicit EmptyCases(const doctest::ContextOptions&) {}

  void test_case_start(const doctest::TestCaseData& data) override { name_ = data.m_name; }
  void test_case_end(const doctest::CurrentTestCaseStats& stats) override {
    if (stats.numAssertsCurrentTest > 0 || stats.failure_flags != 0) return;
    std::printf("error: the test case \"%s\" checks nothing\n", name_);
    ++empty_cases;
  }

  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}

 private:
  const char* name_ = "";
};

REGISTER_LISTENER("empty_cases", 1, EmptyCases);

}  // namespace

/// The main of every test.
int main(int argc, char** argv) {
  if (device_is_missing()) return 77;
  const int failed = doctest::Context(argc, argv).run();
  return failed != 0 || empty_cases != 0;
}
