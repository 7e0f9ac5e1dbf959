#include "../../examples/reproduction/results_table.hpp"

#include <cmath>

#include "../../examples/reproduction/score_text.hpp"
#include "../files.hpp"
#include "../report/xml.hpp"
#include "../test.hpp"

using namespace examples;
using doctest::Approx;

namespace {

/// A run whose probe gave `all` over All, 10 less over the groups and a deviation of a
/// tenth; and whose kNN half of that.
RunScores run(const std::string& method, std::uint64_t split, std::uint64_t seed, double all) {
  const double group = all - 10, std = all / 10;
  return {method, split, seed, {group, group, group, all, std}, {group / 2, group / 2, group / 2, all / 2, std / 2}};
}

Recipe recipe(const std::string& published = "{}") {
  return parse_recipe(
      lotar::Json::parse(
          R"({"name":"small","dataset":"cifar10","methods":[{"name":"simclr"},{"name":"lotar"}],"published":)" +
          published + "}"),
      "small.json");
}

}  // namespace

TEST_CASE("seeds are averaged within a split, then come mean and sample deviation over the splits") {
  const std::vector<RunScores> runs{run("a", 1, 1, 60), run("a", 1, 2, 70), run("a", 2, 1, 71), run("b", 2, 1, 50)};
  const auto rows = score_rows({"b", "a", "c"}, runs, &RunScores::probe);
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].method == "a");
  CHECK(rows[1].splits == 2);
  CHECK(rows[1].scores[3].mean == Approx(68));  // of 65 and 71
  CHECK(rows[1].scores[3].deviation == Approx(std::sqrt(18.0)));
  CHECK(rows[1].scores[0].mean == Approx(58));
  CHECK(rows[0].splits == 1);
  CHECK(rows[0].scores[3].mean == 50);
  CHECK(std::isnan(rows[0].scores[3].deviation));
  CHECK(rows[2].splits == 0);
  CHECK(std::isnan(rows[2].scores[3].mean));
  CHECK(score_rows({"a"}, runs, &RunScores::knn)[0].scores[3].mean == Approx(34));
}

TEST_CASE("a score that is missing in one run counts in none") {
  RunScores odd = run("a", 2, 1, 80);
  odd.probe[2] = NAN;
  const auto rows = score_rows({"a"}, {run("a", 1, 1, 60), odd}, &RunScores::probe);
  CHECK(rows[0].scores[2].mean == 50);
  CHECK(std::isnan(rows[0].scores[2].deviation));
  CHECK(rows[0].scores[3].mean == 70);
}

TEST_CASE("differences are paired by split") {
  // splits differ by 20, methods by 1 and 2: only pairing shows it
  const std::vector<RunScores> runs{run("simclr", 1, 1, 50), run("simclr", 2, 1, 70), run("lotar", 1, 1, 51),
                                    run("lotar", 2, 1, 72),  run("lotar", 3, 1, 10),  run("far", 3, 1, 10)};
  const auto rows = difference_rows({"simclr", "lotar", "far"}, runs, &RunScores::probe, "simclr");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].method == "lotar");
  CHECK(rows[0].splits == 2);
  CHECK(rows[0].scores[3].mean == Approx(1.5));
  CHECK(rows[0].scores[3].deviation == Approx(std::sqrt(0.5)));
  CHECK(rows[0].counts[3] == 2);
  CHECK(rows[1].splits == 0);
  CHECK_FALSE(significant(rows[1], 3));
}

