// SPDX-License-Identifier: Apache-2.0
//
// Answers one-ID requests through oracle/serve, bare or in frames, and does nothing else: what `instructions`
// (instructions.py) runs under callgrind at two lengths, and once more without asking the server, to know what the loop
// itself costs. The difference of the two counts, over the difference of the lengths, is what one request costs, with
// start-up and page faults taken out. Instructions are counted, not timed, so a busy machine does no harm.
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
      "       instructions-loop answer|feed|serve BURSTS v4|v4-port|v4-vlan|v6|v6-port\n",
      stderr);
  return kUsage;
}

int verdict(std::uint64_t ids, std::uint64_t expected) {
  if (ids == expected) return 0;
  std::fputs("instructions-loop: not every request got its ID, so this measured something else\n", stderr);
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

int run_datagrams(std::string_view mode, long bursts, std::size_t messages) {
  if (messages == 0 || messages > wire::kMaxMessages || mode == "serve") return usage();
  const auto loop = std::make_unique<ServeLoop>();
  for (long i = 0; i < bursts; ++i) {
    if (mode == "feed")
      loop->feed(messages);
    else
      loop->burst(messages);
  }
  const std::uint64_t expected =
      mode == "feed" ? 0 : static_cast<std::uint64_t>(bursts) * ServeLoop::kDatagrams * messages;
  return verdict(loop->ids(), expected);
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
  return run_datagrams(mode, bursts, static_cast<std::size_t>(std::strtoul(argv[3], nullptr, 10)));
}
