// SPDX-License-Identifier: Apache-2.0
//
// The source document's timelines of leases (its sections 3.1 to 3.4) as transcripts, in virtual time, to the
// millisecond. Each is told twice: by perfect clocks, and by clocks that may be wrong by 7 ms either way. The second
// differs in one thing: a lease is then free only 14 ms after its TTL, since the grant counted from the latest that it
// could have been, and the takeover waits for the earliest that it can be.
//
// `until` is the instant after which somebody else may take it if nothing is renewed.
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using time::Duration;
using time::nanoseconds;

constexpr std::uint8_t kA = 1;
constexpr std::uint8_t kB = 2;
constexpr std::uint8_t kC = 3;

class Story : public Leases {
 protected:
  void at(std::int64_t ms) { now = kStart + milliseconds(ms); }
  void opens(std::uint8_t who, std::int64_t ttl_s) { say(who, "opens a session", open(who, seconds(ttl_s))); }
  void acquires(std::uint8_t who, const std::string& name) { say(who, "acquires " + name, take(who, name)); }
  void waits(std::uint8_t who, const std::string& name) { say(who, "waits for " + name, queue(who, name)); }
  void renews(std::uint8_t who, std::int64_t ttl_s) { say(who, "renews", renew(who, seconds(ttl_s))); }
  void releases(std::uint8_t who, const std::string& name) {
    say(who, "releases " + name, give(who, look(name).token, name));
  }
  void crashes(std::uint8_t who) { line(who, "crashes"); }

  /// Tells the story by both kinds of clocks.
  void tell(const std::function<void()>& story, const std::string& exact, const std::string& doubtful) {
    for (const Duration width : {Duration{}, milliseconds(7)}) {
      shelf = Shelf{};
      now = kStart;
      epsilon = width;
      transcript = "\n";
      story();
      EXPECT_EQ(transcript, width == Duration{} ? exact : doubtful);
    }
  }

  std::string transcript;

 private:
  std::string text_of_instant(time::Tai instant) const {
    const std::int64_t ms = (instant - kStart).ns / 1'000'000;
    const std::string fraction = std::to_string(ms % 1000);
    return std::to_string(ms / 1000) + "." + std::string(3 - fraction.size(), '0') + fraction;
  }
  // The last instant at which the session can't be taken from: a server whose clock is right sees it so.
  std::string end_of(std::uint8_t who) const { return text_of_instant(session(who).expiry.at + epsilon); }
  static std::string text_of(mint::Token token) {
    return std::to_string(token.value >> 48) + "." + std::to_string(token.value & 0xffff'ffff'ffff);
  }
  void line(std::uint8_t who, const std::string& text) {
    transcript += text_of_instant(now) + " " + static_cast<char>('A' + who - 1) + " " + text + "\n";
  }
  void say(std::uint8_t who, const std::string& did, const Answer& answer) {
    line(who, did + ": " + outcome(who, answer));
  }
  std::string outcome(std::uint8_t who, const Answer& answer) const {
    if (const auto* held = std::get_if<answer::Held>(&answer))
      return "granted until " + end_of(who) + ", token " + text_of(held->token) +
             (held->taken_over ? ", taken over" : "");
    if (std::holds_alternative<answer::SessionOpen>(answer)) return "until " + end_of(who);
    if (std::holds_alternative<answer::Released>(answer)) return "released";
    if (const auto* waiting = std::get_if<answer::Waiting>(&answer))
      return std::to_string(waiting->in_front) + " in front, until " +
             text_of_instant(now + waiting->retry_after - nanoseconds(1));
    const auto* refused = std::get_if<answer::Refused>(&answer);
    if (refused == nullptr) return "?";
    std::string text = "refused, " + std::string(lease::text_of(refused->why));
    if (refused->why == Refusal::kHeld)
      text += " by " + refused->holder + " until " + text_of_instant(now + refused->retry_after - nanoseconds(1));
    return text;
  }
};

