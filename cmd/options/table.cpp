// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/table.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "cmd/options/checks.hpp"
#include "cmd/options/lease_rows.hpp"
#include "oracle/mint/right.hpp"
#include "oracle/page/rights_page.hpp"
#include "ptp/sources.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kMaxWorkers = page::kMaxWorkers;
constexpr std::int64_t kMaxIdsPerWorker = mint::kMaxRightsPerWorker;
constexpr std::int64_t kMachineIds = 65'536;

// A row's field, written as the path in Settings.
#define GNOMON_FIELD(path) [](Settings& s) -> Field { return &s.path; }

const std::array kRows{
    OptionRow{
        .section = "server",
        .key = "instance",
        .field = GNOMON_FIELD(server.instance),
        .default_text = "main",
        .fault = instance_fault,
        .help =
            "Name of this daemon on its host: it names the shared pages, the lock and the status socket. Two daemons "
            "of one name don't start."},
    OptionRow{.section = "server",
              .key = "supervise",
              .field = GNOMON_FIELD(server.supervise),
              .default_text = "true",
              .help = "Run under a small parent process, which gives the rights of a daemon that died back at once and "
                      "starts it again."},
    OptionRow{
        .section = "server",
        .key = "listen",
        .field = GNOMON_FIELD(server.listen),
        .default_text = "127.0.0.1:14666,[::1]:14666",
        .fault = endpoint_fault,
        .help =
            "UDP addresses to answer on. Port 0 takes a free one and reports it. An IPv6 default is left out, with a "
            "note, where the host has no IPv6. With dpdk.devices: unicast addresses of the ports' own, each with its "
            "port; no wildcard, no loopback, no default."},

    OptionRow{.section = "workers",
              .key = "count",
              .field = GNOMON_FIELD(workers.count),
              .default_text = "1",
              .min = 1,
              .max = kMaxWorkers,
              .help = "Worker threads; the kernel spreads clients over them (SO_REUSEPORT). With dpdk.devices the "
                      "ports spread them (RSS), and there are no more workers than the poorest device has queues."},
    OptionRow{.section = "workers",
              .key = "cpus",
              .field = GNOMON_FIELD(workers.cpus),
              .min = 0,
              .max = 1023,
              .help = "CPUs that the workers are pinned to, one per worker. Empty: the scheduler decides. With "
                      "dpdk.devices workers poll, and each should have a CPU to itself."},
    OptionRow{.section = "workers",
              .key = "ids_per_worker",
              .field = GNOMON_FIELD(workers.ids_per_worker),
              .default_text = "1",
              .min = 1,
              .max = kMaxIdsPerWorker,
              .help = "Machine ids per worker. One id gives 4.096 M snowflake IDs/s; more ids give more."},
    OptionRow{.section = "workers",
              .key = "poll",
              .field = GNOMON_FIELD(workers.poll),
              .default_text = "block",
              .choices = "block|spin",
              .help = "How an idle worker waits: block sleeps in the kernel, spin burns its CPU for a lower latency. "
                      "With dpdk.devices nobody wakes a worker: block naps for up to 100 us after 1000 empty polls."},
    OptionRow{.section = "workers",
              .key = "busy_poll_us",
              .field = GNOMON_FIELD(workers.busy_poll_us),
              .unit = "us",
              .default_text = "0",
              .min = 0,
              .max = 1000,
              .help =
                  "SO_BUSY_POLL of the sockets: how long the kernel polls the driver before a worker sleeps. 0: off. "
                  "Unused with dpdk.devices."},
    OptionRow{.section = "workers",
              .key = "park_limit",
              .field = GNOMON_FIELD(workers.park_limit),
              .default_text = "8192",
              .min = 1,
              .max = 1'048'576,
              .help = "Requests per worker and layout that may wait for the next unit; past it the answer is busy."},
    OptionRow{.section = "workers",
              .key = "park_for_ms",
              .field = GNOMON_FIELD(workers.park_for_ms),
              .unit = "ms",
              .default_text = "20",
              .min = 1,
              .max = 10'000,
              .help = "The longest that a request may wait there; if it would take longer the answer is busy at once."},
    OptionRow{
        .section = "workers",
        .key = "commit_wait_limit",
        .field = GNOMON_FIELD(workers.commit_wait_limit),
        .default_text = "16384",
        .min = 1,
        .max = 16'777'216,
        .help = "How many commit-waits may be parked in each worker, at about 150 bytes; more are answered busy."},
    OptionRow{
        .section = "workers",
        .key = "max_commit_wait_ms",
        .field = GNOMON_FIELD(workers.max_commit_wait_ms),
        .unit = "ms",
        .default_text = "1000",
        .min = 0,
        .max = 3'600'000,
        .help = "How far ahead of the latest that it can be now a commit-wait may lie; further is answered too_far."},
    OptionRow{.section = "workers",
              .key = "hlc_max_ahead_ms",
              .field = GNOMON_FIELD(workers.hlc_max_ahead_ms),
              .unit = "ms",
              .default_text = "500",
              .min = 0,
              .max = 3'600'000,
              .help = "How far ahead of physical time a hybrid timestamp may be; further is answered too_far."},
    OptionRow{.section = "workers",
              .key = "gro",
              .field = GNOMON_FIELD(workers.gro),
              .default_text = "true",
              .help = "Let the kernel hand over several datagrams of one client at once (UDP_GRO). Unused with "
                      "dpdk.devices."},
    OptionRow{.section = "workers",
              .key = "lock_memory",
              .field = GNOMON_FIELD(workers.lock_memory),
              .default_text = "false",
              .help = "Lock all memory (mlockall), so that no answer waits for a page fault. Needs LimitMEMLOCK."},

    OptionRow{.section = "dpdk",
              .key = "devices",
              .field = GNOMON_FIELD(dpdk.devices),
              .fault = device_fault,
              .separator = ';',
              .help =
                  "Devices to answer through, past the kernel: virtual ones with their arguments "
                  "(net_af_packet0,iface=veth0) or PCI addresses (0000:3b:00.0), at most 16. server.listen must then "
                  "name the addresses that they answer for. Empty: kernel sockets."},
    OptionRow{.section = "dpdk",
              .key = "memory",
              .field = GNOMON_FIELD(dpdk.memory),
              .default_text = "auto",
              .choices = "auto|hugepages|no-huge",
              .help = "What the buffers lie in: auto takes huge pages if enough are free, else ordinary memory."},
    OptionRow{
        .section = "dpdk",
        .key = "memory_mb",
        .field = GNOMON_FIELD(dpdk.memory_mb),
        .unit = "MB",
        .default_text = "256",
        .min = 64,
        .max = 65'536,
        .help = "How much of it DPDK takes at the start. A worker with default queues needs about 10 MB a device."},
    OptionRow{.section = "dpdk",
              .key = "rx_descriptors",
              .field = GNOMON_FIELD(dpdk.rx_descriptors),
              .default_text = "1024",
              .min = 64,
              .max = 32'768,
              .help = "Frames that a receive queue holds; a driver may insist on another number, which is said."},
    OptionRow{.section = "dpdk",
              .key = "tx_descriptors",
              .field = GNOMON_FIELD(dpdk.tx_descriptors),
              .default_text = "1024",
              .min = 64,
              .max = 32'768,
              .help = "Frames that a transmit queue holds; likewise."},
    OptionRow{.section = "dpdk",
              .key = "mtu",
              .field = GNOMON_FIELD(dpdk.mtu),
              .unit = "bytes",
              .default_text = "1500",
              .min = 1280,
              .max = 9000,
              .help = "The MTU that the ports are set to. A datagram of 22 messages needs 1456."},
    OptionRow{.section = "dpdk",
              .key = "vlans",
              .field = GNOMON_FIELD(dpdk.vlans),
              .min = 0,
              .max = 4094,
              .help = "VLAN ids that are served and announced, 0 for untagged frames. Empty: any, and untagged ones. "
                      "A reply carries the tag of its request."},
    OptionRow{.section = "dpdk",
              .key = "steering",
              .field = GNOMON_FIELD(dpdk.steering),
              .default_text = "auto",
              .choices = "auto|off|on",
              .help = "Rules in the device that bring requests here and leave the rest to the kernel: auto where the "
                      "kernel keeps the port as well (mlx5), on also elsewhere or not at all."},
    OptionRow{.section = "dpdk",
              .key = "eal_args",
              .field = GNOMON_FIELD(dpdk.eal_args),
              .fault = eal_arguments_fault,
              .help = "Further arguments for DPDK's EAL, separated by blanks, as in --iova-mode=va. What other options "
                      "here stand for is refused."},

    OptionRow{.section = "ids",
              .key = "layouts",
              .field = GNOMON_FIELD(ids.layouts),
              .default_text = "snowflake,instagram",
              .fault = layout_name_fault,
              .help = "Layouts to serve, by name or number: snowflake (1), instagram (2), js53 (3), and custom ones."},
    OptionRow{.section = "ids",
              .key = "custom",
              .field = GNOMON_FIELD(ids.custom),
              .help =
                  "Custom layouts. In the file each is a table [[ids.custom]] with number (16 to 255), name, epoch (a "
                  "date), unit (1us to 10s) and bits ([time, machine, sequence]); elsewhere "
                  "NUMBER:NAME:EPOCH:UNIT:TIME/MACHINE/SEQUENCE. A layout can't be changed once it was used."},
    OptionRow{
        .section = "ids",
        .key = "rotating_start",
        .field = GNOMON_FIELD(ids.rotating_start),
        .default_text = "false",
        .help =
            "Start each unit's sequence somewhere in its lower half, so that IDs taken at low load spread over shards "
            "that look at the low bits. Costs up to half of a unit's capacity."},
    OptionRow{
        .section = "ids",
        .key = "pinned",
        .field = GNOMON_FIELD(ids.pinned),
        .min = 0,
        .max = kMachineIds - 1,
        .help = "Machine ids to use, exactly workers.count x workers.ids_per_worker of them. Empty: the free ones that "
                "were unused for longest. After a crash a pinned id waits until its last window is past."},

    OptionRow{
        .section = "rights",
        .key = "window_ms",
        .field = GNOMON_FIELD(rights.window_ms),
        .unit = "ms",
        .default_text = "10000",
        .min = 1'000,
        .max = 600'000,
        .help =
            "How far ahead the store commits what a worker may use. Longer bridges longer pauses of the store; what "
            "is left of it after a crash delays the reuse of that machine id."},
    OptionRow{
        .section = "rights",
        .key = "max_lead_ms",
        .field = GNOMON_FIELD(rights.max_lead_ms),
        .unit = "ms",
        .default_text = "1000",
        .min = 0,
        .max = 60'000,
        .help =
            "How far the ordering timeline may run ahead of a clock that was set back, before lead_policy applies."},
    OptionRow{.section = "rights",
              .key = "lead_policy",
              .field = GNOMON_FIELD(rights.lead_policy),
              .default_text = "refuse",
              .choices = "refuse|rotate",
              .help =
                  "Beyond max_lead_ms: refuse answers clock_behind until the clock has caught up; rotate takes fresh "
                  "machine ids at the right time (unique, but not ordered with the IDs of the false future); it needs "
                  "a max_lead_ms of 100 or more and twice "
                  "the machine ids in use."},
    OptionRow{.section = "rights",
              .key = "machine_ids",
              .field = GNOMON_FIELD(rights.machine_ids),
              .default_text = "0",
              .min = 0,
              .max = kMachineIds,
              .help = "Use only the machine ids below this. 0: all that fit every served layout."},

    OptionRow{.section = "store",
              .key = "url",
              .field = GNOMON_FIELD(store.url),
              .fault = store_fault,
              .help = "Where rights are kept: sqlite:PATH on one host, etcd:https://HOST:PORT,...[/PREFIX] for several "
                      "(http:// without TLS). Empty: gnomon.db in state.dir."},
    OptionRow{.section = "store",
              .key = "ca_file",
              .field = GNOMON_FIELD(store.ca_file),
              .help = "PEM file of the authorities that may have signed etcd's certificates. Empty: the system's."},
    OptionRow{.section = "store",
              .key = "cert_file",
              .field = GNOMON_FIELD(store.cert_file),
              .help = "PEM file of this daemon's client certificate, with the chain up to its authority; needs "
                      "store.key_file."},
    OptionRow{.section = "store",
              .key = "key_file",
              .field = GNOMON_FIELD(store.key_file),
              .help = "PEM file of its private key; only its owner may read it."},
    OptionRow{.section = "store",
              .key = "user",
              .field = GNOMON_FIELD(store.user),
              .help = "User of etcd's authentication. Empty: none, or whom the certificate names."},
    OptionRow{.section = "store",
              .key = "password_file",
              .field = GNOMON_FIELD(store.password_file),
              .help = "File whose first line is that user's password; only its owner may read it."},
    OptionRow{.section = "store",
              .key = "timeout_ms",
              .field = GNOMON_FIELD(store.timeout_ms),
              .unit = "ms",
              .default_text = "1000",
              .min = 100,
              .max = 10'000,
              .help = "How long one call to etcd may take, all endpoints that are tried included; never more than a "
                      "quarter of rights.window_ms."},
    OptionRow{.section = "store",
              .key = "heartbeat_ms",
              .field = GNOMON_FIELD(store.heartbeat_ms),
              .unit = "ms",
              .default_text = "1000",
              .min = 50,
              .max = 10'000,
              .help = "How often this daemon renews its session on a shared store, and holds its clock against the "
                      "others'."},
    OptionRow{.section = "store",
              .key = "clock_tolerance_ms",
              .field = GNOMON_FIELD(store.clock_tolerance_ms),
              .unit = "ms",
              .default_text = "1000",
              .min = 10,
              .max = 60'000,
              .help = "How far the clock that orders IDs may be off before the other daemons contradict it; the same "
                      "on all of them."},
    OptionRow{.section = "store",
              .key = "history_days",
              .field = GNOMON_FIELD(store.history_days),
              .unit = "days",
              .default_text = "400",
              .min = 1,
              .max = 36'500,
              .help = "For how long the store remembers who held which machine id, for gnomon audit."},
    OptionRow{.section = "state",
              .key = "dir",
              .field = GNOMON_FIELD(state.dir),
              .help = "Directory of the journal and of the default store. Empty: $STATE_DIRECTORY (systemd's), else "
                      "/var/lib/gnomon if it can be written, else $XDG_STATE_HOME/gnomon, else ~/.local/state/gnomon."},

    OptionRow{.section = "clock",
              .key = "sources",
              .field = GNOMON_FIELD(clock.sources),
              .default_text = "system",
              .fault = source_fault,
              .help = ptp::sources_help()},
    OptionRow{
        .section = "clock",
        .key = "bound_us",
        .field = GNOMON_FIELD(clock.bound_us),
        .unit = "us",
        .default_text = "100000",
        .min = 1,
        .max = 60'000'000,
        .help =
            "How wrong the system clock may be as a source, by the operator's word. Nothing about uniqueness depends "
            "on it."},
    OptionRow{.section = "clock",
              .key = "oscillator_ppb",
              .field = GNOMON_FIELD(clock.oscillator_ppb),
              .unit = "ppb",
              .default_text = "200000",
              .min = 1,
              .max = 10'000'000,
              .help =
                  "How far this machine's oscillator may be from its nominal rate. The uncertainty grows by it between "
                  "samples; state less only if you know better."},
    OptionRow{.section = "clock",
              .key = "source_timeout_ms",
              .field = GNOMON_FIELD(clock.source_timeout_ms),
              .unit = "ms",
              .default_text = "3000",
              .min = 100,
              .max = 3'600'000,
              .help = "How old the latest sample of a source may be before the source counts as silent."},
    OptionRow{.section = "clock",
              .key = "holdover_ms",
              .field = GNOMON_FIELD(clock.holdover_ms),
              .unit = "ms",
              .default_text = "60000",
              .min = 0,
              .max = 86'400'000,
              .help = "How long the true time is told without a healthy source, with an uncertainty that grows."},
    OptionRow{.section = "clock",
              .key = "max_epsilon_us",
              .field = GNOMON_FIELD(clock.max_epsilon_us),
              .unit = "us",
              .default_text = "2000000",
              .min = 1,
              .max = 60'000'000,
              .help = "Beyond this uncertainty the true time is refused."},
    OptionRow{.section = "clock",
              .key = "start_wait_ms",
              .field = GNOMON_FIELD(clock.start_wait_ms),
              .unit = "ms",
              .default_text = "10000",
              .min = 0,
              .max = 600'000,
              .help =
                  "With other sources than the system clock: how long to wait at start for the first true time, before "
                  "IDs follow the system clock meanwhile."},
    OptionRow{
        .section = "clock",
        .key = "leap_file",
        .field = GNOMON_FIELD(clock.leap_file),
        .default_text = "/usr/share/zoneinfo/leap-seconds.list",
        .reloadable = true,
        .help = "The list of leap seconds (tzdata, IERS). Without it, or once it has expired, UTC sources are in doubt "
                "by a second, and by one more for each half-year."},
    OptionRow{
        .section = "clock",
        .key = "confirm_ms",
        .field = GNOMON_FIELD(clock.confirm_ms),
        .unit = "ms",
        .default_text = "10000",
        .min = 0,
        .max = 3'600'000,
        .help =
            "How long the source must insist on a forward jump that the cycle counter denies, before it is followed."},
    OptionRow{.section = "clock",
              .key = "offset_file",
              .field = GNOMON_FIELD(clock.offset_file),
              .help = "For rehearsals only: add the nanoseconds that stand in this file to the source."},

    OptionRow{.section = "access",
              .key = "allow",
              .field = GNOMON_FIELD(access.allow),
              .fault = cidr_fault,
              .reloadable = true,
              .help = "Networks (CIDR) that are served. Empty: everybody that is not denied."},
    OptionRow{.section = "access",
              .key = "deny",
              .field = GNOMON_FIELD(access.deny),
              .fault = cidr_fault,
              .reloadable = true,
              .help = "Networks (CIDR) that are not served; wins over allow."},
    OptionRow{
        .section = "access",
        .key = "rate_per_source",
        .field = GNOMON_FIELD(access.rate_per_source),
        .unit = "messages/s",
        .default_text = "0",
        .min = 0,
        .max = 1'000'000'000,
        .reloadable = true,
        .help = "Most messages per second, source address (IPv6: /64) and worker; the rest is dropped. 0: no limit."},
    OptionRow{.section = "access",
              .key = "rate_burst",
              .field = GNOMON_FIELD(access.rate_burst),
              .unit = "messages",
              .default_text = "1024",
              .min = 22,
              .max = 1'000'000,
              .reloadable = true,
              .help = "How many messages of one source may come at once under that limit."},
    OptionRow{.section = "access",
              .key = "auth",
              .field = GNOMON_FIELD(access.auth),
              .default_text = "loopback",
              .choices = "loopback|always|never",
              .reloadable = true,
              .help =
                  "Who must authenticate: loopback exempts 127.0.0.0/8 and ::1 and nobody else, always exempts nobody, "
                  "never exempts everybody."},
    OptionRow{
        .section = "access",
        .key = "keys_file",
        .field = GNOMON_FIELD(access.keys_file),
        .reloadable = true,
        .help =
            "File of the shared keys, one 'KEY_ID HEX' per line: an id of 1 to 65535 and 32 hexadecimal digits. Nobody "
            "but its owner may have access to it."},

    OptionRow{
        .section = "control",
        .key = "socket",
        .field = GNOMON_FIELD(control.socket),
        .help = "Unix socket of the status service. Empty: INSTANCE.sock in the runtime directory ($RUNTIME_DIRECTORY, "
                "$XDG_RUNTIME_DIR/gnomon, /run/gnomon or /tmp/gnomon-UID)."},
    OptionRow{.section = "control",
              .key = "socket_mode",
              .field = GNOMON_FIELD(control.socket_mode),
              .default_text = "owner",
              .choices = "owner|group",
              .help = "Who may connect to it: the daemon's user (0600), or its group as well (0660)."},
    OptionRow{.section = "metrics",
              .key = "listen",
              .field = GNOMON_FIELD(metrics.listen),
              .default_text = "127.0.0.1:14668",
              .fault = endpoint_or_empty_fault,
              .help = "TCP address of the Prometheus endpoint /metrics. Port 0 takes a free one. Empty: off."},

    OptionRow{.section = "log",
              .key = "level",
              .field = GNOMON_FIELD(log.level),
              .default_text = "info",
              .choices = "trace|debug|info|warn|error",
              .reloadable = true,
              .help = "The least important messages that are written."},
    OptionRow{.section = "log",
              .key = "format",
              .field = GNOMON_FIELD(log.format),
              .default_text = "text",
              .choices = "text|json",
              .help = "Log lines for people, or one JSON object a line."},
};
#undef GNOMON_FIELD

