// SPDX-License-Identifier: Apache-2.0
//
// All scenarios, in groups: clocks that are merely imperfect, paths and grandmasters that come and go, grandmasters
// that lie, several sources of which one lies, and chronyd.
#include <csignal>

#include "tests/ptp/coverage/scenario.hpp"

namespace gnomon::coverage {
namespace {

using bed::GrandmasterSettings;
using bed::VirtualClock;
using ptp::SourceFault;
using ptp::SourceState;
using time::Duration;
using time::microseconds;
using time::milliseconds;
using time::seconds;

constexpr Duration kQuietWidth = microseconds(200);
// With frames that go through a Path, which takes some tens of microseconds and up.
constexpr Duration kPathWidth = milliseconds(1);

bed::RackOptions rack(VirtualClock::Start client, VirtualClock::Start truth = {}, bool with_path = false) {
  bed::RackOptions options;
  options.grandmasters = {truth};
  options.client = client;
  options.with_path = with_path;
  return options;
}

void add_quiet(std::vector<Scenario>& all) {
  const auto quiet = [&](const char* name, const char* what, VirtualClock::Start client,
                         VirtualClock::Start truth = {}) {
    all.push_back({.name = name, .what = what, .rack = rack(client, truth), .expected = {.width = kQuietWidth}});
  };
  quiet("client_fast_25_ppm", "A usual oscillator, fast.", {.drift_ppb = 25'000});
  quiet("client_slow_25_ppm", "A usual oscillator, slow.", {.drift_ppb = -25'000});
  quiet("client_fast_200_ppm", "The worst oscillator that is allowed, fast.", {.drift_ppb = 200'000});
  quiet("client_slow_200_ppm", "The worst oscillator that is allowed, slow.", {.drift_ppb = -200'000});
  quiet("truth_fast_190_ppm", "The counter is 190 ppm slow against the truth.", {}, {.drift_ppb = 190'000});
  quiet("truth_slow_190_ppm", "The counter is 190 ppm fast against the truth.", {}, {.drift_ppb = -190'000});
  quiet("initial_offset_5_ms", "The client's clock begins 5 ms ahead, and is stepped while the witness looks on.",
        {.ahead = milliseconds(5), .drift_ppb = 10'000});
}

void add_honest(std::vector<Scenario>& all) {
  for (const Duration off : {microseconds(95), microseconds(-95)})
    all.push_back(
        {.name = off > Duration{} ? "grandmaster_ahead_within_its_accuracy" : "grandmaster_behind_within_its_accuracy",
         .what = "The grandmaster says 100 us, and uses 95 of them.",
         .rack = rack({.drift_ppb = 25'000}),
         .grandmasters = {{.clock_accuracy = 0x27}},
         .before = {StepClock{grandmaster(0), off}},
         .expected = {.width = microseconds(400)}});
  all.push_back({.name = "one_sided_delay_200_us",
                 .what = "The way from the grandmaster takes 200 us longer, which no packet shows.",
                 .rack = rack({.drift_ppb = 10'000}, {}, true),
                 .events = {{seconds(2), Way{0, {.delay = microseconds(200)}}}, {seconds(9), Way{0, {}}}},
                 .length = seconds(14),
                 .expected = {.width = kPathWidth}});
  all.push_back({.name = "one_sided_delay_1_ms_from_the_start",
                 .what = "The client settles half a millisecond beside the truth, with an offset of nothing.",
                 .rack = rack({.drift_ppb = 10'000}, {}, true),
                 .before = {Way{0, {.delay = milliseconds(1)}}},
                 .length = seconds(8),
                 .expected = {.width = milliseconds(2)}});
  all.push_back({.name = "grandmaster_counts_tai",
                 .what = "A grandmaster like those with GNSS, and a client with software time stamps.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .grandmasters = {{.ptp_timescale = true}},
                 .scale = "tai",
                 .before = {StepClock{grandmaster(0), seconds(37)}},
                 .expected = {.width = kQuietWidth}});
  const bed::Passage rough{.jitter = microseconds(300), .loss_ppm = 50'000};
  all.push_back({.name = "rough_path",
                 .what = "Each frame takes up to 300 us longer, and one in twenty is lost.",
                 .rack = rack({.drift_ppb = 25'000}, {}, true),
                 .events = {{seconds(1), Way{0, rough}}, {seconds(1), Way{1, rough}}},
                 .length = seconds(14),
                 .expected = {.width = milliseconds(2)}});
  all.push_back({.name = "grandmaster_frozen_15_s",
                 .what = "The grandmaster is stopped, goes on, and is heard again.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .events = {{seconds(1), Signal{0, SIGSTOP}}, {seconds(16), Signal{0, SIGCONT}}},
                 .length = seconds(25),
                 .expected = {.grows_to = milliseconds(2),
                              .ends_within = microseconds(400),
                              .sights = {{0, 0, SourceFault::kNotSynchronised}, {1, 0, SourceState::kUsed}}}});
  for (const std::int64_t drift_ppb : {190'000, -190'000})
    all.push_back({.name = drift_ppb > 0 ? "grandmaster_frozen_truth_fast" : "grandmaster_frozen_truth_slow",
                   .what = "The grandmaster falls silent, and the counter is off by nearly all that it may be.",
                   .rack = rack({}, {.drift_ppb = drift_ppb}),
                   .events = {{seconds(1), Signal{0, SIGSTOP}}, {seconds(8), Signal{0, SIGCONT}}},
                   .length = seconds(17),
                   .expected = {.grows_to = milliseconds(1),
                                .sights = {{0, 0, SourceFault::kNotSynchronised}, {1, 0, SourceState::kUsed}}}});
  bed::RackOptions two;
  two.grandmasters = {{}, {}};
  two.client = {.drift_ppb = 25'000};
  all.push_back({.name = "grandmaster_swapped",
                 .what = "The better of two honest grandmasters dies; the other one takes over.",
                 .rack = two,
                 .grandmasters = {{.clock_class = 6}, {.clock_class = 7}},
                 .events = {{seconds(3), Signal{0, SIGKILL}}},
                 .length = seconds(18),
                 .expected = {.ends_within = milliseconds(2),
                              .sights = {{0, 0, SourceFault::kNotSynchronised}, {0, 0, SourceState::kUsed}}}});
}

void add_degraded(std::vector<Scenario>& all) {
  const auto degraded = [&](const char* name, const char* what, const GrandmasterSettings& worse) {
    all.push_back({.name = name,
                   .what = what,
                   .rack = rack({.drift_ppb = 25'000}),
                   .events = {{seconds(2), Declare{0, worse}}, {seconds(8), Declare{0, {}}}},
                   .length = seconds(16),
                   .expected = {.grows_to = microseconds(500),
                                .ends_within = microseconds(400),
                                .sights = {{0, 0, SourceFault::kPolicy}, {1, 0, SourceState::kUsed}}}});
  };
  degraded("degraded_in_class", "The grandmaster loses its reference and says so by its class.", {.clock_class = 248});
  degraded("degraded_in_accuracy", "The grandmaster no longer knows how accurate it is.", {.clock_accuracy = 0xfe});
  all.push_back({.name = "leap_announced_and_dropped",
                 .what = "A leap second is announced, and the announcement taken back.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .announces_leap = true,
                 .events = {{seconds(2), Declare{0, {.leap61 = true}}}, {seconds(6), Declare{0, {}}}},
                 .length = seconds(10),
                 .expected = {.grows_to = milliseconds(1)}});
}

void add_lies(std::vector<Scenario>& all) {
  all.push_back({.name = "lies_by_37_s_in_its_clock",
                 .what = "The grandmaster's clock jumps by 37 s, to TAI, and back.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .events = {{seconds(2), StepClock{grandmaster(0), seconds(37)}, false},
                            {seconds(6), StepClock{grandmaster(0), seconds(-37)}, true}},
                 .length = seconds(18),
                 .expected = {.grows_to = microseconds(500),
                              .sights = {{0, 0, SourceFault::kWholeSeconds}, {1, 0, SourceState::kUsed}}}});
  all.push_back(
      {.name = "lies_by_37_s_in_its_settings",
       .what = "The grandmaster says that it counts TAI, and back.",
       .rack = rack({.drift_ppb = 25'000}),
       .events = {{seconds(2), Declare{0, {.ptp_timescale = true}}, false}, {seconds(6), Declare{0, {}}, true}},
       .length = seconds(18),
       .expected = {.grows_to = microseconds(500),
                    .sights = {{0, 0, SourceFault::kTimescale}, {1, 0, SourceState::kUsed}}}});
  all.push_back(
      {.name = "lies_by_5_ms_alone",
       .what = "A sole source jumps further than the oscillator could: refused, and believed once it insists.",
       .rack = rack({.drift_ppb = 25'000}),
       .events = {{seconds(2), StepClock{grandmaster(0), milliseconds(5)}, false}},
       .length = seconds(15),
       .expected = {.believes_lies = true,
                    .sights = {{0, 0, SourceFault::kNotSynchronised},
                               {0, 0, time::ClockFault::kContradiction},
                               {0, 0, time::ClockFault::kNone}}}});
  all.push_back({.name = "lies_slowly_and_alone",
                 .what = "A sole source drifts away at 150 ppm: what the oscillator may do, nobody can notice.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .events = {{seconds(2), DriftClock{grandmaster(0), 150'000}, false}},
                 .length = seconds(15),
                 .expected = {.believes_lies = true}});
}

void add_several(std::vector<Scenario>& all) {
  const FileClock honest{.bound = microseconds(100)};
  all.push_back({.name = "one_of_two_lies_by_37_s",
                 .what = "ptp4l is right; a file jumps to TAI, and is not taken for a disagreement.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .files = {honest},
                 .events = {{seconds(3), StepClock{file(0), seconds(37)}}},
                 .expected = {.served_percent = 99,
                              .width = kQuietWidth,
                              .sights = {{0, 1, SourceFault::kWholeSeconds}, {0, 1, SourceState::kEvicted}},
                              .evicts = true}});
  all.push_back({.name = "one_of_three_lies_by_1_ms",
                 .what = "ptp4l and a file are right, another file jumps by 1 ms.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .files = {honest, honest},
                 .events = {{seconds(4), StepClock{file(1), milliseconds(1)}}},
                 .length = seconds(12),
                 .expected = {.width = kQuietWidth, .sights = {{0, 2, SourceState::kEvicted}}, .evicts = true}});
  all.push_back({.name = "grandmaster_of_three_lies_by_1_ms",
                 .what = "Two files are right, and the grandmaster jumps by 1 ms.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .files = {honest, honest},
                 .events = {{seconds(4), StepClock{grandmaster(0), milliseconds(-1)}}},
                 .length = seconds(12),
                 .expected = {.width = kQuietWidth, .sights = {{0, 0, SourceState::kEvicted}}, .evicts = true}});
  all.push_back({.name = "one_of_three_drifts_away",
                 .what = "The grandmaster leaves the two files at 50 ppm.",
                 .rack = rack({.drift_ppb = 25'000}),
                 .files = {honest, honest},
                 .events = {{seconds(2), DriftClock{grandmaster(0), 50'000}}},
                 .length = seconds(18),
                 .expected = {.width = kQuietWidth, .sights = {{0, 0, SourceState::kEvicted}}, .evicts = true}});
}

void add_chronyd(std::vector<Scenario>& all) {
  const bed::RackOptions slightly_off = rack({.ahead = microseconds(300), .drift_ppb = 25'000});
  all.push_back({.name = "chronyd_follows",
                 .what = "chronyd measures a clock that it may not set.",
                 .rack = slightly_off,
                 .followed = Followed::kChronyd,
                 .expected = {.ends_within = milliseconds(5)}});
  all.push_back({.name = "chronyd_loses_its_server",
                 .what = "The server falls silent; chronyd goes on saying that all is well, until its word is too old.",
                 .rack = slightly_off,
                 .followed = Followed::kChronyd,
                 .events = {{seconds(3), KillServer{}}},
                 .length = seconds(16),
                 .expected = {.grows_to = milliseconds(1), .sights = {{0, 0, SourceFault::kStale}}}});
  all.push_back({.name = "chronyd_never_synchronised",
                 .what = "Nobody answers chronyd: it has a bound all the same, and nobody may believe it.",
                 .rack = slightly_off,
                 .followed = Followed::kSilentChronyd,
                 .expected = {.synchronises = false, .sights = {{-1, 0, SourceFault::kNotSynchronised}}}});
}

}  // namespace

std::vector<Scenario> scenarios() {
  std::vector<Scenario> all;
  add_quiet(all);
  add_honest(all);
  add_degraded(all);
  add_lies(all);
  add_several(all);
  add_chronyd(all);
  return all;
}

}  // namespace gnomon::coverage
