// SPDX-License-Identifier: Apache-2.0
//
// The client of the reflect bench: a closed loop of one-ID requests over a port, as many under way as it is told. It
// takes replies and mere reflections alike, so both ways of the server see the same load. A server which answers
// rubbish can't win: of every reply the status is looked at, one in a few thousand is judged from its first byte to its
// last, and IDs are kept so that one which comes twice is found. What is lost is counted, and asked anew.
#pragma once

#include <rte_mempool.h>

#include <cstdint>

#include "bench/reflect/shared.hpp"

namespace gnomon::bench {

/// Configures and starts `port` with one queue pair. Throws std::runtime_error.
void start_generator_port(std::uint16_t port, rte_mempool* pool);

/// Runs until shared.stop, then takes in what is still under way. On the calling thread, which is an lcore.
void generate(std::uint16_t port, rte_mempool* pool, Shared& shared);

}  // namespace gnomon::bench
