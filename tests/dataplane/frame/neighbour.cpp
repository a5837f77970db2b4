// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame::testing {
namespace {

using page::Counter;
using support::Bytes;
using support::Envelope;

Bytes unpadded(Bytes frame, std::size_t size) {
  if (frame.size() == support::kLeastFrame) frame.resize(size);
  return frame;
}

void add(std::vector<ValidFrame>& all, const std::string& kind, const Envelope& four, const Envelope& six) {
  const std::size_t l2 = four.tags.empty() ? 14 : 18;
  const Bytes odd = support::text_bytes("abc");
  Envelope probe = six;
  probe.from = {};
  all.push_back({kind + " request over IPv4", request_frame(four), Counter::kDatagrams});
  all.push_back({kind + " request over IPv6", request_frame(six), Counter::kDatagrams});
  all.push_back({kind + " 22 requests over IPv4", request_frame(four, requests(22)), Counter::kDatagrams});
  all.push_back({kind + " 22 requests over IPv6", request_frame(six, requests(22)), Counter::kDatagrams});
  all.push_back({kind + " ARP request", unpadded(support::arp_request_frame(four), l2 + 28), Counter::kArpReplies});
  all.push_back({kind + " echo request", unpadded(support::echo_request_frame(four, 1, 2, odd), l2 + 20 + 8 + 3),
                 Counter::kEchoReplies});
  all.push_back({kind + " ICMPv6 echo request", support::echo_request_frame(six, 1, 2, odd), Counter::kEchoReplies});
  all.push_back({kind + " solicitation", support::solicitation_frame(six), Counter::kNdpReplies});
  support::Solicitation to_host;
  to_host.to_group = false;
  all.push_back({kind + " solicitation to one host", support::solicitation_frame(six, to_host), Counter::kNdpReplies});
  // Of an address that is to be taken, with a nonce (RFC 7527), as Linux asks.
  support::Solicitation dad;
  dad.options = support::from_hex("0e01 0102 0304 0506");
  all.push_back({kind + " probe for an address", support::solicitation_frame(probe, dad), Counter::kNdpReplies});
}

}  // namespace

std::vector<ValidFrame> valid_frames() {
  std::vector<ValidFrame> all;
  add(all, "untagged", to_host4(), to_host6());
  add(all, "tagged", tagged(to_host4()), tagged(to_host6()));
  return all;
}

}  // namespace gnomon::frame::testing
