// SPDX-License-Identifier: Apache-2.0
//
// A Server that answers one-ID requests for ever, in virtual time: 3.2 million requests come in a second of it, so a
// unit of the snowflake layout is opened every millisecond and is never used up. The requests are written anew for
// every burst, as a network card would, and that is part of what is measured (eight stores a message).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/serve/server.hpp"

namespace gnomon::bench {

class ServeLoop {
 public:
  static constexpr std::size_t kDatagrams = 32;

  explicit ServeLoop(serve::AuthRule auth = serve::AuthRule::kExceptLoopback)
      : policy_(policy(auth)), server_(options(), rights_, page_, policy_) {
    request_.op = static_cast<std::uint8_t>(wire::Op::kNextId);
    request_.count = 1;
    request_.format = id::kSnowflake.value;
    mint::RightSet rights;
    rights.generation.value = 1;
    rights.count = 1;
    rights.slots[0] = {{1}, {1}, kStart, kStart + time::seconds(100'000'000)};
    rights_.rights.write(rights);
  }

  /// kDatagrams datagrams of `messages` requests each.
  void burst(std::size_t messages) {
    begin_burst(messages);
    for (std::size_t i = 0; i < kDatagrams; ++i) {
      write_requests(messages);
      replied_ += answer({datagram_.data(), messages * wire::kMessageSize}, kClient, path_);
    }
    end_burst();
  }
  /// What `burst` does besides asking the server: to be subtracted.
  void feed(std::size_t messages) {
    for (std::size_t i = 0; i < kDatagrams; ++i)
      write_requests(messages);
  }

  /// The pieces of a burst, for whoever brings the requests in some other way.
  void begin_burst(std::size_t messages) {
    now_ = now_ + time::microseconds(10) * static_cast<std::int64_t>(messages);
    server_.begin_burst({.mint = {now_, time::seconds(1), {0}},
                         .ordering = mint::OrderingState::kFollowing,
                         .behind_for = {},
                         .uptime = {now_.ns}});
  }
  std::size_t answer(std::span<std::byte> datagram, const serve::Address& source, const serve::ReturnPath& path) {
    return server_.answer(datagram, source, path);
  }
  void end_burst() { replied_ += server_.next_parked(datagram_, path_); }

  [[nodiscard]] page::Counters& counters() { return page_.counters; }
  [[nodiscard]] std::uint64_t ids() { return server_.counters().get(page::Counter::kIds); }
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
  static serve::ServerOptions options() {
    serve::ServerOptions options;
    for (const id::Layout& layout : id::builtin_layouts())
      options.layouts.push_back(layout);
    return options;
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
