// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/asker.hpp"

#include <stdexcept>

#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {

using support::Bytes;

Asker::Asker(FarEnd& far_end, unsigned queue, const platform::Endpoint& server, const Host& host)
    : far_end_(far_end), queue_(queue), server_(server), host_(host) {
  envelope_ = {.from_mac = host.mac,
               .to_mac = far_end.mac(),
               .from = support::address_of(host.address),
               .to = server.address,
               .tags = host.tags};
}

Bytes Asker::frame(const Bytes& payload) const {
  return support::udp_frame(envelope_, {.from = host_.port, .to = server_.port}, payload);
}

Bytes Asker::request(std::span<const wire::Message> messages) const { return frame(to_bytes(messages)); }

std::vector<wire::Message> Asker::receive() {
  auto messages = receive(FarEnd::kLongEnough);
  if (messages.empty()) throw std::runtime_error("a request was not answered");
  return messages;
}

std::vector<wire::Message> Asker::receive(std::chrono::milliseconds limit) {
  const auto frame = far_end_.receive(queue_, limit);
  if (!frame) return {};
  if (const std::string fault = fault_of_reply(*frame); !fault.empty())
    throw std::runtime_error("not a right reply: " + fault + "; the frame: " + support::to_hex(*frame));
  return to_messages(support::dissect(*frame).payload);
}

wire::Message Asker::ask(const wire::Message& message) {
  send(message);
  const auto messages = receive();
  if (messages.size() != 1) throw std::runtime_error("one message was answered by several");
  return messages.front();
}

std::string Asker::fault_of_reply(const Bytes& frame) const {
  if (std::string fault = support::check_reply_frame(frame); !fault.empty()) return fault;
  const support::Dissection reply = support::dissect(frame);
  if (reply.to != envelope_.from_mac || reply.from != envelope_.to_mac) return "MAC addresses of another conversation";
  if (reply.tags != envelope_.tags) return "another VLAN tag than the request's";
  if (reply.protocol != support::kProtocolUdp) return "no UDP";
  if (reply.source != envelope_.to || reply.destination != envelope_.from) return "addresses of another conversation";
  if (reply.source_port != server_.port || reply.destination_port != host_.port) return "ports of another conversation";
  if (!wire::valid_length(reply.payload.size())) return "a payload that is no number of messages";
  for (std::size_t at = 0; at < reply.payload.size(); at += wire::kMessageSize)
    if (const auto invalid = wire::check_reply(reply.payload.data() + at); invalid != wire::Invalid::kNone)
      return "an invalid message: " + std::string(wire::text_of(invalid));
  return {};
}

}  // namespace gnomon::test