const auto kTable = with_lease_rows(kRows);

constexpr std::array kSections{
    SectionInfo{"server", "Who this daemon is and where it answers."},
    SectionInfo{"workers", "The threads that answer."},
    SectionInfo{"dpdk", "Answering past the kernel (docs/dpdk.md)."},
    SectionInfo{"ids", "What is issued."},
    SectionInfo{"rights", "The windows that make IDs unique (docs/architecture.md)."},
    SectionInfo{"store", "Where rights are kept (docs/etcd.md)."},
    SectionInfo{"state", "Where files are kept."},
    SectionInfo{"clock", "What time it is."},
    SectionInfo{"access", "Who may ask. All of it can be changed with SIGHUP (systemctl reload gnomond)."},
    SectionInfo{"control", "The Unix socket: the status service for `gnomon status`, and leases."},
    SectionInfo{"metrics", "The Prometheus endpoint."},
    SectionInfo{"log", "What is written to standard error, or to the journal."},
    SectionInfo{"lease", "Named leases for other programs (`gnomon lease`)."},
};

std::string joined(std::string_view first, std::string_view second, char between, bool upper) {
  std::string out(first);
  out += between;
  for (const char c : second)
    out += c == '_' ? between : c;
  if (upper)
    for (char& c : out)
      c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

}  // namespace

