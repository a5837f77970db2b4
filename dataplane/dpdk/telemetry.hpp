// SPDX-License-Identifier: Apache-2.0
//
// Commands for dpdk-telemetry.py: /gnomon/ports, /gnomon/workers and /gnomon/worker,N.
//
// DPDK's telemetry can't take a command back and gives it no argument, so the commands look up the one pool that is
// offered at the moment. Thread rule: offer and withdraw from the main thread; commands run on a thread of DPDK.
#pragma once

namespace gnomon::dataplane::dpdk {

class PortPool;

void offer_telemetry(const PortPool& pool);
/// Returns once no command reads the pool any more. Not offered: does nothing.
void withdraw_telemetry(const PortPool& pool);

}  // namespace gnomon::dataplane::dpdk