TEST_CASE("a difference is significant where Student's interval leaves out 0") {
  const auto starred = [](double mean, double deviation, std::size_t n) {
    return significant({"a", 20, {{{mean, deviation}}}, {{n}}}, 0);
  };
  CHECK_FALSE(starred(5, NAN, 1));
  CHECK_FALSE(starred(5, NAN, 0));
  for (const auto& [n, t] : {std::pair{2, 12.706}, {3, 4.303}, {6, 2.571}, {11, 2.228}, {30, 2.228}}) {
    const double edge = t * 1.5 / std::sqrt(n), rounding = 1e-9;
    CHECK_FALSE(starred(edge - rounding, 1.5, static_cast<std::size_t>(n)));
    CHECK(starred(edge + rounding, 1.5, static_cast<std::size_t>(n)));
    CHECK(starred(-edge - rounding, 1.5, static_cast<std::size_t>(n)));
  }
  RunScores odd = run("lotar", 2, 1, 53);
  odd.probe[0] = NAN;
  const auto row = difference_rows({"simclr", "lotar"},
                                   {run("simclr", 1, 1, 50), run("simclr", 2, 1, 50), run("lotar", 1, 1, 53), odd},
                                   &RunScores::probe, "simclr")[0];
  CHECK(row.splits == 2);
  CHECK_FALSE(significant(row, 0));  // one number alone
  CHECK(significant(row, 3));        // 3 twice
}

TEST_CASE("results.json becomes percent; what has no accuracy is refused") {
  const lotar::Json results = lotar::Json::parse(
      R"({"all":0.5,"groups":{"many":0.75,"medium":null},"group_deviation":0.125,"classes":[],"knn":{"all":0.25,"groups":{"few":0.125}}})");
  const RunScores scores = run_scores(results, "r");
  CHECK(scores.probe[0] == 75);
  CHECK(std::isnan(scores.probe[1]));
  CHECK(scores.probe[3] == 50);
  CHECK(scores.probe[4] == 12.5);
  CHECK(scores.knn[2] == 12.5);
  CHECK(std::isnan(scores.knn[4]));
  CHECK(scores.knn[3] == 25);
  for (const char* bad : {"[]", "{}", R"({"all":null,"classes":[]})", R"({"all":"0.5","classes":[]})"})
    CHECK_THROWS_WITH_AS(run_scores(lotar::Json::parse(bad), "r"), "r: wanted a number \"all\"", lotar::IoError);
  CHECK_THROWS_WITH_AS(run_scores(lotar::Json::parse(R"({"all":1})"), "r"), "r: wanted a list \"classes\"",
                       lotar::IoError);
}

TEST_CASE("the table has a row a method, and under it what is published") {
  const Recipe small = recipe(
      R"({"cifar10":{"source":"somebody","methods":{"simclr":{"many":[78.22,3.47],"all":[74.219]}}},"cifar100":{"source":"x","methods":{}}})");
  const std::vector<RunScores> runs{run("simclr", 1, 1, 50), run("simclr", 2, 1, 70), run("lotar", 1, 1, 51)};
  const Scoreboard board = scoreboard(small, runs);
  CHECK(
      plain_text(probe_grid(board)) ==
      "Accuracy of a linear probe (supervised: of its own classifier) in %, mean ± sample deviation over the splits\n\n"
      "method        splits            Many          Medium             Few             All            Std\n"
      "simclr             2   50.00 ± 14.14   50.00 ± 14.14   50.00 ± 14.14   60.00 ± 14.14   6.00 ±  1.41\n"
      "  published            78.22 ±  3.47               -               -   74.22 ±     -              -\n"
      "lotar              1   41.00 ±     -   41.00 ±     -   41.00 ±     -   51.00 ±     -   5.10 ±     -\n");
  CHECK(
      csv(board) ==
      "evaluation,method,splits,many,many_deviation,medium,medium_deviation,few,few_deviation,all,all_deviation,std,"
      "std_deviation,published_many,published_many_deviation,published_medium,published_medium_deviation,published_few,"
      "published_few_deviation,published_all,published_all_deviation,published_std,published_std_deviation\n"
      "probe,simclr,2,50.0000,14.1421,50.0000,14.1421,50.0000,14.1421,60.0000,14.1421,6.0000,1.4142,78.2200,3.4700,,,,,"
      "74.2190,,,\n"
      "probe,lotar,1,41.0000,,41.0000,,41.0000,,51.0000,,5.1000,,,,,,,,,,,\n"
      "knn,simclr,2,25.0000,7.0711,25.0000,7.0711,25.0000,7.0711,30.0000,7.0711,3.0000,0.7071,,,,,,,,,,\n"
      "knn,lotar,1,20.5000,,20.5000,,20.5000,,25.5000,,2.5500,,,,,,,,,,,\n");
  const lotar::Json json = to_json(board);
  CHECK(json["methods"][0]["name"] == "simclr");
  CHECK(json["methods"][0]["splits"] == 2);
  CHECK(json["methods"][0]["published"] ==
        lotar::Json{{"many", {{"mean", 78.22}, {"deviation", 3.47}}}, {"all", {{"mean", 74.219}}}});
  CHECK(json["methods"][0]["probe"]["all"]["mean"] == 60);
  CHECK(json["methods"][0]["probe"]["std"]["mean"] == 6);
  CHECK(json["methods"][1]["probe"]["many"] == lotar::Json{{"mean", 41}});
  CHECK_FALSE(json["methods"][0].contains("difference"));  // to itself
  CHECK(json["methods"][1]["difference"]["all"] == lotar::Json{{"mean", 1}});
  const std::string all = plain_text(board, "Heading");
  CHECK(all.starts_with("Heading\n\n"));
  CHECK(all.ends_with("not known.\nPublished: somebody\n"));
  CHECK(all.find("nan") == std::string::npos);
}

