// SPDX-License-Identifier: Apache-2.0
//
// Options that are fine alone and wrong together. Found here, before anything is opened, and not by whatever part of
// the daemon would stumble over them first.
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "cmd/options/checks.hpp"
#include "cmd/options/resolve.hpp"
#include "cmd/options/value.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/time/fusion.hpp"
#include "platform/endpoint.hpp"
#include "ptp/sources.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLeastLeadToRotateMs = 100;  // well above the noise of readings
constexpr std::size_t kMaxDevices = 16;

class Judge {
 public:
  explicit Judge(const Configuration& configuration) : configuration_(configuration) {}

  [[nodiscard]] const Settings& settings() const { return configuration_.settings; }
  [[nodiscard]] bool is_default(std::string_view section, std::string_view key) const {
    return configuration_.origins[find_option(section, key).value_or(0)].kind == Origin::Kind::kDefault;
  }
  /// `places` are option names; the first that somebody set stands at the front of the line.
  void refuse(std::initializer_list<std::pair<std::string_view, std::string_view>> places, const std::string& text) {
    const Origin* origin = nullptr;
    for (const auto& [section, key] : places) {
      const Origin& candidate = configuration_.origins[find_option(section, key).value_or(0)];
      if (origin == nullptr || origin->kind == Origin::Kind::kDefault) origin = &candidate;
    }
    problems_.push_back(origin == nullptr ? text : fmt::format("{}: {}", origin->text(), text));
  }
  [[nodiscard]] Problems problems() && { return std::move(problems_); }

 private:
  const Configuration& configuration_;
  Problems problems_;
};

void judge_workers(Judge& judge) {
  const auto& workers = judge.settings().workers;
  const auto cpus = static_cast<std::int64_t>(workers.cpus.size());
  if (cpus != 0 && cpus != workers.count)
    judge.refuse(
        {{"workers", "cpus"}, {"workers", "count"}},
        fmt::format("workers.cpus lists {} CPUs for {} workers; list one per worker, or none", cpus, workers.count));
  const auto wanted = workers.count * workers.ids_per_worker;
  const auto& pinned = judge.settings().ids.pinned;
  if (!pinned.empty() && static_cast<std::int64_t>(pinned.size()) != wanted)
    judge.refuse({{"ids", "pinned"}, {"workers", "ids_per_worker"}, {"workers", "count"}},
                 fmt::format("ids.pinned lists {} machine ids, but workers.count x workers.ids_per_worker is {}",
                             pinned.size(), wanted));
  if (!pinned.empty() && judge.settings().rights.lead_policy == "rotate")
    judge.refuse({{"rights", "lead_policy"}, {"ids", "pinned"}},
                 "rights.lead_policy rotate takes fresh machine ids, and ids.pinned allows none; choose one of them");
}

void judge_unit(Judge& judge, const id::Layout& layout) {
  const auto window_ns = judge.settings().rights.window_ms * kNsPerMs;
  if (layout.unit.ns > window_ns / 2)
    judge.refuse({{"rights", "window_ms"}, {"ids", "layouts"}},
                 fmt::format("the unit of layout {} must be at most half of rights.window_ms ({} ms); raise the window",
                             layout.name(), judge.settings().rights.window_ms));
  const auto park_ns = judge.settings().workers.park_for_ms * kNsPerMs;
  if (layout.unit.ns > window_ns || park_ns > window_ns)
    judge.refuse({{"workers", "park_for_ms"}, {"rights", "window_ms"}},
                 "workers.park_for_ms must not be longer than rights.window_ms");
}

/// A rotation takes fresh ids while the old ones rest, and has to have a real cause.
void judge_rotation(Judge& judge, std::int64_t wanted, std::string_view narrowest, std::int64_t fit) {
  const auto& rights = judge.settings().rights;
  if (rights.lead_policy != "rotate") return;
  if (rights.max_lead_ms < kLeastLeadToRotateMs)
    judge.refuse({{"rights", "max_lead_ms"}, {"rights", "lead_policy"}},
                 fmt::format("rights.lead_policy rotate needs a rights.max_lead_ms of {} or more, and it is {}: the "
                             "noise of the clock's readings alone would use up machine ids",
                             kLeastLeadToRotateMs, rights.max_lead_ms));
  if (wanted <= fit && 2 * wanted > fit)
    judge.refuse({{"rights", "lead_policy"}, {"workers", "count"}, {"rights", "machine_ids"}},
                 fmt::format("rights.lead_policy rotate needs twice the machine ids in use ({} x 2), because the old "
                             "ones rest, and {} allows {}; use fewer workers or ids_per_worker, or lead_policy refuse",
                             wanted, narrowest, fit));
}