// 3.1: A holds for ten seconds, B is denied at 7 and granted once it has expired.
TEST_F(Story, a_lease_expires_although_its_holder_crashed) {
  const auto story = [&] {
    opens(kA, 10);
    acquires(kA, "resource:1");
    at(5'000);
    crashes(kA);
    at(6'000);
    opens(kB, 10);
    at(7'000);
    acquires(kB, "resource:1");
    at(10'000);
    acquires(kB, "resource:1");
    at(10'001);
    acquires(kB, "resource:1");
    at(10'014);
    acquires(kB, "resource:1");
    at(10'015);
    acquires(kB, "resource:1");
    renews(kA, 10);
  };
  tell(story, R"(
0.000 A opens a session: until 10.000
0.000 A acquires resource:1: granted until 10.000, token 5.102
5.000 A crashes
6.000 B opens a session: until 16.000
7.000 B acquires resource:1: refused, held by client-A until 10.000
10.000 B acquires resource:1: refused, held by client-A until 10.000
10.001 B acquires resource:1: granted until 16.000, token 5.104, taken over
10.014 B acquires resource:1: granted until 16.000, token 5.104
10.015 B acquires resource:1: granted until 16.000, token 5.104
10.015 A renews: refused, session_over
)",
       R"(
0.000 A opens a session: until 10.014
0.000 A acquires resource:1: granted until 10.014, token 5.102
5.000 A crashes
6.000 B opens a session: until 16.014
7.000 B acquires resource:1: refused, held by client-A until 10.014
10.000 B acquires resource:1: refused, held by client-A until 10.014
10.001 B acquires resource:1: refused, held by client-A until 10.014
10.014 B acquires resource:1: refused, held by client-A until 10.014
10.015 B acquires resource:1: granted until 16.014, token 5.104, taken over
10.015 A renews: refused, session_over
)");
}

// 3.2: the manager's usage: acquired, denied, renewed, released, acquired by the other.
TEST_F(Story, a_released_lease_is_the_next_one_s_at_once) {
  const auto story = [&] {
    opens(kA, 10);
    acquires(kA, "database:1");
    opens(kB, 10);
    acquires(kB, "database:1");
    at(10'000);
    renews(kA, 10);
    renews(kB, 10);
    releases(kA, "database:1");
    acquires(kB, "database:1");
    releases(kA, "database:1");
  };
  tell(story, R"(
0.000 A opens a session: until 10.000
0.000 A acquires database:1: granted until 10.000, token 5.102
0.000 B opens a session: until 10.000
0.000 B acquires database:1: refused, held by client-A until 10.000
10.000 A renews: until 20.000
10.000 B renews: until 20.000
10.000 A releases database:1: released
10.000 B acquires database:1: granted until 20.000, token 5.107
10.000 A releases database:1: refused, not_held
)",
       R"(
0.000 A opens a session: until 10.014
0.000 A acquires database:1: granted until 10.014, token 5.102
0.000 B opens a session: until 10.014
0.000 B acquires database:1: refused, held by client-A until 10.014
10.000 A renews: until 20.014
10.000 B renews: until 20.014
10.000 A releases database:1: released
10.000 B acquires database:1: granted until 20.014, token 5.107
10.000 A releases database:1: refused, not_held
)");
}

// 3.3: a heartbeat every five seconds. A crash at 7 costs until 15, not until 10: the renewal at 5 counts.
TEST_F(Story, heartbeats_keep_it_and_a_crash_ends_it_a_ttl_after_the_last_one) {
  const auto story = [&] {
    opens(kA, 10);
    acquires(kA, "resource");
    for (const std::int64_t beat : {5'000, 10'000}) {
      at(beat);
      renews(kA, 10);
    }
    at(15'000);
    releases(kA, "resource");
    acquires(kA, "resource");
    renews(kA, 10);
    at(20'000);
    renews(kA, 10);
    at(22'000);
    crashes(kA);
    opens(kB, 60);
    at(30'000);
    acquires(kB, "resource");
    at(30'001);
    acquires(kB, "resource");
    at(30'015);
    acquires(kB, "resource");
  };
  tell(story, R"(
0.000 A opens a session: until 10.000
0.000 A acquires resource: granted until 10.000, token 5.102
5.000 A renews: until 15.000
10.000 A renews: until 20.000
15.000 A releases resource: released
15.000 A acquires resource: granted until 20.000, token 5.106
15.000 A renews: until 25.000
20.000 A renews: until 30.000
22.000 A crashes
22.000 B opens a session: until 82.000
30.000 B acquires resource: refused, held by client-A until 30.000
30.001 B acquires resource: granted until 82.000, token 5.110, taken over
30.015 B acquires resource: granted until 82.000, token 5.110
)",
       R"(
0.000 A opens a session: until 10.014
0.000 A acquires resource: granted until 10.014, token 5.102
5.000 A renews: until 15.014
10.000 A renews: until 20.014
15.000 A releases resource: released
15.000 A acquires resource: granted until 20.014, token 5.106
15.000 A renews: until 25.014
20.000 A renews: until 30.014
22.000 A crashes
22.000 B opens a session: until 82.014
30.000 B acquires resource: refused, held by client-A until 30.014
30.001 B acquires resource: refused, held by client-A until 30.014
30.015 B acquires resource: granted until 82.014, token 5.110, taken over
)");
}

// 3.4, leader election: three servers compete; the leader crashes after a heartbeat, and whoever waited first leads.
TEST_F(Story, the_first_who_waited_leads_after_the_leader_s_ttl) {
  const auto story = [&] {
    for (const std::uint8_t who : {kA, kB, kC})
      opens(who, 30);
    acquires(kA, "leader");
    acquires(kB, "leader");
    waits(kB, "leader");
    waits(kC, "leader");
    at(15'000);
    for (const std::uint8_t who : {kA, kB, kC})
      renews(who, 30);
    crashes(kA);
    at(40'000);
    renews(kB, 30);
    renews(kC, 30);
    at(45'000);
    waits(kB, "leader");
    at(45'015);
    waits(kC, "leader");
    waits(kB, "leader");
  };
  tell(story, R"(
0.000 A opens a session: until 30.000
0.000 B opens a session: until 30.000
0.000 C opens a session: until 30.000
0.000 A acquires leader: granted until 30.000, token 5.104
0.000 B acquires leader: refused, held by client-A until 30.000
0.000 B waits for leader: 0 in front, until 30.000
0.000 C waits for leader: 1 in front, until 30.000
15.000 A renews: until 45.000
15.000 B renews: until 45.000
15.000 C renews: until 45.000
15.000 A crashes
40.000 B renews: until 70.000
40.000 C renews: until 70.000
45.000 B waits for leader: 0 in front, until 45.000
45.015 C waits for leader: 1 in front, until 70.000
45.015 B waits for leader: granted until 70.000, token 5.112, taken over
)",
       R"(
0.000 A opens a session: until 30.014
0.000 B opens a session: until 30.014
0.000 C opens a session: until 30.014
0.000 A acquires leader: granted until 30.014, token 5.104
0.000 B acquires leader: refused, held by client-A until 30.014
0.000 B waits for leader: 0 in front, until 30.014
0.000 C waits for leader: 1 in front, until 30.014
15.000 A renews: until 45.014
15.000 B renews: until 45.014
15.000 C renews: until 45.014
15.000 A crashes
40.000 B renews: until 70.014
40.000 C renews: until 70.014
45.000 B waits for leader: 0 in front, until 45.014
45.015 C waits for leader: 1 in front, until 70.014
45.015 B waits for leader: granted until 70.014, token 5.112, taken over
)");
}

// 3.4, cache invalidation: a writer waits out the lease of a cache entry that nobody gives back.
TEST_F(Story, a_writer_waits_out_the_cache) {
  const auto story = [&] {
    opens(kA, 10);
    acquires(kA, "cache:user:123");
    at(5'000);
    opens(kB, 10);
    waits(kB, "cache:user:123");
    at(10'000);
    waits(kB, "cache:user:123");
    at(10'015);
    waits(kB, "cache:user:123");
  };
  tell(story, R"(
0.000 A opens a session: until 10.000
0.000 A acquires cache:user:123: granted until 10.000, token 5.102
5.000 B opens a session: until 15.000
5.000 B waits for cache:user:123: 0 in front, until 10.000
10.000 B waits for cache:user:123: 0 in front, until 10.000
10.015 B waits for cache:user:123: granted until 15.000, token 5.105, taken over
)",
       R"(
0.000 A opens a session: until 10.014
0.000 A acquires cache:user:123: granted until 10.014, token 5.102
5.000 B opens a session: until 15.014
5.000 B waits for cache:user:123: 0 in front, until 10.014
10.000 B waits for cache:user:123: 0 in front, until 10.014
10.015 B waits for cache:user:123: granted until 15.014, token 5.105, taken over
)");
}

// 3.4, exclusive access and the chunk master: an hour for a job that may hang, a minute kept by heartbeats of ten
// seconds.
TEST_F(Story, a_job_s_hour_and_a_chunk_s_minute) {
  policy.max_ttl = seconds(3600);
  const auto story = [&] {
    opens(kA, 3600);
    acquires(kA, "db:maintenance");
    opens(kB, 60);
    acquires(kB, "db:maintenance");
    acquires(kB, "chunk:7");
    for (std::int64_t beat = 1; beat <= 6; ++beat) {
      at(beat * 10'000);
      renew(kB, seconds(60));
    }
    crashes(kB);
    at(120'000);
    acquires(kA, "chunk:7");
    at(120'015);
    acquires(kA, "chunk:7");
    at(3'600'000);
    opens(kC, 60);
    acquires(kC, "db:maintenance");
    at(3'600'015);
    acquires(kC, "db:maintenance");
  };
  tell(story, R"(
0.000 A opens a session: until 3600.000
0.000 A acquires db:maintenance: granted until 3600.000, token 5.102
0.000 B opens a session: until 60.000
0.000 B acquires db:maintenance: refused, held by client-A until 3600.000
0.000 B acquires chunk:7: granted until 60.000, token 5.104
60.000 B crashes
120.000 A acquires chunk:7: refused, held by client-B until 120.000
120.015 A acquires chunk:7: granted until 3600.000, token 5.111, taken over
3600.000 C opens a session: until 3660.000
3600.000 C acquires db:maintenance: refused, held by client-A until 3600.000
3600.015 C acquires db:maintenance: granted until 3660.000, token 5.113, taken over
)",
       R"(
0.000 A opens a session: until 3600.014
0.000 A acquires db:maintenance: granted until 3600.014, token 5.102
0.000 B opens a session: until 60.014
0.000 B acquires db:maintenance: refused, held by client-A until 3600.014
0.000 B acquires chunk:7: granted until 60.014, token 5.104
60.000 B crashes
120.000 A acquires chunk:7: refused, held by client-B until 120.014
120.015 A acquires chunk:7: granted until 3600.014, token 5.111, taken over
3600.000 C opens a session: until 3660.014
3600.000 C acquires db:maintenance: refused, held by client-A until 3600.014
3600.015 C acquires db:maintenance: granted until 3660.014, token 5.113, taken over
)");
}

}  // namespace
}  // namespace gnomon::lease
