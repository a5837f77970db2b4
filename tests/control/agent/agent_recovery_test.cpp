// SPDX-License-Identifier: Apache-2.0
//
// What a recovery of a shared store rests on, seen from its daemons: that one which finds its own session older than
// what was acknowledged to it knows that the store went back, and that no clock which passes the vote leads to a
// ceiling above the floor.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "control/shared_state.hpp"
#include "tests/control/agent/rack.hpp"

namespace gnomon::control {
namespace {

using lease::Standing;
using time::milliseconds;
using time::seconds;

/// One entry is put back, and nothing else of the store: so nothing but the session can tell.
struct OldSession : ThreeMembers {
  [[nodiscard]] static std::string key() { return lease::session_key(incarnation()); }
  [[nodiscard]] static Nonce incarnation() {
    Nonce nonce{};
    nonce.fill(0x10);
    return nonce;
  }
  void put_back(const Entry& session) {
    MemoryStore::Image image = rack.store.image();
    image.entries[key()] = session;
    rack.store.restore(std::move(image));
  }
  void expect_sealed() {
    ASSERT_TRUE(rack[0].stopped);
    EXPECT_TRUE(rack[0].stopped->failed);
    EXPECT_NE(rack[0].stopped->text.find("went back in time: the session of this daemon is older"), std::string::npos)
        << rack[0].stopped->text;
    EXPECT_NE(rack[0].take_transcript().find("seal: the store went back in time"), std::string::npos);
    EXPECT_EQ(rack[0].published[0].count, 0U);
    EXPECT_FALSE(rack[1].stopped || rack[2].stopped) << "nothing of theirs was lost";
  }
};

// It is one that this process wrote: taken for a publication whose answer was lost, it would be adopted.
TEST_F(OldSession, ThatWasSupersededMeansThatTheStoreWentBack) {
  const Entry old = **rack.store.get(key());
  rack.run_for(seconds(5));
  ASSERT_GT((**rack.store.get(key())).modified, old.modified);
  put_back(old);
  rack.run_for(milliseconds(2500));
  expect_sealed();
}

// It is older than all that are remembered: it looks as if a copy of this process had written it.
TEST_F(OldSession, OfManyPublicationsAgoIsNoCopys) {
  const Entry old = **rack.store.get(key());
  rack.run_for(seconds(100));
  put_back(old);
  rack.run_for(milliseconds(2500));
  expect_sealed();
}

TEST_F(OldSession, IsNoticedAlsoAfterItWasGone) {
  const Entry old = **rack.store.get(key());
  rack.run_for(seconds(5));
  ASSERT_TRUE(rack.store.commit({{}, {}, {key()}}));
  rack[0].commit_away = true;  // it finds that its session is gone, and can't write another one
  rack.run_for(seconds(5));
  put_back(old);
  rack[0].commit_away = false;
  rack.run_for(milliseconds(2500));
  expect_sealed();
}

// The cure of the above must not hit what it stands beside: a publication that lands late is newer.
TEST_F(OldSession, IsNotOneThatWasLate) {
  rack[0].fates_for_all = true;
  rack[0].fates = {Scenario::Fate::kLostBefore};
  ASSERT_LE(rack.until([&] { return !rack[0].in_flight.empty(); }), seconds(5));
  ASSERT_TRUE(rack[0].land(0));
  rack.run_for(seconds(20));
  EXPECT_FALSE(rack[0].stopped);
  EXPECT_TRUE(rack.holds(0));
}

/// Three daemons, of which the third has a clock that is wrong by all that it may be unnoticed.
class Brink {
 public:
  static constexpr time::Duration kDrift = milliseconds(5);  // each tick: a quarter too fast

  Brink() {
    for (int i = 0; i < 3; ++i)
      rack_.add();
    rack_.until([this] { return rack_.holds(0) && rack_.holds(1) && rack_.holds(2); }, seconds(5));
    rack_.run_for(seconds(5));
    // Its timeline leads its clock by all that it may, and came there without a jump.
    for (int i = 0; i < 100; ++i) {
      rack_[2].now = rack_[2].now + limits.max_lead / 100;
      rack_[2].lead = rack_[2].lead + limits.max_lead / 100;
      run(milliseconds(20));
    }
    rack_.drift(2, kDrift);
  }
  void run(time::Duration span) {
    for (time::Duration gone; gone < span; gone = gone + milliseconds(20)) {
      rack_.run_for(milliseconds(20));
      furthest = std::max(furthest, time::saturating_sub(rack_.highest_ceiling(), truth()));
    }
  }
  /// For how long it is still a member; `limit` if it is to the end.
  time::Duration run_until_outvoted(time::Duration limit) {
    time::Duration gone;
    for (; gone < limit && rack_.standing(2) == Standing::kMember; gone = gone + milliseconds(20))
      run(milliseconds(20));
    return gone;
  }
  void jump(time::Duration by) { rack_[2].now = rack_[2].now + by; }

  AgentOptions limits;
  time::Duration furthest{INT64_MIN};  // from the truth to the highest ceiling in the store, at any time

 private:
  // The others are right: off by no more than 2/5 of the tolerance.
  time::SmearedUtc truth() { return rack_[0].now - limits.clock_tolerance * 2 / 5; }

  Rack rack_;
};

// Whatever it committed may be lost, and then nothing but the floor of the recovery keeps what it issued apart from
// what is issued later. One term is not played here and left over: the lead of a floor that lay ahead of its timeline.
TEST(AgentBrink, NoCeilingOfAClockThatPassesTheVoteLiesAboveTheFloorOfARecovery) {
  const time::Duration member_for = Brink().run_until_outvoted(seconds(60));
  ASSERT_GT(member_for, seconds(5));
  ASSERT_LT(member_for, seconds(60));
  const AgentOptions limits;
  time::Duration furthest{INT64_MIN};
  // Its windows are extended every 3.3 s: before the vote, at some of these moments.
  for (time::Duration early = milliseconds(20); early < seconds(4); early = early + milliseconds(160)) {
    Brink brink;
    brink.run(member_for - early);
    brink.jump(limits.clock_tolerance - milliseconds(20));  // with the drift still no jump that it would notice itself
    ASSERT_LT(brink.run_until_outvoted(seconds(10)), seconds(10));
    furthest = std::max(furthest, brink.furthest);
  }
  const RecoveryLimits recovery{
      {}, limits.window, limits.max_lead, unnoticed_lead(limits.max_lead, limits.clock_tolerance, limits.heartbeat)};
  EXPECT_LE(furthest, (recovery.floor() - time::SmearedUtc{}) - limits.max_lead);
  EXPECT_GT(furthest, limits.window + limits.max_lead + limits.clock_tolerance * 3) << "no clock was at the brink";
}

}  // namespace
}  // namespace gnomon::control
