#include "../../examples/report/method_chart.hpp"

#include <cmath>

#include "../test.hpp"
#include "xml.hpp"

using namespace examples;

TEST_CASE("a mark a method and category, with a line for its deviation") {
  const std::string picture =
      method_chart({.title = "Accuracy",
                    .categories = {"Many", "Few"},
                    .y = {.label = "accuracy (%)"},
                    .methods = {{"simclr", {70, 50}, {2, NAN}}, {"<lotar>", {75, NAN}, {0.5, NAN}}}});
  CHECK(xml_fault(picture) == "");
  CHECK(count(picture, "<title>simclr, Many: 70.00 ± 2.00</title>") == 1);
  CHECK(count(picture, "<title>simclr, Few: 50.00</title>") == 1);
  CHECK(count(picture, "&lt;lotar&gt;, ") == 1);
  CHECK(count(picture, "stroke-width=\"2\"") == 2);
  CHECK(count(picture, ">Many</text>") == 1);
  CHECK(count(picture, ">&lt;lotar&gt;</text>") == 1);
}

TEST_CASE("without values it says so") {
  const std::string picture =
      method_chart({.title = "t", .categories = {"Many"}, .y = {}, .methods = {{"simclr", {NAN}, {NAN}}}});
  CHECK(xml_fault(picture) == "");
  CHECK(count(picture, ">no values</text>") == 1);
  CHECK(count(picture, "simclr") == 0);
  CHECK(xml_fault(method_chart({.title = "t", .categories = {"Many"}, .y = {}, .methods = {}})) == "");
}

TEST_CASE("a method without a mean for each category is refused") {
  CHECK_THROWS_WITH_AS(
      method_chart({.title = "t", .categories = {"Many", "Few"}, .y = {}, .methods = {{"a", {1, 2}, {1}}}}),
      "method_chart: \"a\" has 2 means and 1 deviations for 2 categories", lotar::ShapeError);
}
