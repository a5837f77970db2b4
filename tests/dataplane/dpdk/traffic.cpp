// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/traffic.hpp"

#include <chrono>
#include <span>

#include "oracle/id/layout.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/bad_frames.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

constexpr std::uint16_t kVlan = 7;

std::uint16_t field16(std::span<const std::byte> frame, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(frame[at]) << 8 |
                                    std::to_integer<unsigned>(frame[at + 1]));
}

// Messages with status ok in a frame, 0 in one that is no reply of the server. Quick: dissect (frames.hpp) judges
// frames elsewhere.
std::uint64_t served_in(std::span<const std::byte> frame) {
  std::size_t at = field16(frame, 12) == 0x8100 ? 16 : 12;
  const std::uint16_t type = field16(frame, at);
  at += 2;
  const std::size_t protocol = at + (type == support::kTypeIpv4 ? 9 : 6);
  if (type == support::kTypeArp || std::to_integer<std::uint8_t>(frame[protocol]) != support::kProtocolUdp) return 0;
  std::uint64_t served = 0;
  for (at += type == support::kTypeIpv4 ? 28 : 48; at + wire::kMessageSize <= frame.size(); at += wire::kMessageSize)
    served += wire::load(frame.data() + at).status == 0 ? 1 : 0;
  return served;
}

}  // namespace

Traffic::Traffic(Wire& wire) : wire_(wire) {
  const std::vector<Asker> askers{Asker(wire, 0, endpoint(kServer4)),
                                  Asker(wire, 0, endpoint(kServer4), {.tags = {kVlan}}),
                                  Asker(wire, 0, endpoint(kServer6), {.address = "fd00:9::2"}),
                                  Asker(wire, 0, endpoint(kServer6), {.address = "fd00:9::2", .tags = {kVlan}})};
  for (const Asker& asker : askers) {
    for (std::uint64_t i = 0; i < 8; ++i)
      requests_.push_back(asker.request(next_id(i, 1, i % 2 == 0 ? id::kSnowflake.value : id::kInstagram.value)));
    const std::vector<wire::Message> full(wire::kMaxMessages, next_id(9));
    requests_.push_back(asker.request(full));
    requests_.push_back(asker.request(next_id(10, 128, id::kJs53.value)));  // all of a unit: the next one has to wait
  }
  for (const Kind& kind : bad_frames(askers[0], askers[2], kVlan))
    if (kind.pieces == 1) others_.insert(others_.end(), kind.frames.begin(), kind.frames.end());
}

void Traffic::run(std::uint64_t n) {
  const std::uint64_t wanted = served_ + n;
  auto until = std::chrono::steady_clock::now() + kPatience;
  while (served_ < wanted && std::chrono::steady_clock::now() < until) {
    const std::uint64_t before = served_;
    for (int i = 0; i < 64 && send_one(); ++i) {
    }
    take_all();
    if (served_ != before) until = std::chrono::steady_clock::now() + kPatience;
  }
}

// False if there is no room for it.
bool Traffic::send_one() {
  const auto& from = random_() % 4 == 0 ? others_ : requests_;
  rte_mbuf* one = wire_.buffer(0, from[random_() % from.size()]);
  if (one == nullptr) return false;
  if (wire_.put(0, std::span(&one, 1)) == 1) return true;
  rte_pktmbuf_free(one);
  return false;
}

void Traffic::take_all() {
  while (const unsigned n = wire_.take(0, taken_)) {
    for (unsigned i = 0; i < n; ++i)
      served_ += served_in(bytes_of(taken_[i]));
    rte_pktmbuf_free_bulk(taken_.data(), n);
  }
}

}  // namespace gnomon::test