void judge_machine_ids(Judge& judge, const std::vector<id::Layout>& layouts) {
  const Settings& settings = judge.settings();
  std::int64_t fit = settings.rights.machine_ids == 0 ? 65'536 : settings.rights.machine_ids;
  std::string_view narrowest = "rights.machine_ids";
  for (const id::Layout& layout : layouts) {
    const auto machines = static_cast<std::int64_t>(layout.machines());
    if (settings.rights.machine_ids > machines)
      judge.refuse({{"rights", "machine_ids"}, {"ids", "layouts"}},
                   fmt::format("rights.machine_ids is {}, but layout {} has room for {} machine ids only",
                               settings.rights.machine_ids, layout.name(), machines));
    if (machines >= fit) continue;
    fit = machines;
    narrowest = layout.name();
  }
  const std::int64_t wanted = settings.workers.count * settings.workers.ids_per_worker;
  if (wanted > fit)
    judge.refuse({{"workers", "count"}, {"workers", "ids_per_worker"}, {"rights", "machine_ids"}},
                 fmt::format("{} machine ids are needed (workers.count x workers.ids_per_worker), and {} allows {}",
                             wanted, narrowest, fit));
  judge_rotation(judge, wanted, narrowest, fit);
  for (const std::int64_t pinned : settings.ids.pinned)
    if (pinned >= fit)
      judge.refuse({{"ids", "pinned"}}, fmt::format("machine id {} of ids.pinned is too large: {} allows 0 to {}",
                                                    pinned, narrowest, fit - 1));
}

void judge_layouts(Judge& judge) {
  const auto layouts = served_layouts(judge.settings());
  if (!layouts) {
    judge.refuse({{"ids", "layouts"}}, layouts.error());
    return;
  }
  if (layouts->size() > serve::Server::kMaxLayouts)
    judge.refuse({{"ids", "layouts"}}, fmt::format("{} layouts are listed; a server has room for {}", layouts->size(),
                                                   serve::Server::kMaxLayouts));
  for (const id::Layout& layout : *layouts)
    judge_unit(judge, layout);
  judge_machine_ids(judge, *layouts);
}

/// A port's clock can be read by whoever has the port only.
void judge_port_clocks(Judge& judge) {
  const auto& devices = judge.settings().dpdk.devices;
  for (const std::string& text : judge.settings().clock.sources) {
    const auto spec = ptp::parse_source(text, time::milliseconds(1));
    if (!spec || spec->kind != ptp::SourceKind::kPort) continue;
    const std::string wanted = device_identity(spec->path);
    const bool listed = std::any_of(devices.begin(), devices.end(),
                                    [&](const std::string& device) { return device_identity(device) == wanted; });
    if (listed) continue;
    judge.refuse(
        {{"clock", "sources"}, {"dpdk", "devices"}},
        devices.empty()
            ? fmt::format("clock.sources has {}, which needs the DPDK data plane, and dpdk.devices is empty; a "
                          "card that the kernel has is read as phc:/dev/ptpN",
                          text)
            : fmt::format("clock.sources has {}, and dpdk.devices lists no {}: it has {}", text, spec->path,
                          fmt::join(devices, ", ")));
  }
}

void judge_clock(Judge& judge) {
  const auto& sources = judge.settings().clock.sources;
  if (sources.empty() || sources.size() > time::kMaxSources)
    judge.refuse({{"clock", "sources"}},
                 fmt::format("clock.sources has {} entries; name 1 to {}", sources.size(), time::kMaxSources));
  const auto systems = std::count_if(sources.begin(), sources.end(), [](const std::string& text) {
    const auto spec = ptp::parse_source(text, time::milliseconds(1));
    return spec && spec->kind == ptp::SourceKind::kSystem;
  });
  if (systems > 1)
    judge.refuse({{"clock", "sources"}}, "clock.sources names the system clock twice: one clock is one source");
  judge_port_clocks(judge);
}

