// SPDX-License-Identifier: Apache-2.0
//
// A Server that answers requests of one kind for ever, one-ID requests if nothing else is asked for, in virtual time:
// 3.2 million requests come in a second of it, so a unit of the snowflake layout is opened every millisecond and is
// never used up. The requests are written anew for every burst, as a network card would, and that is part of what is
// measured (eight stores a message).
//
// Beside them commit-waits may be parked. They wait in the same virtual time, of which a burst of one-message datagrams
// is 10 us; who takes care that nobody's t comes near measures what a crowd costs that only waits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/serve/server.hpp"

namespace gnomon::bench {

struct ServeLoopOptions {
  wire::Op asks_for = wire::Op::kNextId;  // a commit-wait is on a t that has passed
  serve::AuthRule auth = serve::AuthRule::kExceptLoopback;
  std::uint32_t commit_wait_limit = 16;  // of those parked
};

class ServeLoop {
 public:
  static constexpr std::size_t kDatagrams = 32;
  static constexpr time::Duration kBurst = time::microseconds(10);  // for each message of a datagram
  static constexpr time::Duration kMaxWait = time::seconds(1);

  explicit ServeLoop(const ServeLoopOptions& options = {})
      : policy_(policy(options.auth)),
        server_(server_options(options), rights_, page_, policy_),
        request_(request(options.asks_for)) {
    mint::RightSet rights;
    rights.generation.value = 1;
    rights.count = 1;
    rights.slots[0] = {{1}, {1}, kStart, kStart + time::seconds(100'000'000)};
    rights_.rights.write(rights);
  }

  /// kDatagrams datagrams of `messages` requests each.
  void burst(std::size_t messages) {
    begin_burst(messages);
    answer_all(messages);
    end_burst();
  }
  /// What `burst` does besides asking the server: to be subtracted.
  void feed(std::size_t messages) {
    for (std::size_t i = 0; i < kDatagrams; ++i)
      write_requests(messages);
  }

  /// The pieces of a burst, for whoever brings the requests in some other way.
  void begin_burst(std::size_t messages) { begin_burst_after(kBurst * static_cast<std::int64_t>(messages)); }
  void begin_burst_after(time::Duration passed) {
    now_ = now_ + passed;
    server_.begin_burst({.mint = {now_, time::seconds(1), {0}},
                         .ordering = mint::OrderingState::kFollowing,
                         .behind_for = {},
                         .uptime = {now_.ns},
                         .truth = truth()});
  }
  void answer_all(std::size_t messages) {
    for (std::size_t i = 0; i < kDatagrams; ++i) {
      write_requests(messages);
      replied_ += answer({datagram_.data(), messages * wire::kMessageSize}, kClient, path_);
    }
  }
  std::size_t answer(std::span<std::byte> datagram, const serve::Address& source, const serve::ReturnPath& path) {
    return server_.answer(datagram, source, path);
  }
  void end_burst() { replied_ += server_.next_parked(datagram_, path_); }

  /// A commit-wait on a t that is `ahead` of the earlier end of the burst's interval, at most kMaxWait.
  void ask_commit_wait(time::Duration ahead) {
    wire::Message message = request(wire::Op::kCommitWait);
    message.a = static_cast<std::uint64_t>((truth().earliest + ahead).ns);
    wire::store(message, datagram_.data());
    replied_ += answer({datagram_.data(), wire::kMessageSize}, kClient, path_);
  }
  /// Answers all whose wait is over, as a worker does at the end of a burst.
  void release() {
    while (const std::size_t bytes = server_.next_parked(datagram_, path_))
      replied_ += bytes;
  }
  /// `n` commit-waits on t's evenly spread from `nearest` ahead up to `furthest`.
  void park(std::uint32_t n, time::Duration nearest, time::Duration furthest) {
    begin_burst_after({});
    for (std::uint32_t i = 0; i < n; ++i)
      ask_commit_wait(nearest + time::Duration{(furthest - nearest).ns * i / n});
    release();
  }
  [[nodiscard]] std::size_t parked() const { return server_.parked(); }

  [[nodiscard]] page::Counters& counters() { return page_.counters; }
  [[nodiscard]] std::uint64_t ids() { return count(page::Counter::kIds); }
  [[nodiscard]] std::uint64_t count(page::Counter counter) { return server_.counters().get(counter); }
  [[nodiscard]] std::uint64_t bytes_replied() const { return replied_; }

 private:
  static constexpr time::SmearedUtc kStart{1'767'225'600'000'000'000};
  static constexpr serve::Address kClient = serve::Address::v4(127, 0, 0, 1);

  [[gnu::noinline]] void write_requests(std::size_t messages) {
    for (std::size_t k = 0; k < messages; ++k)
      wire::store(request_, datagram_.data() + k * wire::kMessageSize);
  }

  static serve::AccessPolicy policy(serve::AuthRule auth) {
    serve::AccessPolicy policy;
    policy.auth = auth;
    return policy;
  }
  static serve::ServerOptions server_options(const ServeLoopOptions& asked) {
    serve::ServerOptions options;
    for (const id::Layout& layout : id::builtin_layouts())
      options.layouts.push_back(layout);
    options.commit_wait_limit = asked.commit_wait_limit;
    options.max_commit_wait = kMaxWait;
    return options;
  }
  static wire::Message request(wire::Op op) {
    wire::Message message;
    message.op = static_cast<std::uint8_t>(op);
    if (op == wire::Op::kNextId) {
      message.count = 1;
      message.format = id::kSnowflake.value;
    }
    if (op == wire::Op::kCommitWait) message.a = 1;
    return message;
  }
  // TAI, 37 s ahead of UTC, to within 10 us.
  [[nodiscard]] time::Interval truth() const {
    const time::Tai tai{now_.ns + time::seconds(37).ns};
    return {tai - time::microseconds(10), tai + time::microseconds(10)};
  }

  page::RightsRecord rights_;
  page::WorkerPage page_;
  serve::AccessPolicy policy_;
  serve::Server server_;
  serve::ReturnPath path_;
  time::SmearedUtc now_ = kStart;
  wire::Message request_;
  std::uint64_t replied_ = 0;
  alignas(64) std::array<std::byte, wire::kMaxDatagram> datagram_{};
};

}  // namespace gnomon::bench
