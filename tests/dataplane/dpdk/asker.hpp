// SPDX-License-Identifier: Apache-2.0
//
// A host that asks over a port, and judges every frame that comes back: is it one that a careful host would send, and
// did it go to whoever asked, from whom was asked?
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "oracle/serve/source.hpp"
#include "oracle/wire/message.hpp"
#include "platform/endpoint.hpp"
#include "tests/dataplane/dpdk/far_end.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::test {

struct Host {
  support::Mac mac{0x02, 0, 0, 0, 0, 0x99};
  std::string address = "10.9.0.2";  // its family is that of the server's address
  std::uint16_t port = 40'000;
  std::vector<std::uint16_t> tags{};
};

class Asker {
 public:
  /// Speaks through one queue of what is behind the served port.
  Asker(FarEnd& far_end, unsigned queue, const platform::Endpoint& server, const Host& host = {});

  [[nodiscard]] const Host& host() const { return host_; }
  [[nodiscard]] const support::Envelope& envelope() const { return envelope_; }
  [[nodiscard]] const platform::Endpoint& server() const { return server_; }

  /// The frame of a request with these messages.
  [[nodiscard]] support::Bytes request(std::span<const wire::Message> messages) const;
  [[nodiscard]] support::Bytes request(const wire::Message& message) const { return request(std::span(&message, 1)); }
  [[nodiscard]] support::Bytes frame(const support::Bytes& payload) const;

  void send(std::span<const wire::Message> messages) { far_end_.send(queue_, request(messages)); }
  void send(const wire::Message& message) { send(std::span(&message, 1)); }
  /// The messages of the next frame that the queue gives out, which must be a right reply to this host: throws
  /// std::runtime_error otherwise, or if none comes.
  [[nodiscard]] std::vector<wire::Message> receive();
  /// The same, but no messages if no frame comes in time.
  [[nodiscard]] std::vector<wire::Message> receive(std::chrono::milliseconds limit);
  [[nodiscard]] wire::Message ask(const wire::Message& message);

  /// What is wrong with a frame as a reply to this host; empty if nothing is.
  [[nodiscard]] std::string fault_of_reply(const support::Bytes& frame) const;

 private:
  FarEnd& far_end_;
  unsigned queue_;
  platform::Endpoint server_;
  Host host_;
  support::Envelope envelope_;
};

}  // namespace gnomon::test
