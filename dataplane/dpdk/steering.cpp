// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/steering.hpp"

#include <rte_byteorder.h>
#include <rte_flow.h>

#include <array>
#include <cstring>
#include <numeric>

namespace gnomon::dataplane::dpdk {
namespace {

// ETH / IPV4|IPV6 dst is ADDRESS / UDP dst is PORT / END, with room for what the items point to.
class Pattern {
 public:
  explicit Pattern(const platform::Endpoint& endpoint) {
    items_[0].type = RTE_FLOW_ITEM_TYPE_ETH;
    if (endpoint.is_v4()) {
      std::memcpy(&ip4_.hdr.dst_addr, endpoint.address.bytes.data() + 12, sizeof ip4_.hdr.dst_addr);
      ip4_mask_.hdr.dst_addr = ~std::uint32_t{0};
      items_[1] = {.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip4_, .last = nullptr, .mask = &ip4_mask_};
    } else {
      std::memcpy(&ip6_.hdr.dst_addr, endpoint.address.bytes.data(), endpoint.address.bytes.size());
      std::memset(&ip6_mask_.hdr.dst_addr, 0xff, sizeof ip6_mask_.hdr.dst_addr);
      items_[1] = {.type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &ip6_, .last = nullptr, .mask = &ip6_mask_};
    }
    udp_.hdr.dst_port = rte_cpu_to_be_16(endpoint.port);
    udp_mask_.hdr.dst_port = 0xffff;
    items_[2] = {.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp_, .last = nullptr, .mask = &udp_mask_};
    items_[3].type = RTE_FLOW_ITEM_TYPE_END;
  }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  [[nodiscard]] const rte_flow_item* items() const { return items_.data(); }

 private:
  std::array<rte_flow_item, 4> items_{};
  rte_flow_item_ipv4 ip4_{};
  rte_flow_item_ipv4 ip4_mask_{};
  rte_flow_item_ipv6 ip6_{};
  rte_flow_item_ipv6 ip6_mask_{};
  rte_flow_item_udp udp_{};
  rte_flow_item_udp udp_mask_{};
};

}  // namespace

bool is_bifurcated(const std::string& driver) { return driver == "mlx5_pci" || driver == "net_mlx4"; }

int isolate(std::uint16_t port) {
  rte_flow_error error{};
  return rte_flow_isolate(port, 1, &error);
}

std::string steer_to_us(std::uint16_t port, const std::vector<platform::Endpoint>& endpoints, std::uint16_t queues,
                        std::uint64_t rss_types) {
  std::vector<std::uint16_t> all(queues);
  std::iota(all.begin(), all.end(), std::uint16_t{0});
  rte_flow_action_rss rss{};
  rss.func = RTE_ETH_HASH_FUNCTION_DEFAULT;
  rss.types = rss_types;
  rss.queue_num = queues;
  rss.queue = all.data();
  const rte_flow_action_queue one{.index = 0};
  std::array<rte_flow_action, 2> actions{};
  if (queues > 1)
    actions[0] = {.type = RTE_FLOW_ACTION_TYPE_RSS, .conf = &rss};
  else
    actions[0] = {.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &one};
  actions[1].type = RTE_FLOW_ACTION_TYPE_END;
  rte_flow_attr attributes{};
  attributes.ingress = 1;

  for (const platform::Endpoint& endpoint : endpoints) {
    const Pattern pattern(endpoint);
    rte_flow_error error{};
    if (rte_flow_create(port, &attributes, pattern.items(), actions.data(), &error) != nullptr) continue;
    return "no rule for " + platform::to_string(endpoint) + ": " +
           (error.message == nullptr ? "the driver does not say why" : error.message);
  }
  return {};
}

}  // namespace gnomon::dataplane::dpdk
