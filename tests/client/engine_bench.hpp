// SPDX-License-Identifier: Apache-2.0
//
// An engine on the bench: virtual time, a wire that shows every message, and a transcript of what happened.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/engine.hpp"

namespace gnomon::client::testing {

struct SentMessage {
  LinkId link;
  wire::Message message;
  time::Uptime at;
};

struct Ended {
  std::vector<IdRange> ranges;
  ErrorKind kind = ErrorKind::kTimeout;
  bool ok = false;
  std::string text;
  std::string server;
  time::Duration retry_after;
  time::Uptime at;
};

inline EngineOptions servers(std::size_t count) {
  EngineOptions options;
  for (std::size_t i = 0; i < count; ++i)
    options.servers.push_back({serve::Address::v4(10, 0, 0, static_cast<std::uint8_t>(i + 1)), 14666});
  options.secret = {1, 2, 3};
  return options;
}

class Bench {
 public:
  explicit Bench(const EngineOptions& options) : engine(options, kStart) {}

  static constexpr time::Uptime kStart{1'000'000'000'000};

  void call(std::uint64_t token, std::uint64_t count = 1, time::Duration deadline = time::seconds(2),
            Gather gather = Gather::kOneRange, id::LayoutNumber layout = id::kSnowflake) {
    Call call;
    call.token = token;
    call.count = count;
    call.deadline = now + deadline;
    call.gather = gather;
    call.layout = layout;
    submit(call);
  }
  void submit(const Call& call) {
    engine.submit(now, call, effects);
    settle();
  }

  /// Lets time pass, timers and transmissions included.
  void advance(time::Duration d) {
    const time::Uptime until = now + d;
    while (true) {
      const time::Uptime wake = engine.next_wake();
      if (wake > until) break;
      now = std::max(now, wake);
      engine.tick(now, effects);
      settle();
    }
    now = until;
  }

  /// The answer that a server would give to `sent`.
  static wire::Message answer(const SentMessage& sent, std::uint64_t first, std::uint32_t count) {
    wire::Message reply = sent.message;
    reply.flags |= wire::kFlagReply;
    reply.a = first;
    reply.count = count;
    reply.stride = 1;
    return reply;
  }
  static wire::Message refusal(const SentMessage& sent, wire::Status status, std::uint32_t count = 0) {
    wire::Message reply = sent.message;
    reply.flags |= wire::kFlagReply;
    reply.status = static_cast<std::uint8_t>(status);
    reply.a = 0;
    reply.count = count;
    return reply;
  }
  void deliver(LinkId from, const std::vector<wire::Message>& replies) {
    std::vector<std::byte> bytes(replies.size() * wire::kMessageSize);
    for (std::size_t i = 0; i < replies.size(); ++i)
      wire::store(replies[i], bytes.data() + i * wire::kMessageSize);
    engine.receive(now, from, bytes, effects);
    settle();
  }
  void fail_link(LinkId link, LinkFault fault) {
    engine.link_failed(now, link, fault, effects);
    settle();
  }

  /// Takes in effects and transmits until nothing more comes.
  void settle() {
    do {
      for (const Burst& burst : effects.bursts)
        take_burst(burst);
      effects.bursts.clear();
      effects.bytes.clear();
      for (Outcome& outcome : effects.outcomes)
        take_outcome(outcome);
      effects.outcomes.clear();
      if (!held) engine.transmit(now, effects);
    } while (!effects.bursts.empty() || !effects.outcomes.empty());
  }

  [[nodiscard]] const SentMessage& last() const { return sent.back(); }
  /// Which servers were asked, in order: "A B A".
  [[nodiscard]] std::string route() const {
    std::string text;
    for (const SentMessage& message : sent) {
      if (!text.empty()) text += ' ';
      text += static_cast<char>('A' + message.link.server);
    }
    return text;
  }

  Engine engine;
  Effects effects;
  time::Uptime now = kStart;
  bool held = false;  // submissions pile up untransmitted
  std::vector<SentMessage> sent;
  std::vector<std::size_t> datagrams;  // messages in each
  std::map<std::uint64_t, Ended> ended;
  std::map<std::uint64_t, int> endings;
  std::vector<Answer> answers;

 private:
  void take_burst(const Burst& burst) {
    for (std::size_t at = 0; at < burst.length; at += wire::kMessageSize)
      sent.push_back({burst.link, wire::load(effects.bytes.data() + burst.offset + at), now});
    for (std::size_t at = 0; at < burst.length; at += wire::kMaxDatagram)
      datagrams.push_back(std::min(wire::kMaxDatagram, burst.length - at) / wire::kMessageSize);
  }
  void take_outcome(const Outcome& outcome) {
    Ended& end = ended[outcome.token];
    if (outcome.range.count > 0) end.ranges.push_back(outcome.range);
    if (outcome.answer) answers.push_back(*outcome.answer);
    if (!outcome.last) return;
    ++endings[outcome.token];
    end.at = now;
    end.ok = outcome.error == nullptr;
    if (end.ok) return;
    end.kind = outcome.error->kind;
    end.text = outcome.error->text;
    end.server = outcome.error->server;
    end.retry_after = outcome.error->retry_after;
  }
};

}  // namespace gnomon::client::testing
