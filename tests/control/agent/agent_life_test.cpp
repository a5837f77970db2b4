// SPDX-License-Identifier: Apache-2.0
//
// The agent's ordinary life, as transcripts.
#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

TEST(AgentLife, TakesExtendsAndGivesBack) {
  Scenario s({.workers = 2});
  s.ordering = mint::OrderingState::kNoTime;
  s.run_for(time::milliseconds(100));
  EXPECT_EQ(s.take_transcript(), "") << "nothing is asked for before there is a time";

  s.ordering = mint::OrderingState::kFollowing;
  s.tick();
  EXPECT_EQ(s.take_transcript(),
            "list\n"
            "commit take 00000 to 10120 ms, take 00001 to 10120 ms\n"
            "journal at 1\n"
            "worker 0 gen 1: id 0 to 10120 ms\n"
            "worker 1 gen 1: id 1 to 10120 ms\n"
            "note: machine ids 0, 1 (10120 ms)\n");

  s.run_for(time::seconds(4));
  EXPECT_EQ(s.take_transcript(),
            "commit extend 00000 to 13460 ms, extend 00001 to 13460 ms\n"
            "journal at 2\n"
            "worker 0 gen 1: id 0 to 13460 ms\n"
            "worker 1 gen 1: id 1 to 13460 ms\n"
            "note: ceilings raised (13460 ms)\n");

  s.used[0] = kStart + time::milliseconds(4000);
  s.feed(event::StopRequested{});
  EXPECT_EQ(s.take_transcript(),
            "worker 0 gen 2: nothing\n"
            "worker 1 gen 2: nothing\n"
            "commit release 00000 to 4000 ms, release 00001 to -1800000000000 ms\n"
            "journal at 3\n"
            "note: all rights were given back\n"
            "stopped: stopped; all rights were given back\n");
  EXPECT_EQ(s.window(0).state, lease::WindowState::kReleased);
}

}  // namespace
}  // namespace gnomon::control
