// SPDX-License-Identifier: Apache-2.0
//
// TokenGuard: the memory of a resource that lets nobody act under an old lease.
//
//   holder A: granted 33 ... pauses for a minute ................ writes under 33 -> refused
//   holder B:                          granted 34, writes under 34 -> admitted
//
// No lease protects a resource alone: A has no way to know, between its last look at the clock and its write, that it
// slept. The tokens of a name only grow, so a resource that remembers the largest which it saw refuses A for good. (M.
// Kleppmann, "How to do distributed locking", 2016; the sequencers of Chubby, OSDI 2006.)
//
// To ask `admits` and then write is the naive use, and it leaves the same gap again: a larger token may be admitted,
// and its write done, in between. `act` writes while no larger token can come in; use `admits` alone only where the
// write itself is ordered by other means. A token may act as often as it likes; 0 is nobody's.
//
// The memory is not bounded: a name that was forgotten would admit its oldest token again. It grows by one entry per
// name. What must outlive the process is exported before a write is acknowledged and restored before the first one.
// Thread rule: any thread. The function that `act` runs must not call the guard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace gnomon::client {

struct Admission {
  bool admitted = false;
  std::uint64_t highest = 0;  // of the name, after this call; if it was refused, whoever has this one came later
  explicit operator bool() const { return admitted; }
};

/// For one name.
class NameTokenGuard {
 public:
  explicit NameTokenGuard(std::uint64_t highest = 0) : highest_(highest) {}

  [[nodiscard]] Admission admits(std::uint64_t token) {
    const std::lock_guard lock(mutex_);
    return admit(token);
  }
  /// Runs `write` if the token is admitted, and lets no larger one in before it returned.
  template <typename Write>
  Admission act(std::uint64_t token, Write&& write) {
    const std::lock_guard lock(mutex_);
    const Admission admission = admit(token);
    if (admission.admitted) std::forward<Write>(write)();
    return admission;
  }
  [[nodiscard]] std::uint64_t highest() const {
    const std::lock_guard lock(mutex_);
    return highest_;
  }
  /// The larger of what is known and what is told counts.
  void restore(std::uint64_t highest) {
    const std::lock_guard lock(mutex_);
    highest_ = std::max(highest_, highest);
  }

 private:
  Admission admit(std::uint64_t token) {
    const bool admitted = token != 0 && token >= highest_;
    if (admitted) highest_ = token;
    return {admitted, highest_};
  }

  mutable std::mutex mutex_;
  std::uint64_t highest_;
};

/// For any number of names.
class TokenGuard {
 public:
  using Tokens = std::map<std::string, std::uint64_t, std::less<>>;

  [[nodiscard]] Admission admits(std::string_view name, std::uint64_t token) { return guard_of(name).admits(token); }
  template <typename Write>
  Admission act(std::string_view name, std::uint64_t token, Write&& write) {
    return guard_of(name).act(token, std::forward<Write>(write));
  }
  /// 0: nothing was admitted under this name.
  [[nodiscard]] std::uint64_t highest(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    const auto at = guards_.find(name);
    return at == guards_.end() ? 0 : at->second.highest();
  }

  [[nodiscard]] Tokens exported() const {
    const std::lock_guard lock(mutex_);
    Tokens tokens;
    for (const auto& [name, guard] : guards_)
      if (const std::uint64_t highest = guard.highest(); highest != 0) tokens.emplace(name, highest);
    return tokens;
  }
  /// May be called at any time: it never makes a token smaller.
  void restore(const Tokens& tokens) {
    for (const auto& [name, token] : tokens)
      guard_of(name).restore(token);
  }

 private:
  // A guard stays where it is for good, so its own lock is enough while it acts, and one name waits for no other.
  NameTokenGuard& guard_of(std::string_view name) {
    const std::lock_guard lock(mutex_);
    const auto at = guards_.find(name);
    return at != guards_.end() ? at->second : guards_.try_emplace(std::string(name)).first->second;
  }

  mutable std::mutex mutex_;
  std::map<std::string, NameTokenGuard, std::less<>> guards_;
};

}  // namespace gnomon::client
