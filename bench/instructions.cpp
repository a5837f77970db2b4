// SPDX-License-Identifier: Apache-2.0
//
// Answers one-ID requests through oracle/serve, and does nothing else: what `instructions` (instructions.py) runs under
// callgrind at two lengths, and once more without asking the server, to know what the loop itself costs. The difference
// of the two counts, over the difference of the lengths, is what one request costs, with start-up and page faults taken
// out. Instructions are counted, not timed, so a busy machine does no harm.
//
// A burst is what a loaded worker sees: 32 datagrams of one request each, then one reading of time.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/serve_loop.hpp"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: instructions-loop answer|feed BURSTS MESSAGES_PER_DATAGRAM\n", stderr);
    return 2;
  }
  const auto loop = std::make_unique<gnomon::bench::ServeLoop>();
  const long bursts = std::strtol(argv[2], nullptr, 10);
  const auto messages = static_cast<std::size_t>(std::strtol(argv[3], nullptr, 10));
  if (std::strcmp(argv[1], "feed") == 0) {
    for (long i = 0; i < bursts; ++i)
      loop->feed(messages);
    return 0;
  }
  for (long i = 0; i < bursts; ++i)
    loop->burst(messages);
  if (loop->ids() != static_cast<std::uint64_t>(bursts) * gnomon::bench::ServeLoop::kDatagrams * messages) {
    std::fputs("instructions-loop: not every request got its ID, so this measured something else\n", stderr);
    return 1;
  }
  return 0;
}
