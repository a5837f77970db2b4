// SPDX-License-Identifier: Apache-2.0
//
// What the clients of a chaos run were answered, and when, by one clock.
//
// Everything runs on one machine, so there is one clock that all of it can be held against, and which no daemon here is
// asked about: that of the machine. A client reads it before it asks and after it was answered. Then "this answer was
// there before that question was put" is a fact and not an estimate, whoever the two clients were.
//
// What `first` and `last` of an answer mean depends on its kind:
//
//   id, batch    the range of IDs, both ends included; `domain` is its layout, and the right if a reply named it
//   hlc          the timestamp that was handed over, and the one that came back; `domain` is the chain (time_clients)
//   now          earliest and latest, TAI ns
//   commit       the timestamp, twice; `answered` is when its commit-wait returned
//   lease        the token, twice; `domain` is the name
//
// Compact, since a run of twenty minutes has millions: 48 bytes each, in the memory of the client that was answered.
// Thread rule: a Diary belongs to one thread, which writes; any thread may ask `last_served`.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/support/lease_history.hpp"

namespace gnomon::chaos {

/// TAI - UTC since 2017, by the list of leap seconds that the daemons of a run are given, too.
constexpr time::Duration kTaiAheadOfUtc = time::seconds(37);

/// The true time of a run.
[[nodiscard]] inline time::Tai true_now() {
  timespec t{};
  clock_gettime(CLOCK_REALTIME, &t);
  return time::Tai{t.tv_sec * 1'000'000'000 + t.tv_nsec} + kTaiAheadOfUtc;
}

enum class Kind : std::uint8_t { kId, kBatch, kHlc, kNow, kCommit, kLease };
inline constexpr std::array kKinds{Kind::kId, Kind::kBatch, Kind::kHlc, Kind::kNow, Kind::kCommit, Kind::kLease};
[[nodiscard]] std::string_view text_of(Kind kind);
/// What is counted: "IDs one by one" and the like.
[[nodiscard]] std::string_view what_of(Kind kind);

constexpr std::uint8_t kSomeDaemon = 255;  // the client library chose, and does not tell

struct Answer {
  time::Tai asked{};
  time::Tai answered{};
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t domain = 0;
  Kind kind = Kind::kId;
  std::uint8_t daemon = kSomeDaemon;

  /// IDs, or one.
  [[nodiscard]] std::uint64_t amount() const {
    return kind == Kind::kId || kind == Kind::kBatch ? last - first + 1 : 1;
  }
};

/// Of IDs: their layout, and the right that issued them where a reply names it.
[[nodiscard]] constexpr std::uint64_t id_domain(std::uint16_t layout, std::uint16_t machine = 0,
                                                std::uint32_t token = 0) {
  return std::uint64_t{layout} << 48 | std::uint64_t{machine} << 32 | token;
}
[[nodiscard]] constexpr std::uint16_t layout_of(std::uint64_t domain) {
  return static_cast<std::uint16_t>(domain >> 48);
}
[[nodiscard]] constexpr std::uint16_t machine_of(std::uint64_t domain) {
  return static_cast<std::uint16_t>(domain >> 32);
}
[[nodiscard]] constexpr std::uint32_t token_of(std::uint64_t domain) { return static_cast<std::uint32_t>(domain); }

struct ClientHistory {
  std::string client{};
  std::vector<Answer> answers{};  // in the order of receipt
  std::map<std::pair<Kind, std::string>, std::uint64_t> refusals{};
  std::vector<support::LeaseLine> lease_lines{};
  std::uint64_t guarded_writes = 0;  // under a lease, at a resource that remembers tokens
  std::uint64_t fenced_writes = 0;   // those that the resource refused
};
using Histories = std::vector<ClientHistory>;

class Diary {
 public:
  explicit Diary(std::string client) { history_.client = std::move(client); }
  Diary(const Diary&) = delete;
  Diary& operator=(const Diary&) = delete;

  void served(const Answer& answer) {
    history_.answers.push_back(answer);
    // Relaxed: a figure for who waits for service; the history itself is read after the thread was joined.
    if (answer.asked.ns > last_asked_.load(std::memory_order_relaxed))
      last_asked_.store(answer.asked.ns, std::memory_order_relaxed);
  }
  void refused(Kind kind, std::string_view reason, std::uint64_t times = 1) {
    if (times != 0) history_.refusals[{kind, std::string(reason)}] += times;
  }
  void acted(const support::LeaseLine& line) { history_.lease_lines.push_back(line); }
  void wrote(bool admitted) {
    ++history_.guarded_writes;
    if (!admitted) ++history_.fenced_writes;
  }

  [[nodiscard]] const std::string& client() const { return history_.client; }
  /// When the newest question was put that was answered.
  [[nodiscard]] time::Tai last_served() const { return {last_asked_.load(std::memory_order_relaxed)}; }
  /// After its thread was joined.
  [[nodiscard]] ClientHistory take() { return std::move(history_); }

 private:
  ClientHistory history_;
  std::atomic<std::int64_t> last_asked_{0};
};

}  // namespace gnomon::chaos