void judge_store(Judge& judge) {
  const auto& store = judge.settings().store;
  const bool etcd = store.url.starts_with("etcd:");
  const bool plain = store.url.starts_with("etcd:http:");
  for (const auto& [key, value] : {std::pair{"ca_file", &store.ca_file}, std::pair{"cert_file", &store.cert_file},
                                   std::pair{"key_file", &store.key_file}, std::pair{"user", &store.user},
                                   std::pair{"password_file", &store.password_file}}) {
    const bool of_tls = std::string_view(key).ends_with("_file") && std::string_view(key) != "password_file";
    if (value->empty() || (etcd && !(of_tls && plain))) continue;
    judge.refuse({{"store", key}, {"store", "url"}},
                 etcd ? fmt::format("store.{} is for TLS, and store.url says http://; write https:// there", key)
                      : fmt::format("store.{} is for etcd, and store.url names no etcd", key));
  }
  if (store.cert_file.empty() != store.key_file.empty())
    judge.refuse({{"store", "cert_file"}, {"store", "key_file"}},
                 "store.cert_file and store.key_file go together: name both, or none");
  if (store.user.empty() != store.password_file.empty())
    judge.refuse({{"store", "user"}, {"store", "password_file"}},
                 "store.user and store.password_file go together: name both, or none");
}

// Each is one by itself (lease_endpoint_fault). Port 0 is another one each time.
std::string lease_addresses_fault(const std::vector<std::string>& listen) {
  std::vector<platform::Endpoint> taken;
  for (const std::string& text : listen) {
    const auto endpoint = platform::parse_endpoint(text, kLeasePort);
    if (!endpoint || endpoint->port == 0) continue;
    for (const platform::Endpoint& other : taken) {
      if (other.port != endpoint->port) continue;
      if (other == *endpoint) return fmt::format("lease.listen names {} twice", platform::to_string(other));
      if (other.is_wildcard() || endpoint->is_wildcard())
        return fmt::format(
            "lease.listen names {} and {}, and a wildcard takes the port on every address of either "
            "family: name it alone",
            platform::to_string(other), platform::to_string(*endpoint));
    }
    taken.push_back(*endpoint);
  }
  return {};
}

void judge_lease(Judge& judge) {
  const auto& lease = judge.settings().lease;
  if (const std::string fault = lease_addresses_fault(lease.listen); !fault.empty())
    judge.refuse({{"lease", "listen"}}, fault);
  for (const auto& [key, value] : {std::pair{"ca_file", &lease.ca_file}, std::pair{"cert_file", &lease.cert_file},
                                   std::pair{"key_file", &lease.key_file}}) {
    if (value->empty() == lease.listen.empty()) continue;
    judge.refuse({{"lease", key}, {"lease", "listen"}},
                 value->empty() ? fmt::format("lease.listen needs lease.ca_file, lease.cert_file and lease.key_file, "
                                              "because leases are served with mutual TLS only; lease.{} is empty",
                                              key)
                                : fmt::format("lease.{} is for TLS, and lease.listen names no address", key));
  }
  if (lease.min_ttl_ms > lease.max_ttl_ms)
    judge.refuse(
        {{"lease", "min_ttl_ms"}, {"lease", "max_ttl_ms"}},
        fmt::format("lease.min_ttl_ms ({}) is larger than lease.max_ttl_ms ({})", lease.min_ttl_ms, lease.max_ttl_ms));
}

void judge_access(Judge& judge) {
  const auto& access = judge.settings().access;
  if (access.auth == "always" && access.keys_file.empty())
    judge.refuse({{"access", "auth"}},
                 "access.auth is always, but access.keys_file names no keys: nobody could be served");
  if (access.auth == "never" || !access.keys_file.empty()) return;
  for (const std::string& text : judge.settings().server.listen) {
    const auto endpoint = platform::parse_endpoint(text);
    if (!endpoint || endpoint->address.is_loopback()) continue;
    judge.refuse(
        {{"server", "listen"}},
        fmt::format("server.listen has {}, which others than this host can reach, and they must authenticate: name "
                    "a file of keys with access.keys_file, or say access.auth = \"never\" if any host may ask",
                    text));
    return;
  }
}

/// Whether one host on the wire can have it, and be asked there: no wildcard, loopback, group or broadcast address.
bool is_unicast(const serve::Address& address) {
  if (address.is_loopback()) return false;
  const auto& bytes = address.bytes;
  if (address.is_v4()) return bytes[12] != 0 && bytes[12] < 224;
  return bytes[0] != 0xff && address != serve::Address{};
}

