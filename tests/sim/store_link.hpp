// SPDX-License-Identifier: Apache-2.0
//
// The way from an agent to the store and back: delays, lost answers, outages, and commits that land late. Sending,
// landing and answering are three events; a crash fits between any two of them.
//
// A local store (SQLite) dies with its process: what has not landed then never lands. Over a network what was sent may
// land after the answer "unknown", after later commits, and after the death of its sender.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "control/agent/agent.hpp"
#include "tests/sim/environment.hpp"

namespace gnomon::sim {

class StoreLink {
 public:
  enum class Mode : std::uint8_t { kGood, kAway, kLosesAnswers, kSlow, kBroken };

  explicit StoreLink(Environment& environment, std::uint32_t host = 0) : env_(environment), host_(host) {}

  void set_mode(Mode mode) { mode_ = mode; }
  [[nodiscard]] Mode mode() const { return mode_; }
  void send_list(std::uint32_t incarnation, control::OperationId id, std::string prefix);
  void send_commit(std::uint32_t incarnation, control::OperationId id, const control::Transaction& transaction);

  /// EventKind::kStoreApply.
  void apply(std::uint64_t number);
  /// EventKind::kStoreAnswer: what its sender hears.
  [[nodiscard]] std::optional<control::Event> answer(std::uint64_t number);
  void crashed(std::uint32_t incarnation);

 private:
  enum class Fate : std::uint8_t { kAnswered, kUnknown, kNotReached, kSilent, kFatal };
  struct Operation {
    std::uint32_t incarnation = 0;
    control::OperationId id;
    std::optional<control::Transaction> commit;  // none: a list
    std::string prefix;                          // of a list
    Fate fate = Fate::kAnswered;
    std::optional<control::Event> outcome;  // once it has landed
    time::Uptime sent_at;
    bool to_land = false;
    bool to_answer = false;
  };

  void send(Operation operation);
  [[nodiscard]] Fate draw_fate(bool is_commit);
  [[nodiscard]] time::Duration draw_delay();
  void forget_if_done(std::map<std::uint64_t, Operation>::iterator at);

  Environment& env_;
  std::uint32_t host_;
  Mode mode_ = Mode::kGood;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, Operation> operations_;
};

}  // namespace gnomon::sim
