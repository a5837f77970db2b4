// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/port.hpp"

#include <net/if.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port_clocks.hpp"
#include "dataplane/dpdk/steering.hpp"
#include "dataplane/frame/station.hpp"
#include "oracle/wire/message.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

using platform::SystemError;

constexpr std::uint64_t kReceiveChecksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t kSendChecksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
constexpr std::uint64_t kSpread = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;
// What the largest datagram needs: IPv6, UDP, 22 messages.
constexpr unsigned kLeastMtu = frame::ip6::kHeader + frame::udp::kHeader + wire::kMaxDatagram;

rte_ether_addr solicited_group(const serve::Address& address) {
  return {{0x33, 0x33, 0xff, address.bytes[13], address.bytes[14], address.bytes[15]}};
}

std::string text_of(const frame::Mac& mac) {
  std::array<char, 18> text{};
  (void)std::snprintf(text.data(), text.size(), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                      mac[5]);
  return text.data();
}

std::string_view text_of(Port::State state) {
  switch (state) {
    case Port::State::kDown: return "down";
    case Port::State::kUp: return "up";
    case Port::State::kGone: return "gone";
  }
  return "unknown";
}

}  // namespace

tl::expected<std::unique_ptr<Port>, SystemError> Port::open(const Device& device, Eal& eal) {
  const auto id = attach(device, eal);
  if (!id) return tl::make_unexpected(id.error());
  std::unique_ptr<Port> port(new Port);
  port->device_ = device;
  port->id_ = *id;
  if (const int code = rte_eth_dev_info_get(*id, &port->info_); code != 0)
    return tl::make_unexpected(port->error("ask what it can do", code));
  rte_ether_addr mac{};
  if (const int code = rte_eth_macaddr_get(*id, &mac); code != 0)
    return tl::make_unexpected(port->error("learn its MAC address", code));
  std::copy_n(mac.addr_bytes, port->mac_.size(), port->mac_.begin());
  port->driver_ = port->info_.driver_name == nullptr ? "unknown" : port->info_.driver_name;
  port->numa_node_ = rte_eth_dev_socket_id(*id);
  std::array<char, IF_NAMESIZE> name{};
  // A tap's interface is made by the port itself, lives as long as it, and may be moved to another network namespace.
  const bool borrowed = port->info_.if_index != 0 && port->driver_ != "net_tap";
  if (borrowed && ::if_indextoname(port->info_.if_index, name.data()) != nullptr) port->interface_ = name.data();
  if (port->max_queues() == 0)
    return tl::make_unexpected(port->error("use it: it has no pair of a receive and a transmit queue", ENOTSUP));
  return port;
}

Port::~Port() {
  const bool gone = removed_.load(std::memory_order_relaxed);
  withdraw_clock(device_.name);
  if (configured_) (void)rte_eth_dev_callback_unregister(id_, RTE_ETH_EVENT_INTR_RMV, &Port::on_removal, this);
  // Not while a driver frees the same things there: memif does when its peer hangs up, without a lock.
  await_interrupt_thread();
  if (started_ && !gone) (void)rte_eth_dev_stop(id_);
  await_interrupt_thread();
  if (!gone) (void)rte_eth_dev_close(id_);
  remove_dead_socket(listening_socket_of(device_));
}

unsigned Port::max_queues() const {
  const unsigned pairs = std::min(info_.max_rx_queues, info_.max_tx_queues);
  return std::min(pairs, static_cast<unsigned>(page::kMaxWorkers));
}

void Port::note(std::string name, std::string state, std::string remark) {
  capabilities_.push_back({std::move(name), std::move(state), std::move(remark)});
}

SystemError Port::error(const std::string& what, int code) const {
  code = code < 0 ? -code : code;
  return {code,
          "port " + device_.name + " (" + driver_ + "): cannot " + what + ": " + std::generic_category().message(code)};
}

