// SPDX-License-Identifier: Apache-2.0
//
// Commit-waits under random clocks against a ground truth. The true time runs; what the worker is told about it is an
// interval that contains it, of a random width and place, so `earliest` jumps ahead, stands still and goes back by more
// than a round of the wheel; at times there is none. Bursts come late, short of room, or after a pause.
//
//   never early:     an `ok` says a > t, and a <= the true time: so t has truly passed before the reply exists
//   never for ever:  whoever is a granule past its t in a burst with room to spare has its answer in that burst
//   each once:       every request gets one reply, to its own client, ok or for a reason that holds
//
// Built once more with canaries, this must find the planted early-release.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "oracle/canary.hpp"
#include "oracle/serve/commit_waits.hpp"
#include "tests/oracle/serve/rig.hpp"

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using wire::Status;

constexpr time::Duration kGranule{8192};
constexpr std::uint32_t kSmall = 20;
constexpr std::uint32_t kLarge = 200;  // well below kMaxLooksPerBurst, so that every burst has room to spare
constexpr int kBursts = 3000;

using Tally = std::array<std::uint64_t, 10>;  // replies by status

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), rig_(options(below(3))) {
    rig_.grant({1});
    begin_burst();
  }

  /// What went wrong first; empty if nothing did.
  [[nodiscard]] std::string run() {
    for (int i = 0; i < kBursts && broken_.empty(); ++i) {
      move_on();
      begin_burst();
      if (below(2) == 0) collect();  // as the loop does: before the new ones, and after them
      ask();
      collect();
      check_promptness();
      must(rig_.server.parked() == waiting_.size(), "the server has lost count of who waits");
    }
    rig_.lose_clock();
    collect();
    must(waiting_.empty(), "somebody waits for ever");
    must(rig_.count(Counter::kMessages) == rig_.count(Counter::kReplies), "a request was not answered");
    return broken_;
  }

  [[nodiscard]] const Tally& tally() const { return tally_; }
  [[nodiscard]] std::uint64_t released_late() const { return released_late_; }

 private:
  struct Asked {
    time::Tai t;
    std::uint8_t client = 0;
  };

  static RigOptions options(std::uint64_t kind) {
    RigOptions options;
    options.commit_wait_limit = kind == 0 ? kSmall : kLarge;
    options.max_commit_wait = kind == 2 ? time::seconds(20) : time::seconds(1);  // many rounds of the wheel, or one
    return options;
  }

  void must(bool holds, const char* otherwise) {
    if (!holds && broken_.empty()) broken_ = otherwise;
  }

  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  time::Duration up_to(time::Duration d) {
    return {static_cast<std::int64_t>(below(static_cast<std::uint64_t>(d.ns) + 1))};
  }

  // Mostly some microseconds; at times a pause.
  void move_on() {
    const std::uint64_t kind = below(1000);
    time::Duration by = up_to(time::microseconds(200));
    if (kind < 20) by = up_to(time::milliseconds(100));
    if (kind == 20) by = up_to(time::seconds(30));
    true_time_ = true_time_ + by;
    rig_.now = rig_.now + by;
    rig_.uptime = rig_.uptime + by;
  }

  // The clock's certainty comes and goes: the interval contains the true time, and that is all.
  void begin_burst() {
    if (below(50) == 0) width_ = up_to(below(4) == 0 ? time::seconds(3) : time::microseconds(300));
    if (below(400) == 0) lost_for_ = below(10);
    if (lost_for_ > 0) {
      --lost_for_;
      return rig_.lose_clock(static_cast<time::ClockFault>(1 + below(time::kClockFaults - 1)));
    }
    rig_.know(true_time_ - up_to(width_), true_time_ + up_to(width_));
  }

  time::Tai some_t() {
    const time::Tai from = rig_.truth ? rig_.truth->earliest : true_time_;
    switch (below(8)) {
      case 0: return from - up_to(time::milliseconds(1));
      case 1: return from;
      case 2: return rig_.truth ? rig_.truth->latest : from;
      case 3: return from + up_to(time::milliseconds(25'000));
      default: return from + up_to(time::milliseconds(2));
    }
  }

  void ask() {
    for (std::uint64_t datagrams = below(4); datagrams > 0; --datagrams) {
      const auto client = static_cast<std::uint8_t>(below(3));
      std::vector<wire::Message> requests;
      for (std::uint64_t messages = 1 + below(5); messages > 0; --messages) {
        const time::Tai t = some_t();
        requests.push_back(commit_wait_request(next_id_, t));
        waiting_[next_id_++] = {t, client};
      }
      for (const wire::Message& reply : rig_.send(requests, kLocal, client))
        check(reply, client, false);
    }
  }

  void collect() {
    std::vector<std::uint8_t> clients;
    const auto replies = rig_.collect(&clients);
    for (std::size_t i = 0; i < replies.size(); ++i)
      check(replies[i], clients[i], true);
  }

  void check(const wire::Message& reply, std::uint8_t client, bool late) {
    const auto found = waiting_.find(reply.request_id);
    if (found == waiting_.end()) return must(false, "a second reply, or one to nobody");
    const Asked asked = found->second;
    waiting_.erase(found);
    must(asked.client == client, "a reply to another client");
    ++tally_.at(reply.status);
    if (status_of(reply) == Status::kOk) return check_ok(reply, asked, late);
    check_refusal(reply, asked, late);
    must(reply.a == 0 && reply.b == 0 && reply.epsilon_ns == 0, "a refusal with a value");
  }

  void check_ok(const wire::Message& reply, const Asked& asked, bool late) {
    if (!rig_.truth) return must(false, "a release without a clock");
    const auto earliest = static_cast<std::int64_t>(reply.a);
    must(earliest > asked.t.ns, "released early, by the clock's own word");
    must(true_time_ > asked.t, "released early");
    must(earliest <= true_time_.ns && static_cast<std::int64_t>(reply.b) >= true_time_.ns, "not contained");
    must(earliest == rig_.truth->earliest.ns, "released in an interval of another burst");
    released_late_ += late ? 1U : 0U;
  }

  void check_refusal(const wire::Message& reply, const Asked& asked, bool late) {
    if (status_of(reply) == Status::kClockUnsynchronised)
      return must(!rig_.truth && reply.count == 0, "unsynchronised with a clock");
    if (!rig_.truth || late) return must(false, "refused for another reason than a lost clock, and late");
    if (status_of(reply) == Status::kTooFar)
      must(asked.t - rig_.truth->latest > time::seconds(1) && reply.count == 0, "not too far");
    else if (status_of(reply) == Status::kBusy)
      must(reply.count > 0 && rig_.server.parked() >= kSmall, "busy with places left");
    else
      must(false, "a status that is not for commit_wait");
  }

  void check_promptness() {
    if (!rig_.truth) return must(waiting_.empty(), "somebody waits without a clock and isn't told");
    // A loop that sleeps for parked_wait has missed nobody when it wakes, if the clock just runs on.
    const time::Tai wakes = time::saturating_add(rig_.truth->earliest, rig_.server.parked_wait());
    for (const auto& [id, asked] : waiting_) {
      must(rig_.truth->earliest < asked.t + kGranule, "somebody whose t has passed still waits");
      must(wakes <= asked.t + kGranule, "the loop would sleep past somebody's t");
    }
  }

  std::mt19937_64 random_;
  Rig rig_;
  time::Tai true_time_ = kStartTai;
  time::Duration width_ = time::microseconds(50);
  std::uint64_t lost_for_ = 0;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Asked> waiting_;
  std::uint64_t released_late_ = 0;
  Tally tally_{};
  std::string broken_;
};

TEST(CommitWaitProperty, nobody_is_released_early_or_forgotten_whatever_the_clock_does) {
  const std::uint64_t worlds = std::getenv("GNOMON_TEST_FULL") != nullptr ? 1000 : 100;
  std::uint64_t released_late = 0;
  Tally sum{};
  for (std::uint64_t seed = 1; seed <= worlds; ++seed) {
    World world(seed);
    ASSERT_EQ(world.run(), "") << "seed " << seed;
    released_late += world.released_late();
    for (std::size_t status = 0; status < sum.size(); ++status)
      sum.at(status) += world.tally().at(status);
  }
  EXPECT_GT(released_late, worlds * 1000);
  for (const Status status : {Status::kOk, Status::kClockUnsynchronised, Status::kTooFar, Status::kBusy})
    EXPECT_GT(sum.at(static_cast<std::size_t>(status)), worlds * 10) << wire::text_of(status);
}

#ifdef GNOMON_CANARIES
TEST(CommitWaitCanary, a_release_at_latest_is_found) {
  canary::plant(canary::Bug::kEarlyRelease);
  const std::string found = World(1).run();
  canary::plant(canary::Bug::kNone);
  EXPECT_EQ(found, "released early, by the clock's own word");
  EXPECT_EQ(World(1).run(), "") << "and it is the bug that was found";
}
#endif

}  // namespace
}  // namespace gnomon::serve
