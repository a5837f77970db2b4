// SPDX-License-Identifier: Apache-2.0
//
// The option table and everything that is made from it.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "cmd/options/checks.hpp"
#include "cmd/options/documents.hpp"
#include "cmd/options/flags.hpp"
#include "cmd/options/resolve.hpp"
#include "cmd/options/table.hpp"
#include "cmd/options/value.hpp"
#include "oracle/page/counters.hpp"

namespace gnomon::cmd {
namespace {

ConfigSources with_file(const std::string& text) {
  ConfigSources sources;
  sources.file = ConfigSources::File{"g.toml", text};
  return sources;
}

/// The one problem that a file has, or all of them.
std::string refusal_of(const ConfigSources& sources) {
  const auto configuration = resolve(sources);
  if (configuration) return "accepted";
  std::string all;
  for (const std::string& problem : configuration.error())
    all += (all.empty() ? "" : "\n") + problem;
  return all;
}

/// Another value than the default that the row accepts, alone.
std::string other_value(const OptionRow& row) {
  const std::string name = row.name();
  if (name == "server.instance") return "other";
  if (name == "server.listen") return "127.0.0.1:1,[::1]:2";
  if (name == "workers.cpus") return "3";
  if (name == "ids.layouts") return "js53";
  if (name == "ids.custom") return "16:orders:2024-01-01:1ms:41/10/12,17:items:2020-02-29:250us:40/8/10";
  if (name == "ids.pinned") return "7";
  if (name == "store.url") return "sqlite:/tmp/x.db";
  if (name == "access.allow" || name == "access.deny") return "10.0.0.0/8,fd00::/8";
  if (name == "metrics.listen") return "127.0.0.1:0";
  if (name == "clock.sources") return "system?bound_us=7";
  if (name == "access.auth") return "never";
  if (name == "dpdk.devices") return "net_af_packet0,iface=veth0;0000:3b:00.0,representor=[0,2]";
  if (name == "dpdk.vlans") return "0,4094";
  if (name == "lease.listen") return "[::1]:0";
  if (name == "lease.max_ttl_ms") return "1000";
  if (name == "dpdk.eal_args") return "--iova-mode=va  --log-level lib.eal:debug";
  switch (row.type()) {
    case OptionType::kBool: return row.default_text == "true" ? "false" : "true";
    case OptionType::kInteger:
      return fmt::format("{}", row.default_text == fmt::format("{}", row.min) ? row.min + 1 : row.min);
    case OptionType::kChoice:
      return std::string(row.choice_list().back() == row.default_text ? row.choice_list().front()
                                                                      : row.choice_list().back());
    default: return "/tmp/some where";
  }
}

/// What must be said besides, so that the option is not contradicted.
std::vector<std::pair<std::string, std::string>> company_of(const OptionRow& row) {
  const std::pair<std::string, std::string> etcd{"GNOMON_STORE_URL", "etcd:https://h:1"};
  const std::string file = "/tmp/some where";
  if (row.name() == "store.ca_file") return {etcd};
  if (row.name() == "store.cert_file") return {etcd, {"GNOMON_STORE_KEY_FILE", file}};
  if (row.name() == "store.key_file") return {etcd, {"GNOMON_STORE_CERT_FILE", file}};
  if (row.name() == "store.user") return {etcd, {"GNOMON_STORE_PASSWORD_FILE", file}};
  if (row.name() == "store.password_file") return {etcd, {"GNOMON_STORE_USER", "gnomon"}};
  if (row.section == "lease") {
    const std::vector<std::pair<std::string, std::string>> secure{{"GNOMON_LEASE_LISTEN", "127.0.0.1"},
                                                                  {"GNOMON_LEASE_CA_FILE", file},
                                                                  {"GNOMON_LEASE_CERT_FILE", file},
                                                                  {"GNOMON_LEASE_KEY_FILE", file}};
    std::vector<std::pair<std::string, std::string>> others;
    for (const auto& variable : secure)
      if (variable.first != row.environment()) others.push_back(variable);
    return others.size() < secure.size() ? others : decltype(others){};
  }
  if (row.name() != "dpdk.devices") return {};
  return {{"GNOMON_SERVER_LISTEN", "10.9.0.1:14666,[fd00:9::1]:14666"}, {"GNOMON_ACCESS_AUTH", "never"}};
}

std::string as_toml(const OptionRow& row, const std::string& text) {
  const auto value = parse_value(row, text);
  return fmt::format("[{}]\n{} = {}\n", row.section, row.key, value ? toml_of(*value) : "?");
}

TEST(OptionTable, EveryRowIsConsistent) {
  std::set<std::string> names;
  std::set<std::string> flags;
  std::set<std::string_view> sections;
  for (const SectionInfo& section : option_sections())
    sections.insert(section.name);
  for (const OptionRow& row : option_table()) {
    SCOPED_TRACE(row.name());
    EXPECT_TRUE(names.insert(row.environment()).second) << "two rows share a name";
    EXPECT_TRUE(flags.insert(row.flag()).second);
    EXPECT_EQ(sections.count(row.section), 1U) << "the section has no line of help";
    EXPECT_FALSE(row.help.empty());
    EXPECT_EQ(row.help.back(), '.');
    const auto value = parse_value(row, row.default_text);
    ASSERT_TRUE(value) << value.error();
    EXPECT_EQ(fault_of(row, *value), "") << "its own default";
    if (row.type() == OptionType::kInteger) {
      EXPECT_LT(row.min, row.max);
      EXPECT_NE(fault_of(row, Value(row.min - 1)), "");
      EXPECT_NE(fault_of(row, Value(row.max + 1)), "");
      EXPECT_EQ(fault_of(row, Value(row.min)), "");
      EXPECT_EQ(fault_of(row, Value(row.max)), "");
    }
    const std::size_t tail = row.key.rfind('_');
    const std::string_view end = tail == std::string_view::npos ? "" : row.key.substr(tail + 1);
    if (end == "ms" || end == "us") {
      EXPECT_EQ(row.unit, end) << "a name that ends in a unit has that unit";
    }
  }
}

TEST(OptionTable, EveryRowIsReadFromFileEnvironmentAndFlag) {
  for (std::size_t i = 0; i < option_table().size(); ++i) {
    const OptionRow& row = option_table()[i];
    SCOPED_TRACE(row.name());
    const std::string text = other_value(row);
    const auto wanted = parse_value(row, text);
    ASSERT_TRUE(wanted) << wanted.error();
    ASSERT_EQ(fault_of(row, *wanted), "");
    EXPECT_EQ(parse_value(row, text_of(row, *wanted)), wanted) << "text_of reads back";

    ConfigSources file = with_file(as_toml(row, text));
    ConfigSources environment;
    environment.environment.emplace_back(row.environment(), text);
    ConfigSources flag;
    flag.flags.push_back({i, text});
    for (auto [sources, kind] :
         {std::pair(file, Origin::Kind::kFile), std::pair(environment, Origin::Kind::kEnvironment),
          std::pair(flag, Origin::Kind::kFlag)}) {
      for (const auto& variable : company_of(row))
        sources.environment.push_back(variable);
      auto configuration = resolve(sources);
      ASSERT_TRUE(configuration) << refusal_of(sources);
      EXPECT_EQ(value_in(row, configuration->settings), *wanted);
      EXPECT_EQ(configuration->origins[i].kind, kind);
    }
  }
}

TEST(Resolve, FlagsWinOverEnvironmentOverFileOverDefault) {
  const std::size_t row = *find_option("workers", "park_for_ms");
  ConfigSources sources;
  EXPECT_EQ(resolve(sources)->settings.workers.park_for_ms, 20);
  sources = with_file("[workers]\npark_for_ms = 30\n");
  EXPECT_EQ(resolve(sources)->settings.workers.park_for_ms, 30);
  sources.environment.emplace_back("GNOMON_WORKERS_PARK_FOR_MS", "40");
  EXPECT_EQ(resolve(sources)->settings.workers.park_for_ms, 40);
  sources.flags.push_back({row, "50"});
  EXPECT_EQ(resolve(sources)->settings.workers.park_for_ms, 50);
}

TEST(Resolve, FaultsOfTheFileNameTheirPlace) {
  const std::pair<std::string, std::string> cases[] = {
      {"[workers]\ncuont = 2\n", "g.toml:2:1: there is no option 'cuont' in [workers] (did you mean 'count'?)"},
      {"[server]\nwindow_ms = 2\n",
       "g.toml:2:1: there is no option 'window_ms' in [server] (it belongs to section [rights])"},
      {"\n[wrokers]\ncount = 2\n", "g.toml:2:2: there is no section [wrokers] (did you mean 'workers'?)"},
      {"workers = 2\n", "g.toml:1:1: 'workers' is a section: write [workers] on a line of its own"},
      {"[workers]\n\n  count = \"2\"\n", "g.toml:3:3: workers.count must be an integer, and is a text"},
      {"[workers]\ngro = 1\n", "g.toml:2:1: workers.gro must be true or false, and is an integer"},
      {"[server]\nlisten = \"127.0.0.1:1\"\n",
       R"(g.toml:2:1: server.listen must be a list of texts, as in ["a", "b"], and is a text)"},
      {"[workers]\ncount = 65\n", "g.toml:2:1: workers.count: 65 is out of range (1 to 64)"},
      {"[rights]\nwindow_ms = 999\n", "g.toml:2:1: rights.window_ms: 999 is out of range (1000 to 600000 ms)"},
      {"[workers]\npoll = \"spinn\"\n",
       "g.toml:2:1: workers.poll: 'spinn' is not one of block, spin (did you mean 'spin'?)"},
      {"[access]\ndeny = [\"10.0.0.1/8\"]\n",
       "g.toml:2:1: access.deny: '10.0.0.1/8' sets bits below its prefix: write 10.0.0.0/8"},
      {"[store]\nurl = \"postgres://a\"\n",
       "g.toml:2:1: store.url: 'postgres://a' is no store: write sqlite:PATH or etcd:https://HOST:PORT,..."},
      {"[store]\nca_file = \"/ca\"\n", "g.toml:2:1: store.ca_file is for etcd, and store.url names no etcd"},
      {"[store]\nurl = \"etcd:http://a:1\"\nca_file = \"/ca\"\n",
       "g.toml:3:1: store.ca_file is for TLS, and store.url says http://; write https:// there"},
      {"[store]\nurl = \"etcd:https://a:1\"\ncert_file = \"/c\"\n",
       "g.toml:3:1: store.cert_file and store.key_file go together: name both, or none"},
      {"[store]\nurl = \"etcd:https://a:1\"\nuser = \"gnomon\"\n",
       "g.toml:3:1: store.user and store.password_file go together: name both, or none"},
      {"[ids]\npinned = [3, 3]\n", "g.toml:2:1: ids.pinned: 3 is listed twice"},
      {"[server]\ninstance = \"a/b\"\n",
       "g.toml:2:1: server.instance: 'a/b' is no instance name: 1 to 32 characters of a-z, 0-9, '-' and '_'"},
      {"[ids]\ncustom = [{ number = 15, name = \"a\", epoch = 2024-01-01, unit = \"1ms\", bits = [41, 10, 12] }]\n",
       "g.toml:2:1: ids.custom '15:a:2024-01-01:1ms:41/10/12': custom layouts are numbered 16 to 255"},
      {"[ids]\ncustom = [{ number = 16, nmae = \"a\" }]\n",
       "g.toml:2:1: ids.custom unknown key 'nmae' (did you mean 'name'?)"},
  };
  for (const auto& [text, wanted] : cases)
    EXPECT_EQ(refusal_of(with_file(text)), wanted) << text;
}

TEST(Resolve, BrokenTomlAndDuplicatesNameLineAndColumn) {
  const std::string twice = refusal_of(with_file("[workers]\ncount = 1\ncount = 2\n"));
  EXPECT_EQ(twice.rfind("g.toml:3:", 0), 0U) << twice;
  EXPECT_NE(twice.find("count"), std::string::npos) << twice;
  const std::string broken = refusal_of(with_file("[workers\ncount = 1\n"));
  EXPECT_EQ(broken.rfind("g.toml:1:", 0), 0U) << broken;
}

TEST(Resolve, FaultsElsewhereNameTheirVariableOrFlag) {
  ConfigSources sources;
  sources.environment = {{"GNOMON_WORKERS_COUNT", "two"}};
  EXPECT_EQ(refusal_of(sources), "environment GNOMON_WORKERS_COUNT: workers.count: 'two' is no integer");
  sources.environment = {{"GNOMON_WORKERS_CONT", "2"}};
  EXPECT_EQ(refusal_of(sources),
            "environment GNOMON_WORKERS_CONT: there is no such option (did you mean 'GNOMON_WORKERS_COUNT'?)");
  sources.environment = {{"GNOMON_TEST_FULL", "1"}, {"PATH", "/bin"}, {"GNOMON_CONFIG", "x"}};
  EXPECT_EQ(refusal_of(sources), "accepted") << "not ours, or not options";
  sources.environment.clear();
  sources.flags.push_back({*find_option("workers", "count"), "99999999999999999999"});
  EXPECT_EQ(refusal_of(sources), "--workers-count: '99999999999999999999' is out of every range");
}

TEST(Resolve, AllFaultsAreReportedAtOnce) {
  const std::string all = refusal_of(with_file("[workers]\ncount = 0\nids_per_worker = 9\nbogus = 1\n"));
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 2) << all;
}

TEST(Resolve, ContradictionsAreRefused) {
  const std::pair<std::string, std::string> cases[] = {
      {"[workers]\ncount = 2\ncpus = [1]\n",
       "g.toml:3:1: workers.cpus lists 1 CPUs for 2 workers; list one per worker, or none"},
      {"[ids]\npinned = [1, 2]\n",
       "g.toml:2:1: ids.pinned lists 2 machine ids, but workers.count x workers.ids_per_worker is 1"},
      {"[ids]\npinned = [1024]\n",
       "g.toml:2:1: machine id 1024 of ids.pinned is too large: snowflake allows 0 to 1023"},
      {"[ids]\nlayouts = [\"js53\"]\n[workers]\ncount = 33\n",
       "g.toml:4:1: 33 machine ids are needed (workers.count x workers.ids_per_worker), and js53 allows 32"},
      {"[ids]\nlayouts = [\"orders\"]\n",
       "g.toml:2:1: ids.layouts names 'orders', which is none of snowflake, instagram, js53; define it under "
       "[[ids.custom]]"},
      {"[ids]\nlayouts = [\"snowflake\", 1]\n", "g.toml:2:1: ids.layouts names layout snowflake twice"},
      {"[rights]\nmachine_ids = 2000\n",
       "g.toml:2:1: rights.machine_ids is 2000, but layout snowflake has room for 1024 machine ids only"},
      {"[ids]\nlayouts = [\"slow\"]\ncustom = [{ number = 16, name = \"slow\", epoch = 2024-01-01, unit = \"6s\", bits "
       "= [30, 10, 12] }]\n",
       "g.toml:2:1: the unit of layout slow must be at most half of rights.window_ms (10000 ms); raise the window"},
      {"[server]\nlisten = [\"0.0.0.0:1\"]\n",
       "g.toml:2:1: server.listen has 0.0.0.0:1, which others than this host can reach, and they must authenticate: "
       "name a "
       "file of keys with access.keys_file, or say access.auth = \"never\" if any host may ask"},
      {"[access]\nauth = \"always\"\n",
       "g.toml:2:1: access.auth is always, but access.keys_file names no keys: nobody could be served"},
      {"[rights]\nlead_policy = \"rotate\"\n[ids]\npinned = [1]\n",
       "g.toml:2:1: rights.lead_policy rotate takes fresh machine ids, and ids.pinned allows none; choose one of them"},
      {"[rights]\nlead_policy = \"rotate\"\nmax_lead_ms = 99\n",
       "g.toml:3:1: rights.lead_policy rotate needs a rights.max_lead_ms of 100 or more, and it is 99: the noise of "
       "the "
       "clock's readings alone would use up machine ids"},
      {"[rights]\nlead_policy = \"rotate\"\nmachine_ids = 7\n[workers]\ncount = 4\n",
       "g.toml:2:1: rights.lead_policy rotate needs twice the machine ids in use (4 x 2), because the old ones rest, "
       "and "
       "rights.machine_ids allows 7; use fewer workers or ids_per_worker, or lead_policy refuse"},
      {"[server]\nlisten = []\n", "g.toml:2:1: server.listen is empty: name at least one address"},
  };
  for (const auto& [text, wanted] : cases)
    EXPECT_EQ(refusal_of(with_file(text)), wanted) << text;
  EXPECT_EQ(refusal_of(with_file("[rights]\nlead_policy = \"rotate\"\nmax_lead_ms = 100\nmachine_ids = 8\n"
                                 "[workers]\ncount = 4\n")),
            "accepted");
  EXPECT_EQ(refusal_of(with_file("[server]\nlisten = [\"0.0.0.0:1\"]\n[access]\nauth = \"never\"\n")), "accepted");
}

TEST(Resolve, LeasesOverTcpNeedAllOfTls) {
  const std::string files = "ca_file = \"/c\"\ncert_file = \"/d\"\nkey_file = \"/k\"\n";
  EXPECT_EQ(refusal_of(with_file("[lease]\nlisten = [\"0.0.0.0:14667\"]\n" + files)), "accepted");
  EXPECT_EQ(refusal_of(with_file("[lease]\nlisten = [\"[::]\"]\n" + files)), "accepted") << "the port has a default";
  for (const std::string key : {"ca_file", "cert_file", "key_file"}) {
    std::string some = files;
    some.erase(some.find(key), some.find('\n', some.find(key)) + 1 - some.find(key));
    EXPECT_EQ(refusal_of(with_file("[lease]\nlisten = [\"127.0.0.1\"]\n" + some)),
              "g.toml:2:1: lease.listen needs lease.ca_file, lease.cert_file and lease.key_file, because leases are "
              "served with mutual TLS only; lease." +
                  key + " is empty");
    EXPECT_EQ(refusal_of(with_file("[lease]\n" + key + " = \"/x\"\n")),
              "g.toml:2:1: lease." + key + " is for TLS, and lease.listen names no address");
  }
  for (const char* several : {R"("127.0.0.1", "[::1]")", R"("10.0.0.1:1", "10.0.0.1:2")", R"("[::]:0", "[::1]:0")"})
    EXPECT_EQ(refusal_of(with_file(fmt::format("[lease]\nlisten = [{}]\n", several) + files)), "accepted") << several;
  EXPECT_EQ(refusal_of(with_file("[lease]\nlisten = [\"127.0.0.1\", \"127.0.0.1:14667\"]\n" + files)),
            "g.toml:2:1: lease.listen names 127.0.0.1:14667 twice");
  EXPECT_EQ(refusal_of(with_file("[lease]\nlisten = [\"127.0.0.1\", \"[::]\"]\n" + files)),
            "g.toml:2:1: lease.listen names 127.0.0.1:14667 and [::]:14667, and a wildcard takes the port on every "
            "address of either family: name it alone");
  EXPECT_NE(refusal_of(with_file("[lease]\nlisten = [\"host:1\"]\n" + files)), "accepted");
}

TEST(Resolve, LeaseTtlsHaveAnOrder) {
  EXPECT_EQ(refusal_of(with_file("[lease]\nmin_ttl_ms = 5000\nmax_ttl_ms = 4999\n")),
            "g.toml:2:1: lease.min_ttl_ms (5000) is larger than lease.max_ttl_ms (4999)");
  EXPECT_EQ(refusal_of(with_file("[lease]\nmin_ttl_ms = 100\nmax_ttl_ms = 86400000\n")), "accepted");
}

TEST(Resolve, ADaemonMayRunUnderALease) {
  ConfigSources sources;
  sources.environment = {{"GNOMON_LEASE_NAME", "a"}, {"GNOMON_LEASE_TOKEN", "7"}, {"GNOMON_LEASE_SESSION", "00"}};
  EXPECT_EQ(refusal_of(sources), "accepted") << "what gnomon lease run tells its command is no option";
  sources.environment = {{"GNOMON_LEASE_TOKN", "7"}};
  EXPECT_NE(refusal_of(sources), "accepted");
}

/// A good configuration with DPDK, with one thing in it that is not.
std::string with_devices(const std::string& devices, const std::string& listen = R"(["10.9.0.1:14666"])") {
  return "[dpdk]\ndevices = " + devices + "\n[access]\nauth = \"never\"\n[server]\nlisten = " + listen + "\n";
}

TEST(Resolve, PortsNeedAddressesOfTheirOwn) {
  const std::string device = R"(["net_af_packet0,iface=veth0"])";
  EXPECT_EQ(refusal_of(with_file(with_devices(device))), "accepted");
  EXPECT_EQ(refusal_of(with_file(with_devices(device, R"(["10.9.0.1:1", "10.9.0.1:2", "[fd00:9::1]:1"])"))),
            "accepted");
  EXPECT_EQ(refusal_of(with_file("[dpdk]\ndevices = " + device + "\n")),
            "g.toml:2:1: server.listen is the default (127.0.0.1:14666, [::1]:14666), which DPDK ports can't be: name "
            "the addresses that they answer for, as in server.listen = [\"192.0.2.10:14666\"]");
  EXPECT_EQ(refusal_of(with_file(with_devices(device, "[]"))),
            "g.toml:6:1: server.listen is empty: name at least one address");
  for (const std::string endpoint :
       {"0.0.0.0:1", "0.1.2.3:1", "127.0.0.1:1", "127.9.9.9:1", "224.0.0.1:1", "239.1.2.3:1", "255.255.255.255:1",
        "240.0.0.1:1", "[::]:1", "[::1]:1", "[ff02::1]:1", "[::ffff:127.0.0.1]:1"})
    EXPECT_EQ(refusal_of(with_file(with_devices(device, R"(["10.9.0.1:14666", ")" + endpoint + R"("])"))),
              "g.toml:6:1: server.listen has " + endpoint +
                  ", and with dpdk.devices each entry must be a unicast address that other hosts can ask: no "
                  "wildcard, loopback, group or broadcast address");
  EXPECT_EQ(refusal_of(with_file(with_devices(device, R"(["10.9.0.1:0"])"))),
            "g.toml:6:1: server.listen has 10.9.0.1:0, and with dpdk.devices nobody chooses a free port: name one, as "
            "in 14666");
  EXPECT_EQ(refusal_of(with_file("[dpdk]\nvlans = [5]\n[server]\nlisten = [\"127.0.0.1:0\"]\n")), "accepted")
      << "without devices everything is as with kernel sockets";
}

TEST(Resolve, DevicesAreFewAndDifferent) {
  const auto listed = [](int count) {
    std::string out = "[";
    for (int i = 0; i < count; ++i)
      out += fmt::format("\"net_ring{}\", ", i);
    return out + "]";
  };
  EXPECT_EQ(refusal_of(with_file(with_devices(listed(16)))), "accepted");
  EXPECT_EQ(refusal_of(with_file(with_devices(listed(17)))),
            "g.toml:2:1: dpdk.devices lists 17 devices, and a daemon has room for 16; start another daemon for the "
            "rest");
  EXPECT_EQ(refusal_of(with_file(with_devices(R"(["net_tap0,iface=a", "net_tap0,iface=b"])"))),
            "g.toml:2:1: dpdk.devices lists net_tap0 twice; virtual devices of one driver are numbered, as in "
            "net_af_packet0 and net_af_packet1");
  EXPECT_EQ(refusal_of(with_file(with_devices(R"(["3B:00.0", "0000:3b:00.0,x=1"])"))),
            "g.toml:2:1: dpdk.devices lists 0000:3b:00.0 twice; virtual devices of one driver are numbered, as in "
            "net_af_packet0 and net_af_packet1");
  EXPECT_EQ(refusal_of(with_file("[dpdk]\nvlans = [5, 0, 5]\n")), "g.toml:2:1: dpdk.vlans: 5 is listed twice");
  EXPECT_EQ(refusal_of(with_file("[dpdk]\nvlans = [4095]\n")),
            "g.toml:2:1: dpdk.vlans: 4095 is out of range (0 to 4094)");
}

TEST(Resolve, DevicesAreSeparatedBySemicolons) {
  const std::vector<std::string> wanted{"net_af_packet0,iface=veth0,qpairs=2", "0000:3b:00.0"};
  ConfigSources sources = with_file("[access]\nauth = \"never\"\n[server]\nlisten = [\"10.9.0.1:1\"]\n");
  sources.environment.emplace_back("GNOMON_DPDK_DEVICES", " net_af_packet0,iface=veth0,qpairs=2 ; 0000:3b:00.0");
  EXPECT_EQ(resolve(sources)->settings.dpdk.devices, wanted) << refusal_of(sources);
  sources.environment = {{"GNOMON_DPDK_DEVICES", "net_af_packet0,iface=veth0,net_af_packet1,iface=veth1"}};
  EXPECT_EQ(refusal_of(sources),
            "environment GNOMON_DPDK_DEVICES: dpdk.devices: 'net_af_packet0,iface=veth0,net_af_packet1,iface=veth1' "
            "has 'net_af_packet1' where KEY=VALUE belongs; each device is an entry of its own, separated by ';' in "
            "the environment and in flags");
  sources.environment.clear();

  CLI::App app;
  add_option_flags(app);
  app.parse(
      "--dpdk-devices net_af_packet0,iface=veth0,qpairs=2 --dpdk-devices 0000:3b:00.0 --ids-pinned 3 "
      "--ids-pinned 4,5 --workers-count 3");
  sources.flags = given_flags(app);
  const auto configuration = resolve(sources);
  ASSERT_TRUE(configuration) << refusal_of(sources);
  EXPECT_EQ(configuration->settings.dpdk.devices, wanted) << "a flag that is repeated";
  EXPECT_EQ(configuration->settings.ids.pinned, (std::vector<std::int64_t>{3, 4, 5})) << "others still take commas";
}

TEST(Checks, KnowDevicesByTheirForm) {
  for (const char* good :
       {"net_af_packet0,iface=veth0", "net_ring0", "net_memif0,role=server,socket=/run/x/m.sock,socket-abstract=no",
        "net_pcap1,rx_pcap=in.pcap,tx_pcap=out.pcap", "0000:3b:00.0", "3b:00.0", "3B:1F.7",
        "10000:e1:00.0,dv_flow_en=0", "0000:3b:00.0,representor=[0,2-4],a=b", "net_virtio_user0,mac=02:00:00:00:00:01"})
    EXPECT_EQ(device_fault(good), "") << good;
  for (const char* bad : {"",
                          "eth0",
                          "net_",
                          "af_packet0",
                          "net_tap 0",
                          "net_tap0,",
                          "net_tap0,iface",
                          "net_tap0,iface=",
                          "net_tap0,=x",
                          "net_tap0,,iface=x",
                          "net_tap0, iface=x",
                          "net_tap0,iface=a;net_tap1",
                          "net-tap0",
                          "0000:3b:00",
                          "0000:3b:00.8",
                          "0000:3b:20.0",
                          "3b.00.0",
                          "000:3b:00.0",
                          "000000000:3b:00.0",
                          "g000:3b:00.0",
                          "0000:3b:00.0,x",
                          "net_tap0\n",
                          "net_a234567890123456789012345678901234567890123456789012345678901"})
    EXPECT_NE(device_fault(bad), "") << bad;
  EXPECT_EQ(device_fault("eth0"),
            "'eth0' is no DPDK device: write DRIVERNAME[,KEY=VALUE...] as in net_af_packet0,iface=eth1, or a PCI "
            "address as in 0000:3b:00.0");
}

TEST(Checks, EalIsNotToldWhatOtherOptionsSay) {
  for (const char* good : {"", "  ", "--iova-mode=va", "--log-level lib.eal:debug  -v", "-d librte_net_x.so",
                           "--huge-dir=/mnt/huge", "--no-telemetry", "-n 4"})
    EXPECT_EQ(eal_arguments_fault(good), "") << good;
  const std::pair<std::string, std::string> cases[] = {
      {"-l 0-3", "'-l' can't be given here: set workers.count and workers.cpus"},
      {"-l0-3", "'-l0-3' can't be given here: set workers.count and workers.cpus"},
      {"--lcores=0@0", "'--lcores=0@0' can't be given here: set workers.count and workers.cpus"},
      {"--lcore 0@0", "'--lcore' can't be given here: set workers.count and workers.cpus"},
      {"-n 4 -c 3", "'-c' can't be given here: set workers.count and workers.cpus"},
      {"--main-lcore 2", "'--main-lcore' can't be given here: set workers.count and workers.cpus"},
      {"-S 1", "'-S' can't be given here: service cores have no use here, and would be taken from the workers"},
      {"-s2", "'-s2' can't be given here: service cores have no use here, and would be taken from the workers"},
      {"-m 64", "'-m' can't be given here: set dpdk.memory_mb"},
      {"--socket-mem=64", "'--socket-mem=64' can't be given here: set dpdk.memory_mb"},
      {"--in-memory", "'--in-memory' can't be given here: set dpdk.memory"},
      {"--no-huge", "'--no-huge' can't be given here: set dpdk.memory"},
      {"--vdev=net_tap0", "'--vdev=net_tap0' can't be given here: set dpdk.devices"},
      {"-a 3b:00.0", "'-a' can't be given here: set dpdk.devices"},
      {"--allow 3b:00.0", "'--allow' can't be given here: set dpdk.devices"},
      {"--no-pci", "'--no-pci' can't be given here: name no PCI address in dpdk.devices"},
      {"--file-prefix=x", "'--file-prefix=x' can't be given here: set server.instance"},
      {"--proc-type=auto", "'--proc-type=auto' can't be given here: gnomond is always a primary process"},
      {"--help", "'--help' can't be given here: it would end the daemon; see DPDK's own documentation"},
      {"-h", "'-h' can't be given here: it would end the daemon; see DPDK's own documentation"},
      {"iova-mode=va", "'iova-mode=va' is no argument of EAL: write --NAME, --NAME=VALUE or -LETTER VALUE"},
      {"-v -- x", "'--' is no argument of EAL: write --NAME, --NAME=VALUE or -LETTER VALUE"},
      {"-v\t-n", "the arguments must be separated by blanks, and have no other invisible characters"},
  };
  for (const auto& [text, wanted] : cases)
    EXPECT_EQ(eal_arguments_fault(text), wanted) << text;
}

TEST(Resolve, CustomLayoutsComeAsTablesAndAreServedByNameOrNumber) {
  const auto configuration = resolve(with_file(
      "[ids]\nlayouts = [\"orders\", 17]\n"
      "[[ids.custom]]\nnumber = 16\nname = \"orders\"\nepoch = 2024-01-01\nunit = \"1ms\"\nbits = [41, 10, 12]\n"
      "[[ids.custom]]\nnumber = 17\nname = \"items\"\nepoch = \"2020-02-29\"\nunit = \"250us\"\nbits = [40, 8, 10]\n"));
  ASSERT_TRUE(configuration) << configuration.error().front();
  const auto served = served_layouts(configuration->settings);
  ASSERT_TRUE(served) << served.error();
  ASSERT_EQ(served->size(), 2U);
  EXPECT_EQ((*served)[0].name(), "orders");
  EXPECT_EQ((*served)[0].epoch.ns, 1'704'067'200'000'000'000);
  EXPECT_EQ((*served)[1].number.value, 17);
  EXPECT_EQ((*served)[1].unit.ns, 250'000);
}

TEST(Documents, SampleConfigurationIsValidAsItStandsAndUncommented) {
  const std::string sample = sample_configuration();
  EXPECT_EQ(refusal_of(with_file(sample)), "accepted");
  std::string uncommented;  // "# key = value" and "# [[ids.custom]]" lose their mark; prose keeps it
  std::size_t keys = 0;
  for (std::size_t begin = 0; begin < sample.size();) {
    const std::size_t end = sample.find('\n', begin);
    std::string line = sample.substr(begin, end - begin);
    begin = end + 1;
    const bool assignment = line.starts_with("# ") && line.find(" = ") != std::string::npos &&
                            line.substr(2, line.find(" = ") - 2).find(' ') == std::string::npos;
    keys += assignment ? 1 : 0;
    if (assignment || line.starts_with("# [[")) line = line.substr(2);
    uncommented += line + "\n";
  }
  EXPECT_EQ(keys, option_table().size() - 1 + 5) << "ids.custom stands as a table of five keys";
  const auto configuration = resolve(with_file(uncommented));
  ASSERT_TRUE(configuration) << configuration.error().front();
  Settings defaults = resolve({})->settings;
  Settings settings = configuration->settings;
  for (const OptionRow& row : option_table())
    if (row.type() != OptionType::kLayoutList) {
      EXPECT_EQ(value_in(row, settings), value_in(row, defaults)) << row.name();
    }
}

/// The sample, with one of its commented lines said otherwise.
void say(std::string& sample, const std::string& key, const std::string& before, const std::string& now) {
  const std::string line = "# " + key + " = " + before + "\n";
  const std::size_t at = sample.find(line);
  ASSERT_NE(at, std::string::npos) << line;
  sample.replace(at, line.size(), key + " = " + now + "\n");
}

TEST(Documents, SampleConfigurationCanBeFilledInForDpdk) {
  std::string sample = sample_configuration();
  say(sample, "listen", R"(["127.0.0.1:14666", "[::1]:14666"])", R"(["10.9.0.1:14666"])");
  say(sample, "devices", "[]", R"(["net_af_packet0,iface=veth0", "net_tap0"])");
  say(sample, "vlans", "[]", "[0, 12]");
  say(sample, "memory", "\"auto\"", "\"no-huge\"");
  say(sample, "steering", "\"auto\"", "\"off\"");
  say(sample, "auth", "\"loopback\"", "\"never\"");
  const auto configuration = resolve(with_file(sample));
  ASSERT_TRUE(configuration) << refusal_of(with_file(sample));
  const auto& dpdk = configuration->settings.dpdk;
  EXPECT_EQ(dpdk.devices, (std::vector<std::string>{"net_af_packet0,iface=veth0", "net_tap0"}));
  EXPECT_EQ(dpdk.vlans, (std::vector<std::int64_t>{0, 12}));
  EXPECT_EQ(dpdk.memory, "no-huge");
  EXPECT_EQ(dpdk.memory_mb, 256);
  EXPECT_EQ(dpdk.rx_descriptors, 1024);
  EXPECT_EQ(dpdk.tx_descriptors, 1024);
  EXPECT_EQ(dpdk.mtu, 1500);
  EXPECT_EQ(dpdk.steering, "off");
  EXPECT_EQ(dpdk.eal_args, "");
}

TEST(Documents, SayHowDevicesAreSeparated) {
  const std::string words = "separated by ';' in the environment and in flags";
  const std::size_t devices = *find_option("dpdk", "devices");
  EXPECT_NE(option_table()[devices].type_text().find(words), std::string::npos);
  for (const std::string& document : {option_help(), sample_configuration(), option_reference()}) {
    const std::size_t at = document.find(words);
    ASSERT_NE(at, std::string::npos) << document.substr(0, 80);
    EXPECT_EQ(document.find(words, at + 1), std::string::npos) << "no other list";
  }
}

TEST(Documents, CounterReferenceTellsFramesFromRequests) {
  const std::string text = counter_reference();
  const std::size_t requests = text.find("\n## Requests\n");
  const std::size_t frames = text.find("\n## Frames\n");
  ASSERT_LT(requests, frames);
  ASSERT_NE(frames, std::string::npos);
  for (const page::CounterInfo& info : page::kCounterTable) {
    const std::size_t at = text.find(fmt::format("\n| `{}` | {} |\n", info.name, info.help));
    ASSERT_NE(at, std::string::npos) << info.name;
    EXPECT_EQ(at > frames, info.counter >= page::Counter::kFrames) << info.name;
    EXPECT_GT(at, requests) << info.name;
  }
  EXPECT_NE(text.find("with kernel sockets these stay 0", frames), std::string::npos);
}

std::string committed(const std::string& path) {
  const char* root = std::getenv("GNOMON_SOURCE_DIR");  // set by tests/run_tests.py and meson
  if (root == nullptr) return "GNOMON_SOURCE_DIR is not set";
  std::ifstream in(root + ("/" + path));
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Documents, ReferencePagesAreWhatIsCommitted) {
  EXPECT_EQ(committed("docs/options.md"), option_reference())
      << "write it anew: gnomond --print-reference > docs/options.md";
  EXPECT_EQ(committed("docs/counters.md"), counter_reference())
      << "write it anew: gnomond --print-counters > docs/counters.md";
}

TEST(Documents, HelpNamesEveryFlag) {
  const std::string help = option_help();
  for (const OptionRow& row : option_table())
    EXPECT_NE(help.find("  " + row.flag()), std::string::npos) << row.flag();
}

}  // namespace
}  // namespace gnomon::cmd