OptionType OptionRow::type() const {
  static constexpr std::array kTypes{OptionType::kBool,        OptionType::kInteger,  OptionType::kText,
                                     OptionType::kIntegerList, OptionType::kTextList, OptionType::kLayoutList};
  Settings settings;
  const OptionType type = kTypes.at(field(settings).index());
  return type == OptionType::kText && !choices.empty() ? OptionType::kChoice : type;
}

std::string OptionRow::name() const { return fmt::format("{}.{}", section, key); }
std::string OptionRow::flag() const { return "--" + joined(section, key, '-', false); }
std::string OptionRow::environment() const { return "GNOMON_" + joined(section, key, '_', true); }

std::vector<std::string_view> OptionRow::choice_list() const {
  std::vector<std::string_view> out;
  for (std::string_view rest = choices; !rest.empty();) {
    const std::size_t bar = std::min(rest.find('|'), rest.size());
    out.push_back(rest.substr(0, bar));
    rest.remove_prefix(std::min(bar + 1, rest.size()));
  }
  return out;
}

std::string OptionRow::type_text() const {
  const std::string apart =
      separator == ',' ? std::string() : fmt::format(", separated by '{}' in the environment and in flags", separator);
  switch (type()) {
    case OptionType::kBool: return "true or false";
    case OptionType::kInteger: return fmt::format("integer, {} to {}{}{}", min, max, unit.empty() ? "" : " ", unit);
    case OptionType::kChoice: {
      std::string out;
      for (const std::string_view choice : choice_list())
        out += fmt::format("{}{}", out.empty() ? "" : ", ", choice);
      return out;
    }
    case OptionType::kText: return "text";
    case OptionType::kIntegerList: return fmt::format("list of integers, {} to {}{}", min, max, apart);
    case OptionType::kTextList: return "list of texts" + apart;
    case OptionType::kLayoutList: return "list of layouts" + apart;
  }
  return {};
}

std::span<const OptionRow> option_table() { return kTable; }
std::span<const SectionInfo> option_sections() { return kSections; }

std::optional<std::size_t> find_option(std::string_view section, std::string_view key) {
  const auto found = std::find_if(kTable.begin(), kTable.end(),
                                  [&](const OptionRow& row) { return row.section == section && row.key == key; });
  if (found == kTable.end()) return std::nullopt;
  return static_cast<std::size_t>(found - kTable.begin());
}

}  // namespace gnomon::cmd