tl::expected<void, SystemError> Port::start(const PortOptions& options,
                                            const std::vector<platform::Endpoint>& endpoints,
                                            const std::vector<rte_mempool*>& pools, Eal& eal) {
  queues_ = static_cast<std::uint16_t>(pools.size());
  eal.forget_log();
  const auto with_log = [&](SystemError failed) {
    const std::string logged = eal.logged();
    failed.text += logged;
    // A card was opened before: it is bound as it should be.
    if (!device_.is_pci && (failed.code == EPERM || failed.code == EACCES || !logged.empty()))
      failed.text += remedy_for(device_, failed.code, logged);
    return tl::make_unexpected(std::move(failed));
  };
  const bool steered =
      options.steering == Steering::kOn || (options.steering == Steering::kAuto && is_bifurcated(driver_));
  const int not_isolated = steered ? isolate(id_) : 0;
  if (not_isolated != 0 && options.steering == Steering::kOn)
    return with_log(error("leave other traffic to the kernel (dpdk.steering): set it to auto or off", not_isolated));
  if (auto done = configure(queues_); !done) return with_log(done.error());
  if (auto done = set_up_queues(options, pools); !done) return with_log(done.error());
  if (const int code = rte_eth_dev_start(id_); code != 0) {
    SystemError failed = error("start it", code);
    if (device_.name.starts_with("net_memif") && listening_socket_of(device_).empty())
      failed.text += "; a memif client needs its server: start that first";
    return with_log(std::move(failed));
  }
  started_ = true;
  if (not_isolated != 0) {
    const std::string reason = std::generic_category().message(-not_isolated);
    note("steering", "absent", "all that arrives for its MAC address comes here, and not to the kernel: " + reason);
    remarks_.push_back("port " + device_.name + ": the card can't leave other traffic to the kernel (" + reason +
                       "), so the kernel gets none through it; check the firmware, or set dpdk.steering = \"off\"");
  } else if (steered) {
    if (auto done = steer(options, endpoints); !done) return with_log(done.error());
  } else {
    note("steering", "off", "all that arrives comes here; the kernel has no part in this port");
  }
  filter(endpoints);
  if (auto done = show_clock(); !done) {
    done.error().text += eal.logged();
    return done;
  }
  (void)look();
  return {};
}

// Only on request: timesync sets most clocks to zero, and has the card look at every frame for PTP.
tl::expected<void, SystemError> Port::show_clock() {
  if (!clock_is_wanted(device_.name)) return {};
  auto clock = Timesync::enable(id_, device_.name + " (" + driver_ + ")");
  if (!clock) {
    const int code = clock.error().fault == PortClockFault::kUnsupported ? ENOTSUP : EIO;
    return tl::make_unexpected(SystemError{code, clock.error().text});
  }
  offer_clock(device_.name, std::move(*clock));
  note("clock (timesync)", "on");
  return {};
}

