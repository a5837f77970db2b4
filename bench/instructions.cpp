// SPDX-License-Identifier: Apache-2.0
//
// Answers requests through oracle/serve, bare or in frames, and does nothing else: what `instructions`
// (instructions.py) runs under callgrind at two lengths, and once more without asking the server, to know what the loop
// itself costs. The difference of the two counts, over the difference of the lengths, is what one request costs, with
// start-up, parking and page faults taken out. Instructions are counted, not timed, so a busy machine does no harm.
//
// A burst is what a loaded worker sees: 32 datagrams of one request each, then one reading of time.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "bench/frame_loop.hpp"
#include "bench/serve_loop.hpp"

namespace gnomon::bench {
namespace {

constexpr int kUsage = 2;

int usage() {
  std::fputs(
      "usage: instructions-loop answer|feed BURSTS MESSAGES_PER_DATAGRAM\n"
      "       instructions-loop answer|feed BURSTS hlc_update|now|commit_wait|parked\n"
      "       instructions-loop answer|feed|serve BURSTS v4|v4-port|v4-vlan|v6|v6-port\n",
      stderr);
  return kUsage;
}

int verdict(std::uint64_t answered, std::uint64_t expected) {
  if (answered == expected) return 0;
  std::fputs("instructions-loop: not every request got its answer, so this measured something else\n", stderr);
  return 1;
}

std::optional<FrameKind> frame_kind(std::string_view name) {
  static const std::map<std::string_view, FrameKind> kKinds{{"v4", FrameKind::kV4},
                                                            {"v4-port", FrameKind::kV4Port},
                                                            {"v4-vlan", FrameKind::kV4Vlan},
                                                            {"v6", FrameKind::kV6},
                                                            {"v6-port", FrameKind::kV6Port}};
  const auto found = kKinds.find(name);
  return found == kKinds.end() ? std::nullopt : std::optional(found->second);
}

int run_frames(std::string_view mode, long bursts, FrameKind kind) {
  const auto loop = std::make_unique<FrameLoop>(kind);
  void (FrameLoop::* const step)() = mode == "answer"  ? &FrameLoop::burst
                                     : mode == "serve" ? &FrameLoop::serve
                                                       : &FrameLoop::feed;
  for (long i = 0; i < bursts; ++i)
    (loop.get()->*step)();
  const std::uint64_t expected = mode == "feed" ? 0 : static_cast<std::uint64_t>(bursts) * FrameLoop::kFrames;
  return verdict(loop->ids(), expected);
}

/// What the datagrams ask for, beside how many parked commit-waits, and what counts the answers.
struct Asking {
  ServeLoopOptions options;
  page::Counter answered = page::Counter::kIds;
  std::uint32_t parked = 0;
};

std::optional<Asking> asking(std::string_view name) {
  constexpr std::uint32_t kParked = 100'000;
  static const std::map<std::string_view, Asking> kAskings{
      {"hlc_update", {{.asks_for = wire::Op::kHlcUpdate}, page::Counter::kHlcUpdates}},
      {"now", {{.asks_for = wire::Op::kNow}, page::Counter::kTimes}},
      {"commit_wait", {{.asks_for = wire::Op::kCommitWait}, page::Counter::kCommitWaits}},
      {"parked", {{.commit_wait_limit = kParked}, page::Counter::kIds, kParked}}};
  const auto found = kAskings.find(name);
  return found == kAskings.end() ? std::nullopt : std::optional(found->second);
}

int run_datagrams(std::string_view mode, long bursts, std::size_t messages, const Asking& asking) {
  if (messages == 0 || messages > wire::kMaxMessages || mode == "serve") return usage();
  const auto loop = std::make_unique<ServeLoop>(asking.options);
  // Further away than the bursts last, so that all of them wait from the first burst to the last.
  loop->park(asking.parked, ServeLoop::kMaxWait / 2, ServeLoop::kMaxWait);
  for (long i = 0; i < bursts; ++i) {
    if (mode == "feed")
      loop->feed(messages);
    else
      loop->burst(messages);
  }
  if (loop->parked() != asking.parked) {
    std::fputs("instructions-loop: somebody was released meanwhile, so this measured something else\n", stderr);
    return 1;
  }
  const std::uint64_t expected =
      mode == "feed" ? 0 : static_cast<std::uint64_t>(bursts) * ServeLoop::kDatagrams * messages;
  return verdict(loop->count(asking.answered), expected);
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  using namespace gnomon::bench;  // NOLINT(google-build-using-namespace)
  if (argc != 4) return usage();
  const std::string_view mode = argv[1];
  const long bursts = std::strtol(argv[2], nullptr, 10);
  if (bursts < 1 || (mode != "answer" && mode != "feed" && mode != "serve")) return usage();
  if (const auto kind = frame_kind(argv[3])) return run_frames(mode, bursts, *kind);
  if (const auto other = asking(argv[3])) return run_datagrams(mode, bursts, 1, *other);
  return run_datagrams(mode, bursts, static_cast<std::size_t>(std::strtoul(argv[3], nullptr, 10)), {});
}
