// SPDX-License-Identifier: Apache-2.0
//
// Somebody who carries lease commands out, in one of the ways that are compared: over gnomond's service, with what etcd
// itself has for it, or as bare commits of the same size. A lane is one session with a connection of its own; a
// contender is as many lanes of one kind as there are sessions at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gnomon::bench {

/// Of a session that lasts: acquire, renew, release. Of one that is made for it: open, close.
enum class Command : std::uint8_t { kOpen, kAcquire, kRenew, kRelease, kClose };
inline constexpr std::array kAllCommands{Command::kOpen, Command::kAcquire, Command::kRenew, Command::kRelease,
                                         Command::kClose};
[[nodiscard]] constexpr const char* text_of(Command command) {
  switch (command) {
    case Command::kOpen: return "open";
    case Command::kAcquire: return "acquire";
    case Command::kRenew: return "renew";
    case Command::kRelease: return "release";
    case Command::kClose: return "close";
  }
  return "?";
}

class Lane {
 public:
  Lane() = default;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  virtual ~Lane() = default;

  /// Carries it out, and ends the bench if that fails. `k`: which name or short-lived session, from 0 on; acquire and
  /// release take turns for each, and so do open and close. One thread.
  virtual void run(Command command, std::size_t k) = 0;
};

struct Contender {
  std::string name;
  std::vector<std::unique_ptr<Lane>> lanes;
};

}  // namespace gnomon::bench
