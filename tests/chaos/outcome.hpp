// SPDX-License-Identifier: Apache-2.0
//
// A run, and what it comes to: the figures that its report, its picture and its exit code are made of.
//
// "No promise was broken" is also true of a cluster that answered nobody. So service is judged, too: every kind of
// client has to have been answered before the storm, in it and after it, and everybody again within kServedAgain after
// the last fault is over.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/chaos/deed.hpp"
#include "tests/chaos/history.hpp"
#include "tests/chaos/judge.hpp"

namespace gnomon::chaos {

/// From the end of the last fault on until every client has been answered something that it asked for after it. A
/// supervisor waits up to 10 s between starts of a daemon that does not come up, a daemon's calls to etcd and a lease's
/// TTL add some seconds; the rest is for a machine that is busy with other things.
constexpr time::Duration kServedAgain = time::seconds(40);
/// A clock that was set right is believed again, and a client's own memory of the time is over, within this.
constexpr time::Duration kBelievedAgain = time::seconds(5);

enum class Phase : std::uint8_t { kBefore, kStorm, kAfter };
inline constexpr std::array kPhases{Phase::kBefore, Phase::kStorm, Phase::kAfter};
[[nodiscard]] std::string_view text_of(Phase phase);
/// Answers of one kind that a phase must have brought, all clients together; far below what an idle machine gives.
[[nodiscard]] std::uint64_t least_answers(Kind kind, Phase phase);

struct ServedAgain {
  std::string client{};
  std::optional<time::Duration> after{};  // none: not within kServedAgain
};

struct ChaosRun {
  Plan plan{};
  std::string command{};
  std::string machine{};  // kernel and processors
  time::Tai start{};
  time::Tai calm{};  // when everything had been undone
  time::Tai end{};
  std::vector<Deed> deeds{};
  Histories histories{};
  std::vector<ServedAgain> served_again{};
  std::uint64_t restarts = 0;           // of daemons that had ended by themselves
  time::Duration largest_clock_step{};  // of the machine's own clock, all together
};

struct KindFigures {
  std::uint64_t answers = 0;
  std::uint64_t amount = 0;
  std::map<std::string, std::uint64_t> refusals{};
  std::array<std::uint64_t, 3> by_phase{};  // answers
  std::vector<std::uint64_t> per_second{};  // amount
};

struct ClientFigures {
  std::string client{};
  std::uint64_t answers = 0;
  std::uint64_t refusals = 0;
  time::Duration longest_gap{};  // between two answers, or an answer and an end of the run
  time::Tai gap_began{};
};

struct Outcome {
  std::map<Kind, KindFigures> kinds;
  std::vector<ClientFigures> clients;
  std::vector<Verdict> verdicts;
  [[nodiscard]] bool kept() const;
};

/// When clocks were wrong, and for how long that may be felt.
[[nodiscard]] WrongClocks wrong_clocks(const ChaosRun& run);
[[nodiscard]] Outcome judge(const ChaosRun& run);

}  // namespace gnomon::chaos