/// Behind DPDK ports there is no kernel that has addresses, or chooses ports.
void judge_station(Judge& judge) {
  const auto& listen = judge.settings().server.listen;
  if (judge.is_default("server", "listen")) {
    judge.refuse({{"server", "listen"}, {"dpdk", "devices"}},
                 fmt::format("server.listen is the default ({}), which DPDK ports can't be: name the addresses that "
                             "they answer for, as in server.listen = [\"192.0.2.10:14666\"]",
                             fmt::join(listen, ", ")));
    return;
  }
  for (const std::string& text : listen) {
    const auto endpoint = platform::parse_endpoint(text);
    if (!endpoint) continue;
    if (!is_unicast(endpoint->address))
      judge.refuse({{"server", "listen"}, {"dpdk", "devices"}},
                   fmt::format("server.listen has {}, and with dpdk.devices each entry must be a unicast address that "
                               "other hosts can ask: no wildcard, loopback, group or broadcast address",
                               text));
    if (endpoint->port == 0)
      judge.refuse({{"server", "listen"}, {"dpdk", "devices"}},
                   fmt::format("server.listen has {}, and with dpdk.devices nobody chooses a free port: name one, "
                               "as in 14666",
                               text));
  }
}

void judge_dpdk(Judge& judge) {
  const auto& devices = judge.settings().dpdk.devices;
  if (devices.empty()) return;
  judge_station(judge);
  if (devices.size() > kMaxDevices)
    judge.refuse({{"dpdk", "devices"}},
                 fmt::format("dpdk.devices lists {} devices, and a daemon has room for {}; start another daemon for "
                             "the rest",
                             devices.size(), kMaxDevices));
  for (auto it = devices.begin(); it != devices.end(); ++it) {
    const std::string name = device_identity(*it);
    if (std::any_of(devices.begin(), it, [&](const std::string& other) { return device_identity(other) == name; }))
      judge.refuse({{"dpdk", "devices"}},
                   fmt::format("dpdk.devices lists {} twice; virtual devices of one driver are numbered, as in "
                               "net_af_packet0 and net_af_packet1",
                               name));
  }
}

}  // namespace

tl::expected<std::vector<id::Layout>, std::string> served_layouts(const Settings& settings) {
  std::vector<id::Layout> known = settings.ids.custom;
  for (const id::Layout& layout : id::builtin_layouts())
    known.push_back(layout);
  std::vector<id::Layout> served;
  for (const std::string& word : settings.ids.layouts) {
    const auto found = std::find_if(known.begin(), known.end(), [&](const id::Layout& layout) {
      return layout.name() == word || fmt::format("{}", layout.number.value) == word;
    });
    if (found == known.end()) {
      std::string names;
      for (const id::Layout& layout : known)
        names += fmt::format("{}{}", names.empty() ? "" : ", ", layout.name());
      return tl::make_unexpected(
          fmt::format("ids.layouts names '{}', which is none of {}; define it under [[ids.custom]]", word, names));
    }
    if (std::find(served.begin(), served.end(), *found) != served.end())
      return tl::make_unexpected(fmt::format("ids.layouts names layout {} twice", found->name()));
    served.push_back(*found);
  }
  return served;
}

Problems contradictions(const Configuration& configuration) {
  Judge judge(configuration);
  const Settings& settings = configuration.settings;
  if (settings.server.listen.empty())
    judge.refuse({{"server", "listen"}}, "server.listen is empty: name at least one address");
  if (settings.ids.layouts.empty())
    judge.refuse({{"ids", "layouts"}}, "ids.layouts is empty: name at least one layout");
  for (const id::Layout& custom : settings.ids.custom)
    for (const id::Layout& builtin : id::builtin_layouts())
      if (custom.name() == builtin.name())
        judge.refuse({{"ids", "custom"}},
                     fmt::format("the name {} belongs to a built-in layout; choose another", custom.name()));
  judge_clock(judge);
  judge_workers(judge);
  judge_layouts(judge);
  judge_store(judge);
  judge_lease(judge);
  judge_access(judge);
  judge_dpdk(judge);
  return std::move(judge).problems();
}

}  // namespace gnomon::cmd
