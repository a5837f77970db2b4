// SPDX-License-Identifier: Apache-2.0
//
// From the journal to the agent: what the store acknowledged to this host before the agent's first step.
//
// The opening holds the store against the journal (judge_continuity), and then it is opened and checked; but minutes
// may pass until the agent's first answer, and a store that was put back in between would look to a fresh agent like
// one that it had never seen. So the agent begins with all that the journal remembers, the revision included: a store
// that was put back so far that only sessions are missing has all of its windows as they were.
//
// Thread rule: none.
#pragma once

#include "control/agent/agent.hpp"
#include "control/journal.hpp"

namespace gnomon::control {

inline void hold_against(const JournalContent& journal, AgentOptions& options) {
  options.highest = journal.highest;
  for (const auto& [machine, right] : journal.rights)
    options.acknowledged.push_back(right);
}

}  // namespace gnomon::control