TEST_CASE("the differences that are significant are named") {
  std::vector<RunScores> runs{run("simclr", 1, 1, 50), run("lotar", 1, 1, 51)};
  const auto sentence = [&] { return difference_sentence(scoreboard(recipe(), runs)); };
  CHECK(sentence() == "No two splits that can be compared: whether a difference is more than chance is not known.");
  runs.push_back(run("simclr", 2, 1, 50)), runs.push_back(run("lotar", 2, 1, 47));
  const std::string none =
      "No difference to simclr is significant: the 95 % confidence interval of each (Student's t over the splits) has "
      "0 "
      "in it.";
  CHECK(sentence() == none);
  runs.back() = run("lotar", 2, 1, 52);
  CHECK(sentence() == none);  // +1.50 ± 0.71, and two splits
  runs.back() = run("lotar", 2, 1, 51.1);
  runs.back().probe[0] = 39;
  CHECK(
      sentence() ==
      "Starred differences are significant: their 95 % confidence intervals (Student's t over the splits) do not have "
      "0 in them. Of differences that are chance alone, one in twenty is starred too. "
      "lotar Medium +1.05 ± 0.07; lotar Few +1.05 ± 0.07; lotar All +1.05 ± 0.07; lotar Std +0.10 ± 0.01.");
  CHECK(plain_text(difference_grid(scoreboard(recipe(), runs))) ==
        "Linear probe: difference to simclr, paired by split\n\n"
        "method   splits              Many            Medium               Few               All               Std\n"
        "lotar         2   +0.00 ±  1.41     +1.05 ±  0.07 *   +1.05 ±  0.07 *   +1.05 ±  0.07 *   +0.10 ±  0.01 *\n");
  Recipe alone = recipe();
  choose_methods(alone, {"lotar"});
  CHECK(grids(scoreboard(alone, runs)).size() == 2);
}

TEST_CASE("a grid is aligned by characters, and escaped") {
  const Grid grid{"T & t", {"a", "b"}, {{"±", "1 | 2"}, {"<i>", "10"}}, {false, true}};
  CHECK(plain_text(grid) == "T & t\n\na         b\n±     1 | 2\n<i>      10\n");
  CHECK(markdown(grid) == "**T & t**\n\n| a | b |\n|---|---:|\n| ± | 1 \\| 2 |\n| <i> | 10 |\n");
  const std::string page = html(grid);
  CHECK(count(page, "<tr class=\"pale\"><td>&lt;i&gt;</td><td>10</td></tr>") == 1);
  CHECK(count(page, "<caption>T &amp; t</caption>") == 1);
}
