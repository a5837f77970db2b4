// SPDX-License-Identifier: Apache-2.0
//
// What ptp4l says and is not believed for, each with its own error; and what a claim is made of.
#include "ptp/ptp_follower.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

namespace gnomon::ptp {
namespace {

using time::microseconds;
using time::nanoseconds;

const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);
constexpr std::int64_t kEpoch = 1'790'000'000'000'000'000;
constexpr std::int64_t kTurn = 10'000'000;

ClockIdentity identity(std::uint8_t last) {
  ClockIdentity out;
  out.bytes[7] = last;
  return out;
}

/// A grandmaster with a card's clock on TAI, or a software one on UTC, and a Sync every 125 ms.
class Ptp4l {
 public:
  explicit Ptp4l(ClockKind clock = ClockKind::kPhc, PtpPolicy policy = {}) : follower(std::move(policy), clock) {
    round.status.gm_identity = identity(1);
    round.current = CurrentDataSet{.steps_removed = 1, .offset_from_master = {}, .mean_path_delay = nanoseconds(2'000)};
    round.parent.gm_identity = identity(1);
    round.parent.gm_quality = {ClockClass::kPrimaryLocked, ClockAccuracy::kWithin100Ns, 0x4e5d};
    round.properties = TimeProperties{.current_utc_offset_s = 37,
                                      .utc_offset_valid = clock != ClockKind::kSystem,
                                      .ptp_timescale = clock != ClockKind::kSystem};
    PortDataSet port;
    port.state = PortState::kSlave;
    port.delay_mechanism = DelayMechanism::kEndToEnd;
    round.ports.push_back(port);
  }

  /// A turn of the clock thread; every twelfth brings a Sync.
  News turn(bool with_sync) {
    now += kTurn;
    follower.read({{cycles()}, {cycles() + 200}, kEpoch + now + 100 + clock_error}, kNominal);
    if (with_sync) round.status.ingress = PtpClockTime{kEpoch + now - kTurn / 2 + clock_error};
    return follower.judge(round, kNominal);
  }
  News sync() {
    News news = turn(true);
    for (int i = 0; i < 11; ++i) {
      News next = turn(false);
      if (next) news = std::move(next);
    }
    return news;
  }
  News settled() {
    for (std::size_t i = 0; i < PtpFollower::kNeeded; ++i)
      sync();
    return sync();
  }
  [[nodiscard]] std::uint64_t cycles() const { return 7'000'000'000 + static_cast<std::uint64_t>(now); }

  PtpFollower follower;
  PtpRound round;
  std::int64_t now = 0;
  std::int64_t clock_error = 0;
};

TEST(PtpFollower, ClaimsTheSumOfItsTermsAtTheIngress) {
  Ptp4l ptp4l;
  ptp4l.round.status.master_offset = nanoseconds(-300);
  ptp4l.settled();
  ptp4l.round.status.master_offset = nanoseconds(50);
  ptp4l.round.current.mean_path_delay = nanoseconds(1'500);
  ptp4l.round.current.steps_removed = 3;
  const News news = ptp4l.sync();
  ASSERT_TRUE(news && *news);
  const Claim& claim = **news;
  EXPECT_EQ(claim.scale, Scale::kTai);
  EXPECT_EQ(claim.terms.source, nanoseconds(100 + 2'000)) << "accuracy, and two boundary clocks on the way";
  EXPECT_EQ(claim.terms.asymmetry, nanoseconds(2'000)) << "in full, and the largest of the last";
  EXPECT_EQ(claim.terms.offset, nanoseconds(300)) << "of either sign";
  EXPECT_GT(claim.terms.reading, microseconds(9)) << "half a turn at 1000 ppm each way";
  EXPECT_LT(claim.terms.reading, microseconds(11));
  const auto ingress = static_cast<std::int64_t>(claim.at.count) - 7'000'000'000;
  EXPECT_NEAR(static_cast<double>(claim.reading_ns - kEpoch), static_cast<double>(ingress), 1'000);
  EXPECT_GT(ptp4l.now - ingress, 100'000'000) << "the claim is about the ingress, some turns ago";
  EXPECT_EQ(claim.root.reference, 1U);
  EXPECT_TRUE(claim.root.disciplines);
}

/// A Sync every 30 ms, for so long; the last claim.
std::optional<Claim> sync_for(Ptp4l& ptp4l, std::int64_t span) {
  std::optional<Claim> last;
  for (const std::int64_t until = ptp4l.now + span; ptp4l.now < until;)
    for (int i = 0; i < 3; ++i) {
      const News news = ptp4l.turn(i == 0);
      if (news && *news) last = **news;
    }
  return last;
}

// One direction has become longer, and stays so. The servo follows it within a few Syncs, so the offset shows it once;
// the delay shows it when the median of ptp4l's last ten has turned, and until then the clock is off by all of it.
TEST(PtpFollower, RemembersAnOffsetUntilTheDelayHasBeenMeasuredAnew) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  for (const int log_interval : {0, 3}) {
    SCOPED_TRACE(log_interval);
    Ptp4l ptp4l;
    ptp4l.round.ports[0].log_min_delay_req_interval = static_cast<std::int8_t>(log_interval);
    ptp4l.settled();
    const std::int64_t sixteen = 16 * kSecond << log_interval;
    ptp4l.round.status.master_offset = microseconds(50);
    ptp4l.sync();
    ptp4l.round.status.master_offset = {};
    const auto soon = sync_for(ptp4l, 3 * kSecond);  // a hundred Syncs
    ASSERT_TRUE(soon);
    EXPECT_EQ(soon->terms.offset, microseconds(50));
    ptp4l.round.current.mean_path_delay = microseconds(27);
    sync_for(ptp4l, kSecond);
    ptp4l.round.current.mean_path_delay = microseconds(2);
    const auto late = sync_for(ptp4l, sixteen - 4 * kSecond - kSecond / 5);
    ASSERT_TRUE(late);
    EXPECT_EQ(late->terms.offset, microseconds(50));
    EXPECT_EQ(late->terms.asymmetry, microseconds(27));
    const auto later = sync_for(ptp4l, 4 * kSecond + sixteen / 5);
    ASSERT_TRUE(later);
    EXPECT_EQ(later->terms.offset, time::Duration{}) << "and not for ever";
    EXPECT_EQ(later->terms.asymmetry, microseconds(2));
  }
}

// As above, but beyond what is believed: the offset is not kept, and the delay that ptp4l says is the old one.
TEST(PtpFollower, WaitsForThePathToBeMeasuredAfterAnOffsetThatWasTooLarge) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  Ptp4l ptp4l;
  ptp4l.settled();
  ptp4l.round.status.master_offset = microseconds(1'500);
  EXPECT_EQ(ptp4l.sync()->error().fault, SourceFault::kNotSynchronised);
  ptp4l.round.status.master_offset = {};
  EXPECT_FALSE(sync_for(ptp4l, 5 * kSecond));
  const News waiting = ptp4l.turn(true);
  ASSERT_TRUE(waiting && !*waiting);
  EXPECT_EQ(waiting->error().fault, SourceFault::kSettling);
  EXPECT_NE(waiting->error().text.find("within 16000 ms"), std::string::npos) << waiting->error().text;
  ptp4l.clock_error = 20 * kSecond;  // the clock is set, and shows that long later: nothing was measured meanwhile
  EXPECT_FALSE(sync_for(ptp4l, 10 * kSecond));
  EXPECT_TRUE(sync_for(ptp4l, 2 * kSecond));
}

TEST(PtpFollower, WaitsForNoPathWhoseAsymmetryIsStated) {
  PtpPolicy policy;
  policy.asymmetry = microseconds(3);
  Ptp4l ptp4l(ClockKind::kPhc, policy);
  ptp4l.settled();
  ptp4l.round.status.master_offset = microseconds(1'500);
  ptp4l.sync();
  ptp4l.round.status.master_offset = {};
  EXPECT_TRUE(sync_for(ptp4l, 500'000'000));
}

TEST(PtpFollower, RemembersSixtyFourSyncsHoweverOftenTheDelayIsMeasured) {
  for (const int log_interval : {-128, -3}) {
    SCOPED_TRACE(log_interval);
    Ptp4l ptp4l;
    ptp4l.round.ports[0].log_min_delay_req_interval = static_cast<std::int8_t>(log_interval);
    ptp4l.settled();
    ptp4l.round.status.master_offset = microseconds(50);
    ptp4l.sync();
    ptp4l.round.status.master_offset = {};
    for (int i = 0; i < 63; ++i)
      EXPECT_EQ((*ptp4l.sync())->terms.offset, microseconds(50)) << i;
    EXPECT_EQ((*ptp4l.sync())->terms.offset, time::Duration{});
  }
}

TEST(PtpFollower, SaysOneThingOnce) {
  Ptp4l ptp4l;
  ptp4l.settled();
  EXPECT_FALSE(ptp4l.turn(false)) << "no new ingress: frozen offsets of a silent grandmaster are not news";
  EXPECT_FALSE(ptp4l.turn(false));
}

TEST(PtpFollower, WaitsForEnoughSamples) {
  Ptp4l ptp4l;
  for (std::size_t i = 0; i + 1 < PtpFollower::kNeeded; ++i) {
    const News news = ptp4l.sync();
    ASSERT_TRUE(news && !*news);
    EXPECT_EQ(news->error().fault, SourceFault::kSettling);
  }
  const News news = ptp4l.sync();
  EXPECT_TRUE(news && *news);
}

struct Refusal {
  std::string name;
  ClockKind clock;
  std::function<void(PtpRound&)> spoil;
  SourceFault fault;
  std::string text;  // part of it
};

class PtpRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(PtpRefusal, HasItsOwnError) {
  PtpPolicy policy;
  policy.grandmasters = {identity(1), identity(2)};
  policy.arbitrary_is_utc = GetParam().clock == ClockKind::kSystem;
  Ptp4l ptp4l(GetParam().clock, policy);
  const News before = ptp4l.settled();
  ASSERT_TRUE(before && *before) << "good until it is spoilt";
  const PtpRound good = ptp4l.round;
  GetParam().spoil(ptp4l.round);
  const News news = ptp4l.turn(false);
  ASSERT_TRUE(news && !*news);
  EXPECT_EQ(news->error().fault, GetParam().fault);
  EXPECT_NE(news->error().text.find(GetParam().text), std::string::npos) << news->error().text;
  ptp4l.round = good;
  const News again = ptp4l.sync();
  ASSERT_TRUE(again && !*again);
  EXPECT_EQ(again->error().fault, SourceFault::kSettling) << "samples from before do not count";
}

const Refusal kRefusals[] = {
    {"no_slave", ClockKind::kPhc, [](PtpRound& r) { r.ports[0].state = PortState::kListening; },
     SourceFault::kNotSynchronised, "LISTENING"},
    {"uncalibrated", ClockKind::kPhc, [](PtpRound& r) { r.ports[0].state = PortState::kUncalibrated; },
     SourceFault::kNotSynchronised, "SLAVE"},
    {"no_ingress", ClockKind::kPhc, [](PtpRound& r) { r.status.ingress.reset(); }, SourceFault::kNotSynchronised,
     "no Sync"},
    {"stranger", ClockKind::kPhc, [](PtpRound& r) { r.status.gm_identity = r.parent.gm_identity = identity(9); },
     SourceFault::kPolicy, "may be followed"},
    {"degraded_class", ClockKind::kPhc, [](PtpRound& r) { r.parent.gm_quality.clock_class = ClockClass::kDegradedA; },
     SourceFault::kPolicy, "class 52"},
    {"degraded_accuracy", ClockKind::kPhc,
     [](PtpRound& r) { r.parent.gm_quality.accuracy = ClockAccuracy::kWithin10S; }, SourceFault::kPolicy, "accuracy"},
    {"unknown_accuracy", ClockKind::kPhc, [](PtpRound& r) { r.parent.gm_quality.accuracy = ClockAccuracy::kUnknown; },
     SourceFault::kPolicy, "accuracy"},
    {"utc_offset_not_valid", ClockKind::kPhc, [](PtpRound& r) { r.properties.utc_offset_valid = false; },
     SourceFault::kTimescale, "UTC offset"},
    {"arbitrary_scale", ClockKind::kPhc, [](PtpRound& r) { r.properties.ptp_timescale = false; },
     SourceFault::kTimescale, "arbitrary"},
    {"tai_into_the_system_clock", ClockKind::kSystem, [](PtpRound& r) { r.properties.ptp_timescale = true; },
     SourceFault::kTimescale, "37 s"},
    {"peer_to_peer", ClockKind::kPhc, [](PtpRound& r) { r.ports[0].delay_mechanism = DelayMechanism::kPeerToPeer; },
     SourceFault::kPolicy, "asymmetry_ns"},
    {"no_delay_measured", ClockKind::kPhc, [](PtpRound& r) { r.ports[0].delay_mechanism = DelayMechanism::kNone; },
     SourceFault::kPolicy, "asymmetry_ns"},
    {"the_37_s_trap", ClockKind::kSystem, [](PtpRound& r) { r.status.master_offset = nanoseconds(37'000'000'028); },
     SourceFault::kWholeSeconds, "37 whole seconds"},
    {"far_off", ClockKind::kPhc, [](PtpRound& r) { r.status.master_offset = microseconds(-1'200); },
     SourceFault::kNotSynchronised, "still being set"},
    {"uncertain", ClockKind::kPhc, [](PtpRound& r) { r.properties.synchronization_uncertain = true; },
     SourceFault::kNotSynchronised, "not sure"},
};

INSTANTIATE_TEST_SUITE_P(Each, PtpRefusal, testing::ValuesIn(kRefusals),
                         [](const testing::TestParamInfo<Refusal>& parameter) { return parameter.param.name; });

TEST(PtpFollower, AcceptsASoftwareGrandmasterOnlyIfToldSo) {
  Ptp4l strict(ClockKind::kSystem);
  EXPECT_EQ(strict.sync()->error().fault, SourceFault::kTimescale);
  PtpPolicy policy;
  policy.arbitrary_is_utc = true;
  Ptp4l told(ClockKind::kSystem, policy);
  const News news = told.settled();
  ASSERT_TRUE(news && *news);
  EXPECT_EQ((*news)->scale, Scale::kUtc);
}

TEST(PtpFollower, PeerToPeerCountsWithTheStatedAsymmetryOfTheWholePath) {
  PtpPolicy policy;
  policy.asymmetry = nanoseconds(700);
  Ptp4l ptp4l(ClockKind::kPhc, policy);
  ptp4l.round.ports[0].delay_mechanism = DelayMechanism::kPeerToPeer;
  const News news = ptp4l.settled();
  ASSERT_TRUE(news && *news);
  EXPECT_EQ((*news)->terms.asymmetry, nanoseconds(700));
}

// What ptp4l makes of a real grandmaster with software time stamps: its TAI minus the UTC offset that it announces.
TEST(PtpFollower, ASystemClockThatIsSetFromTaiIsUtcByTheAnnouncedOffset) {
  PtpPolicy policy;
  policy.tai_is_meant = true;
  const auto of_a_real_one = [&policy](auto change) {
    Ptp4l ptp4l(ClockKind::kSystem, policy);
    ptp4l.round.properties.ptp_timescale = ptp4l.round.properties.utc_offset_valid = true;
    ptp4l.round.properties.time_traceable = true;
    change(ptp4l.round.properties);
    return ptp4l.settled();
  };
  const News news = of_a_real_one([](TimeProperties&) {});
  ASSERT_TRUE(news && *news);
  EXPECT_EQ((*news)->scale, Scale::kUtc);
  EXPECT_EQ((*news)->tai_minus_utc, time::seconds(37));

  for (const News& refused : {of_a_real_one([](TimeProperties& p) { p.utc_offset_valid = false; }),
                              of_a_real_one([](TimeProperties& p) { p.time_traceable = false; })}) {
    ASSERT_TRUE(refused && !*refused);
    EXPECT_EQ((*refused).error().fault, SourceFault::kTimescale);
  }
}

// An announcement that comes between a Sync and the round that reports it: the clock was set by the former offset.
TEST(PtpFollower, AnotherUtcOffsetSaysNothingOfWhatCameBeforeIt) {
  PtpPolicy policy;
  policy.tai_is_meant = true;
  Ptp4l ptp4l(ClockKind::kSystem, policy);
  TimeProperties& properties = ptp4l.round.properties;
  properties.ptp_timescale = properties.utc_offset_valid = properties.time_traceable = true;
  properties.current_utc_offset_s = 36;
  const News before = ptp4l.settled();
  ASSERT_TRUE(before && *before);
  EXPECT_EQ((*before)->tai_minus_utc, time::seconds(36));
  properties.current_utc_offset_s = 37;
  for (std::size_t i = 0; i < PtpFollower::kNeeded; ++i) {
    const News news = ptp4l.sync();
    EXPECT_FALSE(news && *news) << i << ": it has to settle anew";
  }
  const News after = ptp4l.settled();
  ASSERT_TRUE(after && *after);
  EXPECT_EQ((*after)->tai_minus_utc, time::seconds(37));
}

TEST(PtpFollower, BeginsAnewWithAnotherGrandmaster) {
  Ptp4l ptp4l;
  ptp4l.settled();
  ptp4l.round.parent.gm_identity = identity(2);
  EXPECT_FALSE(ptp4l.turn(false)) << "the answers are of two pieces: the next round tells";
  ptp4l.round.status.gm_identity = identity(2);
  EXPECT_EQ(ptp4l.sync()->error().fault, SourceFault::kSettling);
  EXPECT_EQ((*ptp4l.settled())->root.reference, 2U);
}

TEST(PtpFollower, DropsASampleAcrossAStepOfTheClock) {
  Ptp4l ptp4l;
  ptp4l.settled();
  ptp4l.turn(false);
  ptp4l.round.status.ingress = PtpClockTime{kEpoch + ptp4l.now + kTurn / 2};
  ptp4l.clock_error = 5'000'000;
  const News news = ptp4l.turn(false);
  ASSERT_TRUE(news && !*news);
  EXPECT_EQ(news->error().fault, SourceFault::kSettling);
}

TEST(PtpFollower, ForgetsReadingsThatTheCounterMadeWorthless) {
  Ptp4l ptp4l;
  ptp4l.settled();
  ptp4l.follower.distrust();
  EXPECT_EQ(ptp4l.sync()->error().fault, SourceFault::kSettling);
  EXPECT_TRUE(*ptp4l.settled());
}

TEST(PtpFollower, TakesStatedBoundsInsteadOfTheGrandmastersWord) {
  PtpPolicy policy;
  policy.accuracy = microseconds(3);
  policy.max_accuracy = microseconds(3);
  policy.asymmetry = nanoseconds(40);
  policy.max_class = 248;
  Ptp4l ptp4l(ClockKind::kPhc, policy);
  ptp4l.round.parent.gm_quality = {ClockClass::kDefault, ClockAccuracy::kUnknown, 0xffff};
  const News news = ptp4l.settled();
  ASSERT_TRUE(news && *news);
  EXPECT_EQ((*news)->terms.source, microseconds(3));
  EXPECT_EQ((*news)->terms.asymmetry, nanoseconds(40));
}

}  // namespace
}  // namespace gnomon::ptp
