// SPDX-License-Identifier: Apache-2.0
//
// The judges see. Each test takes a history in which nothing is wrong, which its judge has to pass; plants one
// violation in it, as small as it can be, and expects the judge to name it. And what looks like one and is none must
// not be called one: answers that overlap in time, and clocks that were set wrong on purpose.
#include "tests/chaos/judge.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <string>

#include "tests/chaos/outcome.hpp"

namespace gnomon::chaos {
namespace {

constexpr time::Tai kStart{1'800'000'000'000'000'000};

time::Tai at(std::int64_t ms) { return kStart + time::milliseconds(ms); }
std::uint64_t bits(time::Tai t) { return std::bit_cast<std::uint64_t>(t.ns); }

Answer ids(std::int64_t asked, std::int64_t answered, std::uint64_t first, std::uint64_t last,
           std::uint64_t domain = id_domain(1, 7, 99)) {
  return {.asked = at(asked), .answered = at(answered), .first = first, .last = last, .domain = domain};
}
Answer hlc(std::int64_t asked, std::int64_t answered, std::uint64_t given, std::uint64_t result,
           std::uint64_t chain = 0) {
  return {.asked = at(asked),
          .answered = at(answered),
          .first = given,
          .last = result,
          .domain = chain,
          .kind = Kind::kHlc};
}
Answer now(std::int64_t asked, std::int64_t answered, std::int64_t earliest, std::int64_t latest,
           std::uint8_t daemon = 0) {
  return {.asked = at(asked),
          .answered = at(answered),
          .first = bits(at(earliest)),
          .last = bits(at(latest)),
          .kind = Kind::kNow,
          .daemon = daemon};
}
Answer committed(std::int64_t asked, std::int64_t answered, std::int64_t t, std::uint8_t daemon = 0) {
  Answer answer = now(asked, answered, t, t, daemon);
  answer.kind = Kind::kCommit;
  return answer;
}
Answer granted(std::int64_t asked, std::int64_t answered, std::uint64_t token, std::uint64_t name = 0) {
  return {.asked = at(asked),
          .answered = at(answered),
          .first = token,
          .last = token,
          .domain = name,
          .kind = Kind::kLease};
}

Histories two(std::vector<Answer> one, std::vector<Answer> other) {
  Histories histories(2);
  histories[0].client = "one";
  histories[0].answers = std::move(one);
  histories[1].client = "other";
  histories[1].answers = std::move(other);
  return histories;
}

void expect_kept(const Verdict& verdict, std::uint64_t judged) {
  EXPECT_TRUE(verdict.kept()) << (verdict.violations.empty() ? "" : verdict.violations.front());
  EXPECT_EQ(verdict.judged, judged);
}
void expect_broken(const Verdict& verdict, std::uint64_t times, const std::string& words) {
  EXPECT_EQ(verdict.broken, times);
  ASSERT_FALSE(verdict.violations.empty());
  EXPECT_NE(verdict.violations.front().find(words), std::string::npos) << verdict.violations.front();
}

// --- U

TEST(ChaosJudge, AnIdThatTwoClientsReceivedIsFound) {
  Histories histories = two({ids(0, 1, 100, 109), ids(2, 3, 120, 129)}, {ids(0, 1, 110, 119)});
  expect_kept(judge_unique(histories), 30);
  histories[1].answers.push_back(ids(4, 5, 129, 135, id_domain(1, 8, 100)));
  expect_broken(judge_unique(histories), 1, "layout 1");
}

TEST(ChaosJudge, AnIdThatOneClientReceivedTwiceIsFoundWithoutKnowingItsRight) {
  Histories histories = two({ids(0, 1, 100, 100, id_domain(3))}, {});
  histories[0].answers.push_back(ids(900, 901, 100, 100, id_domain(3)));
  histories[0].answers.back().kind = Kind::kBatch;
  expect_broken(judge_unique(histories), 1, "layout 3");
}

TEST(ChaosJudge, ANumberOfTwoLayoutsIsTwoIds) {
  expect_kept(judge_unique(two({ids(0, 1, 100, 109, id_domain(1))}, {ids(0, 1, 100, 109, id_domain(2))})), 20);
}

// --- M

TEST(ChaosJudge, AnIdBelowOneThatWasThereBeforeItWasAskedForIsFound) {
  expect_kept(judge_id_order(two({ids(0, 10, 100, 109)}, {ids(11, 12, 110, 119)})), 2);
  expect_broken(judge_id_order(two({ids(0, 10, 110, 119)}, {ids(11, 12, 100, 109)})), 1, "machine 7");
}

TEST(ChaosJudge, IdsThatWereAskedForMeanwhileAndThoseOfAnotherRightMayBeSmaller) {
  expect_kept(judge_id_order(two({ids(0, 10, 110, 119)}, {ids(10, 12, 100, 109)})), 2);
  expect_kept(judge_id_order(two({ids(0, 10, 110, 119)}, {ids(11, 12, 100, 109, id_domain(1, 7, 98))})), 2);
  expect_kept(judge_id_order(two({ids(0, 10, 110, 119)}, {ids(11, 12, 100, 109, id_domain(1))})), 1);
}

// The largest of all that were there counts, not the last one.
TEST(ChaosJudge, OrderIsHeldAgainstAllThatCameBefore) {
  expect_broken(
      judge_id_order(two({ids(0, 1, 500, 500), ids(2, 3, 600, 600)}, {ids(2, 3, 100, 100), ids(9, 10, 550, 550)})), 2,
      "100 was asked for");
}

// --- HLC

TEST(ChaosJudge, AHybridTimestampThatIsNotAboveWhatWasHandedOverIsFound) {
  expect_kept(judge_hybrid_time(two({hlc(0, 1, 0, 50)}, {hlc(2, 3, 50, 51)})), 2);
  expect_broken(judge_hybrid_time(two({hlc(0, 1, 60, 60)}, {})), 1, "handed over 60");
}

TEST(ChaosJudge, AHybridTimestampBelowOneThatWasThereIsFoundUnlessItIsOfAnotherChain) {
  expect_broken(judge_hybrid_time(two({hlc(0, 1, 0, 50)}, {hlc(2, 3, 0, 50)})), 1, "other");
  expect_kept(judge_hybrid_time(two({hlc(0, 1, 0, 50)}, {hlc(2, 3, 0, 40, 1)})), 2);
}

// --- C

TEST(ChaosJudge, AnIntervalThatMissesIsFoundOnBothSides) {
  expect_kept(judge_contained(two({now(10, 12, 5, 15), now(10, 12, 12, 20)}, {now(10, 12, 0, 10)}), {}), 3);
  expect_broken(judge_contained(two({now(10, 12, 13, 20)}, {}), {}), 1, "misses by 1.000 ms");
  expect_broken(judge_contained(two({}, {now(10, 12, 0, 9)}), {}), 1, "misses by 1.000 ms");
}

TEST(ChaosJudge, AnIntervalIsExcusedOnlyWhileTheClockOfItsOwnDaemonWasWrong) {
  const WrongClocks wrong{{.daemon = 2, .from = at(100), .until = at(200)}};
  const Histories histories = two({now(150, 151, 900, 910, 2)}, {now(150, 151, 145, 155, 1)});
  const Verdict verdict = judge_contained(histories, wrong);
  expect_kept(verdict, 1);
  EXPECT_NE(verdict.left_out.find("1 intervals"), std::string::npos) << verdict.left_out;
  EXPECT_NE(verdict.left_out.find("1 did miss"), std::string::npos) << verdict.left_out;
  expect_broken(judge_contained(two({now(150, 151, 900, 910, 1)}, {}), wrong), 1, "daemon 1");
  expect_broken(judge_contained(two({now(201, 202, 900, 910, 2)}, {}), wrong), 1, "daemon 2");
  expect_broken(judge_contained(two({now(98, 99, 900, 910, 2)}, {}), wrong), 1, "daemon 2");
}

// --- X

TEST(ChaosJudge, ATimestampThatIsNotAboveACommitThatWasThroughIsFound) {
  expect_kept(judge_commits(two({committed(0, 20, 10)}, {committed(21, 40, 30), now(21, 22, 9, 11)}), {}), 3);
  expect_broken(judge_commits(two({committed(0, 20, 30)}, {committed(21, 40, 30)}), {}), 1, "one was through");
  expect_broken(judge_commits(two({committed(0, 20, 30)}, {now(21, 22, 15, 25)}), {}), 1,
                "other, which asked 1.000 ms later");
}

TEST(ChaosJudge, CommitsThatOverlapAndPlainReadingsMayBeInAnyOrder) {
  expect_kept(judge_commits(two({committed(0, 20, 30)}, {committed(20, 40, 25)}), {}), 2);
  expect_kept(judge_commits(two({now(0, 1, 0, 30)}, {now(2, 3, 0, 20)}), {}), 2);  // nobody waited
}

TEST(ChaosJudge, ACommitOnAWrongClockBindsNobody) {
  const WrongClocks wrong{{.daemon = 2, .from = at(0), .until = at(200)}};
  expect_kept(judge_commits(two({committed(0, 20, 9000, 2)}, {committed(21, 40, 30)}), wrong), 1);
  expect_broken(judge_commits(two({committed(0, 20, 9000, 1)}, {committed(21, 40, 30)}), wrong), 1, "9000");
}

// --- E

using What = support::LeaseLine::What;

void hold(ClientHistory& history, std::uint64_t token, std::int64_t from, std::int64_t until, bool ends = true) {
  history.lease_lines.push_back({history.client, "name", token, What::kBegan, {at(from), at(from)}});
  history.lease_lines.push_back(
      {history.client, "name", token, ends ? What::kEnded : What::kActs, {at(until), at(until)}});
}

TEST(ChaosJudge, TwoHoldersAtOnceAreFound) {
  Histories histories = two({}, {});
  hold(histories[0], 5, 0, 100);
  hold(histories[1], 6, 101, 200);
  expect_kept(judge_leases(histories, {}, 2), 1);
  hold(histories[0], 7, 199, 300, false);
  expect_broken(judge_leases(histories, {}, 2), 1, "together for");
}

TEST(ChaosJudge, TwoHoldersAreExcusedOnlyWhileSomeClockWasWrong) {
  Histories histories = two({}, {});
  hold(histories[0], 5, 5000, 5100);
  hold(histories[1], 6, 5050, 5200);
  hold(histories[0], 7, 9000, 9100);
  hold(histories[1], 8, 9200, 9300);
  const Verdict verdict = judge_leases(histories, {{.daemon = 3, .from = at(5090), .until = at(5500)}}, 2);
  expect_kept(verdict, 1);
  EXPECT_NE(verdict.left_out.find("2 of 4"), std::string::npos) << verdict.left_out;
  expect_broken(judge_leases(histories, {{.daemon = 3, .from = at(0), .until = at(100)}}, 2), 1, "together for");
}

TEST(ChaosJudge, TooFewGrantsAreFound) {
  Histories histories = two({}, {});
  hold(histories[0], 5, 0, 100);
  expect_broken(judge_leases(histories, {}, 3), 1, "3 times by two were due");
  expect_broken(judge_leases(two({}, {}), {}, 3), 1, "nobody ever held anything");
}

TEST(ChaosJudge, TokensThatDoNotGrowAreFound) {
  expect_kept(judge_tokens(two({granted(0, 10, 5)}, {granted(11, 12, 6)})), 2);
  expect_kept(judge_tokens(two({granted(0, 10, 5)}, {granted(5, 12, 4)})), 2);
  expect_broken(judge_tokens(two({granted(0, 10, 5)}, {granted(11, 12, 4)})), 1, "other, which asked");
  expect_broken(judge_tokens(two({granted(0, 10, 5)}, {granted(5, 12, 5)})), 1, "granted under 5");
  expect_kept(judge_tokens(two({granted(0, 10, 5)}, {granted(11, 12, 4, 1)})), 2);
}

// --- service

ChaosRun served_run() {
  ChaosRun run{.plan = make_plan(1, kShortest)};
  run.start = kStart;
  run.calm = kStart + time::seconds(30);
  run.end = kStart + time::seconds(40);
  run.histories.resize(1);
  run.histories[0].client = "all";
  std::uint64_t n = 1000;
  for (int tick = 0; tick < 400; ++tick) {
    const std::int64_t t = tick * 100 + 1;
    ++n;
    for (const Answer& answer : {ids(t, t + 1, n, n), hlc(t, t + 1, n, n + 1), now(t, t + 1, t - 5, t + 5),
                                 committed(t, t + 1, t), granted(t, t + 1, n)})
      run.histories[0].answers.push_back(answer);
    run.histories[0].answers.push_back(ids(t, t + 1, n, n, id_domain(2)));
    run.histories[0].answers.back().kind = Kind::kBatch;
  }
  run.histories.push_back({.client = "holder"});
  for (int i = 0; i < 6; ++i)
    hold(run.histories[static_cast<std::size_t>(i % 2)], 10U + static_cast<unsigned>(i), i * 100, i * 100 + 50);
  run.served_again = {{"all", time::seconds(1)}, {"holder", time::seconds(2)}};
  return run;
}

const Verdict& verdict_on(const Outcome& outcome, const std::string& promise) {
  for (const Verdict& verdict : outcome.verdicts)
    if (verdict.promise == promise) return verdict;
  throw std::logic_error("there is no verdict on " + promise);
}

TEST(ChaosOutcome, ARunInWhichAllWasWellIsPassed) {
  const Outcome outcome = judge(served_run());
  for (const Verdict& verdict : outcome.verdicts)
    EXPECT_TRUE(verdict.kept()) << verdict.promise << ": " << (verdict.violations.empty() ? "" : verdict.violations[0]);
}

TEST(ChaosOutcome, AKindThatIsNotServedInAPhaseIsFound) {
  ChaosRun run = served_run();
  std::erase_if(run.histories[0].answers,
                [&](const Answer& answer) { return answer.kind == Kind::kBatch && answer.answered > run.calm; });
  const Outcome outcome = judge(run);
  EXPECT_FALSE(outcome.kept());
  expect_broken(verdict_on(outcome, "served"), 1, "after batch: 0 answers");
}

TEST(ChaosOutcome, AClientThatIsNotServedAgainIsFound) {
  ChaosRun run = served_run();
  run.served_again[1].after.reset();
  const Outcome outcome = judge(run);
  EXPECT_FALSE(outcome.kept());
  expect_broken(verdict_on(outcome, "live"), 1, "holder was not");
}

TEST(ChaosOutcome, AKindOfFaultThatWasNeverDoneIsFound) {
  ChaosRun run = served_run();
  run.deeds = {{.fault = {.kind = FaultKind::kDaemonKilled}, .skipped = true},
               {.fault = {.kind = FaultKind::kDaemonKilled}},
               {.fault = {.kind = FaultKind::kDiskFull}}};
  expect_kept(verdict_on(judge(run), "storm"), 2);
  run.deeds[2].skipped = true;
  expect_broken(verdict_on(judge(run), "storm"), 1, "disk full: never");
}

TEST(ChaosOutcome, AStepOfTheMachinesOwnClockIsFound) {
  ChaosRun run = served_run();
  run.largest_clock_step = time::milliseconds(20);
  expect_broken(verdict_on(judge(run), "clock"), 1, "20.000 ms");
}

TEST(ChaosOutcome, AClockCountsAsWrongFromBeforeItIsSetUntilItIsBelievedAgain) {
  ChaosRun run = served_run();
  run.deeds = {{.fault = {.kind = FaultKind::kClockAhead}, .began = at(1000), .ended = at(2000), .victim = 3},
               {.fault = {.kind = FaultKind::kDiskFull}, .began = at(1000), .ended = at(2000), .victim = 4}};
  const WrongClocks wrong = wrong_clocks(run);
  ASSERT_EQ(wrong.size(), 1U);
  EXPECT_EQ(wrong[0].daemon, 3);
  EXPECT_EQ(wrong[0].from, at(1000));
  EXPECT_EQ(wrong[0].until, at(2000) + kBelievedAgain);
}

TEST(ChaosOutcome, GapsAreMeasuredToTheEndsOfTheRun) {
  ChaosRun run = served_run();
  std::erase_if(run.histories[0].answers,
                [](const Answer& answer) { return answer.asked < at(3000) || answer.asked > at(30'000); });
  const Outcome outcome = judge(run);
  EXPECT_EQ(outcome.clients[0].client, "all");
  EXPECT_GE(outcome.clients[0].longest_gap, time::milliseconds(9900));
  EXPECT_GT(outcome.clients[0].gap_began, at(29'000));
}

}  // namespace
}  // namespace gnomon::chaos
