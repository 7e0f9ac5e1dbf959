#include "../../examples/report/chart.hpp"

#include <limits>

#include "../test.hpp"
#include "xml.hpp"

using namespace examples;

namespace {

constexpr double gap = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

/// The texts of the ticks of an axis over these values.
std::vector<std::string> ticks(const Axis& axis, const std::vector<double>& values, int most = 7) {
  std::vector<std::string> texts;
  const Scale scale(axis, values, 0, 100, most);
  for (const Tick& tick : scale.ticks()) texts.push_back(tick.text);
  return texts;
}

using Texts = std::vector<std::string>;

std::string lines(const std::vector<Series>& series) {
  return line_chart({"title", {.label = "x"}, {.label = "y"}, series});
}

/// The heights of the names beside the lines, from the top.
std::vector<double> label_heights(const std::string& svg) {
  std::vector<double> heights;
  const std::string before = "<text x=\"658.0\" y=\"";
  for (std::size_t at = svg.find(before); at != std::string::npos; at = svg.find(before, at + 1))
    heights.push_back(std::stod(svg.substr(at + before.size())));
  return heights;
}

}  // namespace

TEST_CASE("the checker of the other tests sees faults") {
  const std::string head = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  CHECK(xml_fault(head + "<a><b c=\"&lt;\" d=\"\">x</b></a>\n") == "");
  for (const char* bad : {"<a>", "<a></b>", "<a></a><a></a>", "<a b=\"1\" b=\"2\"></a>", "<a>&x</a>", "<a b=\"<\"></a>",
                          "<a b=1></a>", "<a></a>x", "", "<a>\x01</a>"})
    CHECK(xml_fault(head + bad) != "");
}

