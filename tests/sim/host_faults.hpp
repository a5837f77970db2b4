// SPDX-License-Identifier: Apache-2.0
//
// The faults of one machine, of its counter, and of its sources of time, whatever kind of world it stands in. They end
// by themselves, or with the phase. kRestart is the world's own.
#pragma once

#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"
#include "tests/sim/process.hpp"

namespace gnomon::sim {

/// `process`: what runs on it now, if anything does. `has_agent`: or would. Returns for how long it lasts, or
/// how far the counter jumped.
time::Duration strike_machine(Environment& env, Host& host, Process* process, bool has_agent, HostFault fault);

}  // namespace gnomon::sim