tl::expected<void, SystemError> Port::configure(std::uint16_t queues) {
  rte_eth_conf conf{};
  conf.rxmode.offloads = info_.rx_offload_capa & kReceiveChecksums;
  // ice enables timesync with this only.
  if (clock_is_wanted(device_.name)) conf.rxmode.offloads |= info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  const bool ip = (info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0;
  const bool udp = (info_.rx_offload_capa & RTE_ETH_RX_OFFLOAD_UDP_CKSUM) != 0;
  makes_checksums_ = (info_.tx_offload_capa & kSendChecksums) == kSendChecksums;
  if (makes_checksums_) conf.txmode.offloads |= kSendChecksums;
  // Allowed because each queue sends buffers of one pool only, and nobody else holds a reference to them.
  const bool fast_free = (info_.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE) != 0;
  if (fast_free) conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  const std::uint64_t spread = info_.flow_type_rss_offloads & kSpread;
  if (queues > 1 && spread != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = spread;
  }
  const std::uint32_t flags = info_.dev_flags == nullptr ? 0 : *info_.dev_flags;
  conf.intr_conf.rmv = (flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1U : 0U;
  if (const int code = rte_eth_dev_configure(id_, queues, queues, &conf); code != 0)
    return tl::make_unexpected(error("configure " + std::to_string(queues) + " queue pairs", code));
  configured_ = true;
  (void)rte_eth_dev_callback_register(id_, RTE_ETH_EVENT_INTR_RMV, &Port::on_removal, this);

  note("receive IPv4 checksum", ip ? "offload" : "software");
  note("receive UDP checksum", udp ? "offload" : "software");
  note("send IPv4 checksum", makes_checksums_ ? "offload" : "software");
  note("send UDP checksum", makes_checksums_ ? "offload" : "software");
  note("fast free of buffers", fast_free ? "on" : "absent");
  note("spreading by flow (RSS)",
       queues == 1   ? "off"
       : spread != 0 ? "offload"
                     : "absent",
       queues > 1 && spread == 0 ? "whoever sends into its queues decides which worker answers" : "");
  note("removal events", conf.intr_conf.rmv != 0 ? "on" : "absent",
       interface_.empty() ? "" : "the interface is looked at");
  return {};
}

tl::expected<Descriptors, SystemError> Port::descriptors(const PortOptions& options) const {
  Descriptors out{.rx = static_cast<std::uint16_t>(options.rx_descriptors),
                  .tx = static_cast<std::uint16_t>(options.tx_descriptors)};
  if (const int code = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &out.rx, &out.tx); code != 0)
    return tl::make_unexpected(
        error("agree on the number of descriptors (dpdk.rx_descriptors, dpdk.tx_descriptors)", code));
  return out;
}

tl::expected<void, SystemError> Port::set_up_queues(const PortOptions& options,
                                                    const std::vector<rte_mempool*>& pools) {
  const auto agreed = descriptors(options);
  if (!agreed) return tl::make_unexpected(agreed.error());
  const auto [rx, tx] = *agreed;
  if (rx != options.rx_descriptors || tx != options.tx_descriptors)
    remarks_.push_back("port " + device_.name + " has " + std::to_string(rx) + " receive and " + std::to_string(tx) +
                       " transmit descriptors per queue: its driver takes no other number");
  note("descriptors", std::to_string(rx) + "/" + std::to_string(tx), "per receive and transmit queue");
  set_mtu(options.mtu);
  const auto node = static_cast<unsigned>(numa_node_);
  for (std::uint16_t queue = 0; queue < queues_; ++queue) {
    if (const int code = rte_eth_rx_queue_setup(id_, queue, rx, node, nullptr, pools[queue]); code != 0)
      return tl::make_unexpected(error("set up receive queue " + std::to_string(queue), code));
    if (const int code = rte_eth_tx_queue_setup(id_, queue, tx, node, nullptr); code != 0)
      return tl::make_unexpected(error("set up transmit queue " + std::to_string(queue), code));
  }
  return {};
}

void Port::set_mtu(unsigned wanted) {
  std::uint16_t mtu = 0;
  (void)rte_eth_dev_get_mtu(id_, &mtu);
  if (mtu != wanted && rte_eth_dev_set_mtu(id_, static_cast<std::uint16_t>(wanted)) == 0)
    (void)rte_eth_dev_get_mtu(id_, &mtu);
  mtu = std::min(mtu, interface_mtu());  // drivers on an interface of the kernel may not know of it
  std::string remark;
  if (mtu < kLeastMtu) {
    const unsigned headers = frame::ip6::kHeader + frame::udp::kHeader;
    const std::size_t messages = mtu > headers ? (mtu - headers) / wire::kMessageSize : 0;
    remark = "datagrams of more than " + std::to_string(messages) + " messages don't arrive";
    remarks_.push_back("port " + device_.name + " has an MTU of " + std::to_string(mtu) + ": " + remark +
                       "; raise it to 1500 on this port and along the path");
  }
  note("MTU", std::to_string(mtu), std::move(remark));
}

tl::expected<void, SystemError> Port::steer(const PortOptions& options,
                                            const std::vector<platform::Endpoint>& endpoints) {
  const std::string refused = steer_to_us(id_, endpoints, queues_, info_.flow_type_rss_offloads & kSpread);
  if (refused.empty()) {
    note("steering", "on", "only requests come here; the kernel answers ARP, NDP and ping");
    return {};
  }
  if (options.steering == Steering::kOn)
    return tl::make_unexpected(error("steer requests to it (dpdk.steering): " + refused, ENOTSUP));
  note("steering", "absent", refused);
  remarks_.push_back("port " + device_.name + ": requests can't be steered (" + refused +
                     "); check the firmware, or set dpdk.steering = \"off\"");
  return {};
}

// Nobody else's traffic, but the groups that solicitations of our addresses go to.
void Port::filter(const std::vector<platform::Endpoint>& endpoints) {
  (void)rte_eth_promiscuous_disable(id_);
  const bool promiscuous = rte_eth_promiscuous_get(id_) == 1;
  note("promiscuous", promiscuous ? "on" : "off",
       promiscuous ? "the driver can't do without; other MAC addresses are dropped" : "");
  std::vector<rte_ether_addr> groups;
  for (const platform::Endpoint& endpoint : endpoints)
    if (!endpoint.is_v4()) groups.push_back(solicited_group(endpoint.address));
  if (groups.empty()) {
    note("multicast filter", "unused", "no IPv6 address");
    return;
  }
  if (rte_eth_dev_set_mc_addr_list(id_, groups.data(), static_cast<std::uint32_t>(groups.size())) == 0) {
    note("multicast filter", "on");
  } else if (rte_eth_allmulticast_enable(id_) == 0) {
    note("multicast filter", "off", "all groups come in");
  } else {
    note("multicast filter", "absent");
    if (!promiscuous)
      remarks_.push_back("port " + device_.name +
                         ": its driver can't join multicast groups; if neighbour solicitations don't arrive, IPv6 "
                         "clients need a static neighbour entry");
  }
}

int Port::on_removal(std::uint16_t /*port*/, rte_eth_event_type /*event*/, void* self, void* /*unused*/) {
  static_cast<Port*>(self)->removed_.store(true, std::memory_order_relaxed);
  return 0;
}

// Asks the kernel about the interface that the port stands on.
bool Port::ask_kernel(unsigned long question, ifreq& answer) const {
  const platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  answer = {};
  std::memcpy(answer.ifr_name, interface_.data(), std::min(interface_.size(), sizeof answer.ifr_name - 1));
  return fd.valid() && ::ioctl(fd.get(), question, &answer) == 0;
}

std::uint16_t Port::interface_mtu() const {
  constexpr int kMost = 0xffff;
  ifreq answer{};
  if (interface_.empty() || !ask_kernel(SIOCGIFMTU, answer)) return kMost;
  return static_cast<std::uint16_t>(std::clamp(answer.ifr_mtu, 0, kMost));
}

// Drivers on top of an interface of the kernel often say "up" whatever becomes of it.
bool Port::interface_is_up() const {
  constexpr int kRuns = IFF_UP | IFF_RUNNING;
  ifreq answer{};
  return ask_kernel(SIOCGIFFLAGS, answer) && (answer.ifr_flags & kRuns) == kRuns;
}

bool Port::look() {
  if (state() == State::kGone) return false;  // for good: the workers have given it up
  State now = State::kDown;
  std::array<char, IF_NAMESIZE> name{};
  rte_eth_link link{};
  const bool borrowed = !interface_.empty();
  const bool named = borrowed && ::if_indextoname(info_.if_index, name.data()) != nullptr;
  const bool vanished = borrowed && !named && (errno == ENXIO || errno == ENODEV);
  if (removed_.load(std::memory_order_relaxed) || vanished) {
    now = State::kGone;
    withdraw_clock(device_.name);
  } else if (borrowed && !named) {
    return false;  // nobody knows, for want of a file descriptor: the next look may
  } else if (rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP) {
    if (borrowed) interface_ = name.data();  // it may have been renamed
    now = !borrowed || interface_is_up() ? State::kUp : State::kDown;
  }
  return state_.exchange(now, std::memory_order_relaxed) != now;
}

PortReport Port::report(std::uint32_t index) const {
  PortReport out;
  const State now = state();
  out.index = index;
  out.device = device_.name;
  out.driver = driver_;
  out.mac = dpdk::text_of(mac_);
  out.state = dpdk::text_of(now);
  out.queues = queues_;
  out.max_queues = max_queues();
  out.numa_node = numa_node_;
  out.capabilities = capabilities_;
  if (now == State::kGone) return out;
  rte_eth_link link{};
  if (rte_eth_link_get_nowait(id_, &link) == 0 && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
    out.speed_mbps = link.link_speed;
  std::uint16_t mtu = 0;
  if (rte_eth_dev_get_mtu(id_, &mtu) == 0) out.mtu = mtu;
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return out;
  out.rx_frames = stats.ipackets;
  out.tx_frames = stats.opackets;
  out.rx_bytes = stats.ibytes;
  out.tx_bytes = stats.obytes;
  out.rx_missed = stats.imissed;
  out.rx_errors = stats.ierrors;
  out.rx_no_buffer = stats.rx_nombuf;
  out.tx_errors = stats.oerrors;
  std::uint64_t told = 0;
  for (std::uint16_t queue = 0; queue < std::min<std::uint16_t>(queues_, RTE_ETHDEV_QUEUE_STAT_CNTRS); ++queue) {
    out.per_queue.push_back({.rx_frames = stats.q_ipackets[queue], .tx_frames = stats.q_opackets[queue]});
    told += stats.q_ipackets[queue] + stats.q_opackets[queue];
  }
  if (told == 0 && stats.ipackets + stats.opackets != 0) out.per_queue.clear();  // the driver keeps totals only
  return out;
}

}  // namespace gnomon::dataplane::dpdk