TEST_CASE("text is escaped, and what XML cannot hold is replaced") {
  CHECK(xml_escape("a<b>&\"c'") == "a&lt;b&gt;&amp;&quot;c&apos;");
  CHECK(xml_escape("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80") == "\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80");
  for (const char* bad : {"\x01", "\xFF", "\xC0", "\x80", "\xEF\xBF\xBF"}) CHECK(xml_escape(bad) == "\xEF\xBF\xBD");
  CHECK(xml_escape("\xC0\x80") == "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong
  CHECK(xml_escape("\xE2\x82"
                   "a") ==
        "\xEF\xBF\xBD\xEF\xBF\xBD"
        "a");
  CHECK(xml_escape("\xED\xA0\x80") == "\xEF\xBF\xBD");  // a surrogate
}

TEST_CASE("numbers have their decimals and no minus zero") {
  CHECK(fixed(1.25, 1) == "1.2");
  CHECK(fixed(-0.04, 1) == "0.0");
  CHECK(fixed(-0.06, 1) == "-0.1");
  CHECK(fixed(1e6, 0) == "1000000");
}

TEST_CASE("linear ticks are multiples of 1, 2 or 5 and cover the values") {
  CHECK(ticks({}, {0, 1}) == Texts{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0"});
  CHECK(ticks({}, {0.3, 0.7}) == Texts{"0.3", "0.4", "0.5", "0.6", "0.7"});
  CHECK(ticks({}, {-3, 17}) == Texts{"-5", "0", "5", "10", "15", "20"});
  CHECK(ticks({}, {5.011, 5.018}) == Texts{"5.010", "5.012", "5.014", "5.016", "5.018"});
  CHECK(ticks({}, {0, 3e9}) == Texts{"0", "5.00e+08", "1.00e+09", "1.50e+09", "2.00e+09", "2.50e+09", "3.00e+09"});
  CHECK(ticks({.integer = true}, {1, 3}) == Texts{"1", "2", "3"});
  CHECK(ticks({.integer = true}, {1, 200}, 11) ==
        Texts{"0", "20", "40", "60", "80", "100", "120", "140", "160", "180", "200"});
  CHECK(ticks({.low = 0, .high = 100}, {40, 50}) == Texts{"0", "20", "40", "60", "80", "100"});
  for (const double lo : {-1e9, -3.7, 0.0, 1e-9, 0.123, 5e15})
    for (const double span : {0.0, 1e-12, 1e-3, 1.0, 77.7, 1e12}) {
      const Scale scale({}, std::vector<double>{lo, lo + span}, 0, 100, 7);
      CHECK(scale.ticks().size() >= 2);
      CHECK(scale.ticks().size() <= 8);
      CHECK(scale.pixel(lo) >= -1e-6);
      CHECK(scale.pixel(lo + span) <= 100 + 1e-6);
    }
}

TEST_CASE("one value, or none, still makes a range") {
  CHECK(ticks({}, {5, 5}) == Texts{"4.7", "4.8", "4.9", "5.0", "5.1", "5.2", "5.3"});
  CHECK(ticks({}, {}) == ticks({}, {0, 1}));
  CHECK(ticks({}, {gap, inf, -inf, 1e300}) == ticks({}, {0, 1}));
  CHECK(ticks({.integer = true}, {1}) == Texts{"0", "1", "2"});
  CHECK(ticks({.log = true}, {}) == Texts{"1", "2", "5", "10"});
}

TEST_CASE("zeros, and values beyond a limit that is set, still make a range") {
  CHECK(ticks({}, {0, 0}) == ticks({}, {0, 1}));
  CHECK(ticks({.low = 0}, {0}) == ticks({}, {0, 1}));
  CHECK(ticks({.low = 0}, {-5}) == ticks({}, {0, 1}));
  CHECK(ticks({.low = 5}, {-5, 3}) == ticks({}, {5}));
  CHECK(ticks({.high = -5}, {3}) == ticks({}, {-5}));
  CHECK(ticks({.log = true, .low = 70}, {1, 2}) == ticks({.log = true}, {70}));
  CHECK(xml_fault(line_chart({"t", {}, {.low = 0}, {{"a", {0, 1}, {-5, -1}}}})) == "");
}

TEST_CASE("logarithmic ticks") {
  CHECK(ticks({.log = true}, {50, 5000}) == Texts{"50", "100", "200", "500", "1000", "2000", "5000"});
  CHECK(ticks({.log = true}, {1, 1e6, 0, -5}) == Texts{"1", "10", "100", "1000", "10000", "100000", "1000000"});
  CHECK(ticks({.log = true}, {0.001, 0.01}) == Texts{"0.001", "0.002", "0.005", "0.01"});
  CHECK(ticks({.log = true}, {70}).size() == 2);
  const Scale scale({.log = true}, std::vector<double>{1, 100}, 0, 100, 7);
  CHECK(scale.pixel(10) == doctest::Approx(50));
  CHECK_FALSE(scale.drawable(0));
}

TEST_CASE("charts are well-formed, whatever their texts") {
  const std::string bad = "<&\"'>\x01\xFF]]>";
  const std::string line = line_chart({bad, {.label = bad}, {.label = bad}, {{bad, {1, 2}, {1, 2}}, {bad, {1}, {2}}}});
  CHECK(xml_fault(line) == "");
  CHECK(count(line, "&lt;&amp;&quot;&apos;&gt;\xEF\xBF\xBD\xEF\xBF\xBD]]&gt;") == 6);
  const std::string scatter =
      scatter_chart({bad, {.label = bad}, {.label = bad}, {{bad, {{1, 1, bad}}}, {bad, {{2, 3, bad}}}}});
  CHECK(xml_fault(scatter) == "");
}

TEST_CASE("a line is where its values are") {
  const std::string svg = lines({{"a", {0, 10}, {0, 1}}});
  CHECK(count(svg, "d=\"M66.0 384.0L610.0 76.0\"") == 1);
}

TEST_CASE("a dashed line is dashed, and so is its mark") {
  const std::string svg = lines({{"a", {0, 1}, {0, 1}}, {"b", {0, 1}, {1, 2}, true}});
  CHECK(count(svg, "stroke=\"#009e73\" stroke-width=\"2\" stroke-dasharray=\"7 3\"") == 1);
  CHECK(count(svg, "stroke-dasharray=\"7 3\"") == 2);
  CHECK(count(svg, "stroke-dasharray=\"none\"") == 2);
}

TEST_CASE("a value that is not finite is a gap, and a lone point a dot") {
  const std::string svg = lines({{"a", {0, 1, 2, 3, 4, 5, 6}, {0, 0, gap, 1, inf, 0, 0}}});
  CHECK(xml_fault(svg) == "");
  CHECK(count(svg, "d=\"M66.0 384.0L156.7 384.0M338.0 76.0M519.3 384.0L610.0 384.0\"") == 1);
  CHECK(count(svg, "<circle") == 1);
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
}

TEST_CASE("empty charts say so") {
  for (const auto& series :
       std::vector<std::vector<Series>>{{}, {{"a", {}, {}}}, {{"a", {1, 2}, {gap, gap}}, {"b", {}, {}}}}) {
    const std::string svg = lines(series);
    CHECK(xml_fault(svg) == "");
    CHECK(count(svg, ">no values<") == 1);
    CHECK(count(svg, "<path") == 0);
  }
  CHECK(count(scatter_chart({"t", {}, {}, {{"g", {{gap, 1, "p"}}}}}), ">no values<") == 1);
  CHECK(count(lines({{"a", {1}, {5}}}), ">no values<") == 0);
  CHECK(count(lines({{"a", {1}, {5}}}), "<circle") == 1);
}

TEST_CASE("series are named beside their ends, apart from one another") {
  std::vector<Series> series;
  for (int i = 0; i < 4; ++i) series.push_back({"series " + std::to_string(i), {0, 1}, {0, 0.001 * i}});
  series.push_back({"top", {0, 1}, {0, 1}});
  const std::vector<double> heights = label_heights(lines(series));
  REQUIRE(heights.size() == 5);
  for (std::size_t i = 1; i < 5; ++i) CHECK(heights[i] >= heights[i - 1] + 18.9);
  CHECK(heights[0] == doctest::Approx(80.5));
  CHECK(heights[4] == doctest::Approx(388.5));
  CHECK(label_heights(lines({series[0]})).empty());
  std::vector<Series> many(60, series[0]);
  const std::vector<double> crowded = label_heights(lines(many));
  CHECK(crowded.size() == 60);
  CHECK(crowded.front() > 70);
  CHECK(crowded.back() < 390);
}

TEST_CASE("a series has as many x as y") {
  CHECK_THROWS_WITH_AS(lines({{"a", {1, 2}, {1}}}), "line_chart: series \"a\" has 2 x and 1 y", lotar::ShapeError);
}

TEST_CASE("points have their group's shape and colour, names where there is room, and names under the pointer") {
  ScatterChart chart{"t", {.log = true}, {}, {{"Many", {{1000, 1, "a"}}}, {"Medium", {}}, {"Few", {{10, 0, "b"}}}}};
  std::string svg = scatter_chart(chart);
  CHECK(xml_fault(svg) == "");
  CHECK(count(svg, "<circle") == 2);   // the point and its mark in the legend
  CHECK(count(svg, "<polygon") == 2);  // the group without points has none
  CHECK(count(svg, ">Medium<") == 0);
  CHECK(count(svg, "<title>a</title>") == 1);
  CHECK(count(svg, "\">a</text>") == 1);
  chart.groups[0].points.assign(26, {1000, 1, "a"});
  svg = scatter_chart(chart);
  CHECK(count(svg, "<title>a</title>") == 26);
  CHECK(count(svg, "\">a</text>") == 0);
  chart.groups[0].points.assign(10, {1000, 1, "covered"});  // ten points in one place: no place for ten names
  CHECK(count(scatter_chart(chart), "\">covered</text>") < 5);
}

TEST_CASE("a bar stands on its range, from 0 to its height") {
  const std::string svg = bar_chart({"<t>", {.label = "x"}, {.label = "y"}, 0, 2, {4, 0, 0.5, gap}});
  CHECK(xml_fault(svg) == "");
  // of the plot from 66 to 610 a quarter each, and of 384 to 76 the height over 4
  CHECK(count(svg, "<rect x=\"67.0\" y=\"76.0\" width=\"134.0\" height=\"308.0\"") == 1);
  CHECK(count(svg, "<rect x=\"339.0\" y=\"345.5\" width=\"134.0\" height=\"38.5\"") == 1);
  CHECK(count(svg, "<rect x=") == 2);
  CHECK(count(svg, "<title>0 to 0.5: 4</title>") == 1);
  CHECK(count(svg, "<title>1 to 1.5: 0.5</title>") == 1);
  CHECK(count(svg, "nan") == 0);
}

TEST_CASE("charts without bars say so") {
  for (const auto& heights : std::vector<std::vector<double>>{{}, {0, 0}, {gap, inf}, {-1}}) {
    const std::string svg = bar_chart({"t", {}, {}, 0, 1, heights});
    CHECK(xml_fault(svg) == "");
    CHECK(count(svg, ">no values<") == 1);
    CHECK(count(svg, "<rect x=") == 0);
  }
}
