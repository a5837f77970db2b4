// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/assembly.hpp"

#include <fmt/core.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "cmd/gnomond/log.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/estate.hpp"
#include "oracle/id/codec.hpp"
#include "platform/random.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {
namespace {

constexpr time::Duration kYear = time::seconds(31'556'952);

/// Whether a UDP socket can be bound to [::1] here.
bool host_has_ipv6() {
  const platform::UniqueFd fd(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return false;
  const auto loopback = platform::parse_endpoint("[::1]:0");
  const auto address = platform::to_socket_address(loopback.value_or(platform::Endpoint{}));
  return ::bind(fd.get(), address.get(), address.size) == 0;
}

mint::LeadPolicy lead_policy(const Settings& settings) {
  return settings.rights.lead_policy == "rotate" ? mint::LeadPolicy::kRotate : mint::LeadPolicy::kRefuse;
}

std::vector<int> cpus_of(const Settings& settings) {
  std::vector<int> out;
  out.reserve(settings.workers.cpus.size());
  for (const std::int64_t cpu : settings.workers.cpus)
    out.push_back(static_cast<int>(cpu));
  return out;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown-host";
  return name.data();
}

}  // namespace

std::vector<platform::Endpoint> listen_endpoints(const Configuration& configuration,
                                                 std::vector<std::string>& skipped) {
  const std::size_t row = find_option("server", "listen").value_or(0);
  const bool by_default = configuration.origins[row].kind == Origin::Kind::kDefault;
  std::vector<platform::Endpoint> out;
  for (const std::string& text : configuration.settings.server.listen) {
    const auto endpoint = platform::parse_endpoint(text);
    if (!endpoint) continue;  // resolve has parsed it already
    if (by_default && !endpoint->is_v4() && !host_has_ipv6())
      skipped.push_back(text);
    else
      out.push_back(*endpoint);
  }
  return out;
}

dataplane::KernelPoolOptions pool_options(const Settings& settings, std::span<const id::Layout> layouts,
                                          std::vector<platform::Endpoint> listen, std::uint64_t incarnation) {
  dataplane::KernelPoolOptions out;
  out.listen = std::move(listen);
  out.workers = static_cast<unsigned>(settings.workers.count);
  out.cpus = cpus_of(settings);
  out.poll = settings.workers.poll == "spin" ? dataplane::PollMode::kSpin : dataplane::PollMode::kBlock;
  out.busy_poll_us = static_cast<unsigned>(settings.workers.busy_poll_us);
  out.gro = settings.workers.gro;
  out.server.layouts.assign(layouts.begin(), layouts.end());
  out.server.rotating_start = settings.ids.rotating_start;
  out.server.park_limit = static_cast<std::size_t>(settings.workers.park_limit);
  out.server.park_for = time::milliseconds(settings.workers.park_for_ms);
  out.server.commit_wait_limit = static_cast<std::uint32_t>(settings.workers.commit_wait_limit);
  out.server.max_commit_wait = time::milliseconds(settings.workers.max_commit_wait_ms);
  out.server.hlc_max_ahead = time::milliseconds(settings.workers.hlc_max_ahead_ms);
  out.server.incarnation = incarnation;
  out.server.hash_seed = platform::random_u64();
  return out;
}

dataplane::PortOptions port_options(const Settings& settings, const std::string& runtime_dir) {
  dataplane::PortOptions out;
  out.instance = settings.server.instance;
  out.runtime_dir = runtime_dir;
  out.devices = settings.dpdk.devices;
  out.memory = settings.dpdk.memory == "hugepages" ? dataplane::PortMemory::kHugePages
               : settings.dpdk.memory == "no-huge" ? dataplane::PortMemory::kOrdinary
                                                   : dataplane::PortMemory::kAuto;
  out.memory_mb = static_cast<unsigned>(settings.dpdk.memory_mb);
  out.workers = static_cast<unsigned>(settings.workers.count);
  out.cpus = cpus_of(settings);
  out.rx_descriptors = static_cast<unsigned>(settings.dpdk.rx_descriptors);
  out.tx_descriptors = static_cast<unsigned>(settings.dpdk.tx_descriptors);
  out.mtu = static_cast<unsigned>(settings.dpdk.mtu);
  for (const std::int64_t vlan : settings.dpdk.vlans)
    out.vlans.push_back(static_cast<std::uint16_t>(vlan));
  out.steering = settings.dpdk.steering == "on"    ? dataplane::Steering::kOn
                 : settings.dpdk.steering == "off" ? dataplane::Steering::kOff
                                                   : dataplane::Steering::kAuto;
  std::istringstream words(settings.dpdk.eal_args);
  for (std::string word; words >> word;)
    out.eal_arguments.push_back(word);
  out.on_log = [](const std::string& line) { log_debug("{}", line); };
  return out;
}

control::AgentOptions agent_options(const Settings& settings, std::span<const id::Layout> layouts,
                                    const lease::StoreFacts& store, const control::Nonce& incarnation) {
  control::AgentOptions out;
  out.workers = static_cast<std::uint32_t>(settings.workers.count);
  out.ids_per_worker = static_cast<std::uint32_t>(settings.workers.ids_per_worker);
  out.machine_ids = 65'536;
  for (const id::Layout& layout : layouts)
    out.machine_ids = std::min(out.machine_ids, layout.machines());
  if (settings.rights.machine_ids != 0)
    out.machine_ids = std::min(out.machine_ids, static_cast<std::uint32_t>(settings.rights.machine_ids));
  for (const std::int64_t id : settings.ids.pinned)
    out.pinned.push_back({static_cast<std::uint16_t>(id)});
  out.window = time::milliseconds(settings.rights.window_ms);
  out.max_lead = time::milliseconds(settings.rights.max_lead_ms);
  out.lead_policy = lead_policy(settings);
  out.store = store;
  out.heartbeat = time::milliseconds(settings.store.heartbeat_ms);
  out.clock_tolerance = time::milliseconds(settings.store.clock_tolerance_ms);
  out.keep_history = time::seconds(settings.store.history_days * 86'400);
  out.incarnation = incarnation;
  out.holder = fmt::format("{} pid {} instance {} incarnation {:016x}", host_name(), ::getpid(),
                           settings.server.instance, control::page_incarnation(incarnation));
  return out;
}

Or<std::vector<std::string>> check_headroom(std::span<const id::Layout> layouts, time::SmearedUtc now) {
  std::vector<std::string> warnings;
  for (const id::Layout& layout : layouts) {
    const time::SmearedUtc end = id::exhaustion(layout).in_signed;
    const time::Duration left = id::headroom(layout, now).left;
    if (now < layout.epoch)
      return refused(
          fmt::format("it is {}, and the epoch of layout {} is {}: no ID of it can be issued yet; is the clock "
                      "right?",
                      rfc3339(now), layout.name(), rfc3339(layout.epoch)));
    if (left.ns == 0)
      return refused(
          fmt::format("layout {} was exhausted at {}, and it is {}: take it out of ids.layouts and issue another "
                      "layout, or check the clock",
                      layout.name(), rfc3339(end), rfc3339(now)));
    if (left < kYear)
      warnings.push_back(fmt::format("layout {} is exhausted at {}, in {}: plan its replacement", layout.name(),
                                     rfc3339(end), human_duration(left)));
  }
  return warnings;
}

}  // namespace gnomon::cmd
