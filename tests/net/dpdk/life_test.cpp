// SPDX-License-Identifier: Apache-2.0
//
// The life of a gnomond on DPDK ports: killed at random instants, its device taken away, its configuration wrong; what
// it says about itself meanwhile.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <random>

#include "platform/unique_fd.hpp"
#include "tests/net/dpdk/rack.hpp"
#include "tests/support/fleet.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;

class Life : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
  }
};

constexpr const char* kKeyFile = "1 000102030405060708090a0b0c0d0e0f\n";

wire::Key key() { return {{1}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}; }

Load singles(std::uint16_t layout) {
  return {.layout = layout, .count = 1, .messages_per_datagram = 22, .datagrams = 16};
}
Load ranges(std::uint16_t layout) {
  return {.layout = layout, .count = 200, .messages_per_datagram = 4, .datagrams = 4};
}

// As on kernel sockets: no ID twice, whatever instant it is killed at.
TEST_F(Life, KilledAtRandomInstants) {
  const int rounds = full_size() ? 100 : 6;
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  std::mt19937_64 random(seed);
  Rack rack(Wire::kAfPacket, {{"rights.window_ms", "1000"}});
  Ledger ledger;
  for (int round = 0; round < rounds; ++round) {
    ASSERT_TRUE(rack.start()) << "round " << round << "\n" << rack.daemon().log();
    const InNamespace inside(rack.client());
    Fleet fleet(Rack::v4(), {singles(1), ranges(1), ranges(2)}, seconds(20));
    while (fleet.ids() == 0)
      std::this_thread::sleep_for(milliseconds(1));
    std::this_thread::sleep_for(milliseconds(random() % 400));
    rack.daemon().kill_hard();
    Ledger served;
    const Tally tally = fleet.finish(served);
    EXPECT_GT(tally.ids, 0U) << "round " << round;
    ledger.follow_with(std::move(served));
  }
  EXPECT_EQ(ledger.duplicates().count, 0U) << ledger.duplicates().first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
  std::printf("%d rounds, %lu IDs, %zu machine ids\n", rounds, static_cast<unsigned long>(ledger.ids()),
              ledger.machines().size());
}

TEST_F(Life, AsksForKeysAndEndsCleanly) {
  const ScratchFolder folder;
  const auto file = folder.path() / "keys";
  {
    std::FILE* const out = std::fopen(file.c_str(), "w");
    ASSERT_NE(out, nullptr);
    std::fputs(kKeyFile, out);
    std::fclose(out);
    std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  }
  Rack rack(Wire::kAfPacket, {{"access.auth", "always"}, {"access.keys_file", file.string()}});
  ASSERT_TRUE(rack.start()) << rack.daemon().log();
  Tally with;
  Tally without;
  {
    const InNamespace inside(rack.client());
    Ledger ledger;
    for (const platform::Endpoint& server : {Rack::v4(), Rack::v6()}) {
      RawClient stranger(server, 2);
      without += stranger.exchange(singles(1), seconds(5), ledger);
      RawClient friend_of_ours(server, 3);
      friend_of_ours.set_key(key());
      for (int i = 0; i < 10; ++i) {
        with += friend_of_ours.exchange(singles(1), seconds(5), ledger);
        with += friend_of_ours.exchange(ranges(2), seconds(5), ledger);
      }
    }
    EXPECT_EQ(ledger.duplicates().count, 0U) << ledger.duplicates().first;
  }
  EXPECT_EQ(with.ok, with.sent);
  EXPECT_EQ(without.ok, 0U);
  EXPECT_EQ(without.by_status[9], without.sent) << "unauthorised, and said so";
  EXPECT_EQ(rack.daemon().stop().code, 0) << rack.daemon().log();
  EXPECT_NE(rack.daemon().log().find("given back"), std::string::npos) << rack.daemon().log();
}

TEST_F(Life, ADeviceThatVanishesEndsItWithTheReason) {
  Rack rack(Wire::kAfPacket);
  ASSERT_TRUE(rack.start()) << rack.daemon().log();
  {
    const InNamespace inside(rack.client());
    RawClient client(Rack::v4());
    Ledger ledger;
    ASSERT_EQ(client.exchange(singles(1), seconds(5), ledger).silent, 0U);
  }
  rack.server().must_run({"ip", "link", "delete", "vs"});
  const Exit exit = rack.daemon().wait_exit(seconds(20));
  EXPECT_TRUE(exit.exited);
  EXPECT_EQ(exit.code, 1) << rack.daemon().log();
  EXPECT_NE(rack.daemon().log().find("no port is left"), std::string::npos) << rack.daemon().log();
  EXPECT_NE(rack.daemon().log().find("given back"), std::string::npos) << "the rights rest for nobody\n"
                                                                       << rack.daemon().log();
}

TEST_F(Life, OneOfTwoDevicesMayVanish) {
  Rack rack(Wire::kAfPacket, {{"dpdk.devices", "net_af_packet0,iface=vs;net_af_packet1,iface=other"}});
  const NetworkNamespace elsewhere;
  support::connect({.where = rack.server(), .name = "other"}, {.where = elsewhere, .name = "far"});
  ASSERT_TRUE(rack.start()) << rack.daemon().log();
  const InNamespace inside(rack.client());
  RawClient client(Rack::v4());
  Ledger ledger;
  ASSERT_EQ(client.exchange(singles(1), seconds(5), ledger).silent, 0U);
  rack.server().must_run({"ip", "link", "delete", "other"});
  const auto until = std::chrono::steady_clock::now() + seconds(20);
  while (rack.daemon().log().find("net_af_packet1 has gone") == std::string::npos &&
         std::chrono::steady_clock::now() < until)
    nap();
  EXPECT_NE(rack.daemon().log().find("port net_af_packet1 has gone"), std::string::npos) << rack.daemon().log();
  Tally after;
  for (int i = 0; i < 20; ++i)
    after += client.exchange(singles(1), seconds(5), ledger);
  EXPECT_EQ(after.ok, after.sent) << "the other one serves on";
  const Output status = rack.ask({"status", "--ports"});
  EXPECT_EQ(status.exit.code, 0) << status.text;
  EXPECT_NE(status.text.find("gone"), std::string::npos) << status.text;
}

TEST_F(Life, OneQueueMeansOneWorkerAndItSaysSo) {
  Rack rack(Wire::kAfPacket, {{"workers.count", "2"}});
  ASSERT_TRUE(rack.start()) << rack.daemon().log();
  EXPECT_EQ(rack.workers(), 1U);
  EXPECT_NE(rack.daemon().log().find("port net_af_packet0 has 1 queue pairs for 2 workers: 1 worker is started"),
            std::string::npos)
      << rack.daemon().log();
  const InNamespace inside(rack.client());
  RawClient client(Rack::v4());
  Ledger ledger;
  EXPECT_EQ(client.exchange(singles(1), seconds(5), ledger).silent, 0U);
}

TEST_F(Life, PinnedIdsForWorkersThatCantBeAreRefused) {
  Rack rack(Wire::kAfPacket, {{"workers.count", "2"}, {"ids.pinned", "3,4"}});
  EXPECT_FALSE(rack.start());
  EXPECT_EQ(rack.daemon().wait_exit(seconds(10)).code, 1);
  EXPECT_NE(rack.daemon().log().find("ids.pinned lists the machine ids of 2 workers"), std::string::npos)
      << rack.daemon().log();
}

struct WrongDevice {
  const char* name;
  Rack::Options options;
  std::vector<std::string> said;
};

class Refusals : public testing::TestWithParam<WrongDevice> {};
INSTANTIATE_TEST_SUITE_P(
    Devices, Refusals,
    testing::Values(
        WrongDevice{"NoSuchInterface",
                    {{"dpdk.devices", "net_af_packet0,iface=nope"}},
                    {"net_af_packet0,iface=nope", "'nope' does not exist here", "ip link"}},
        WrongDevice{"NoSuchDriver", {{"dpdk.devices", "net_nonsense0"}}, {"net_nonsense0", "no driver", "librte-net"}},
        WrongDevice{"NoSuchCard", {{"dpdk.devices", "0000:ff:1f.7"}}, {"0000:ff:1f.7", "dpdk-devbind.py"}},
        WrongDevice{"TooFewHugePages",
                    {{"dpdk.memory", "hugepages"}, {"dpdk.memory_mb", "60000"}},
                    {"60000 MB of huge pages are wanted", "vm.nr_hugepages=30000"}},
        WrongDevice{"SteeringThatCantBe", {{"dpdk.steering", "on"}}, {"dpdk.steering", "set it to auto or off"}},
        WrongDevice{
            "NonsenseForEal", {{"dpdk.eal_args", "--no-such-argument"}}, {"--no-such-argument", "dpdk.eal_args"}}),
    [](const auto& wrong) { return std::string(wrong.param.name); });

TEST_P(Refusals, SayWhatIsMissingAndWhatToDo) {
  std::string why;
  if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
  Rack rack(Wire::kAfPacket, GetParam().options);
  EXPECT_FALSE(rack.start());
  const Exit exit = rack.daemon().wait_exit(seconds(20));
  EXPECT_TRUE(exit.exited);
  EXPECT_EQ(exit.code, 1) << rack.daemon().log();
  for (const std::string& words : GetParam().said)
    EXPECT_NE(rack.daemon().log().find(words), std::string::npos) << words << "\n" << rack.daemon().log();
}

// One question to DPDK's telemetry socket: a greeting comes first, then one answer per question.
std::string telemetry(const std::filesystem::path& path, const std::string& command) {
  const platform::UniqueFd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string text = path.string();
  if (text.size() >= sizeof address.sun_path) return "the path is too long: " + text;
  std::memcpy(address.sun_path, text.c_str(), text.size());
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return "nobody listens on " + text;
  const timeval limit{5, 0};
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::vector<char> answer(64 << 10);
  if (::recv(fd.get(), answer.data(), answer.size(), 0) <= 0) return "no greeting";
  if (::send(fd.get(), command.data(), command.size(), MSG_NOSIGNAL) < 0) return "it takes no command";
  const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return size <= 0 ? "no answer" : std::string(answer.data(), static_cast<std::size_t>(size));
}

TEST_F(Life, SaysWhatItsPortsAndWorkersDo) {
  Rack rack(Wire::kAfPacket);
  ASSERT_TRUE(rack.start()) << rack.daemon().log();
  {
    const InNamespace inside(rack.client());
    RawClient client(Rack::v4());
    Ledger ledger;
    ASSERT_EQ(client.exchange(singles(1), seconds(5), ledger).ids, 22U * 16);
  }
  const Output table = rack.ask({"status", "--ports"});
  EXPECT_EQ(table.exit.code, 0) << table.text;
  for (const char* words :
       {"net_af_packet0", "02:00:00:00:09:01", "up", "receive UDP checksum", "software", "MTU", "promiscuous"})
    EXPECT_NE(table.text.find(words), std::string::npos) << words << "\n" << table.text;
  const Output status = rack.ask({"status"});
  EXPECT_NE(status.text.find("dpdk"), std::string::npos) << status.text;

  const auto socket = rack.daemon().state_dir().parent_path() / "run" / "gnomon" / "dpdk" /
                      ("gnomon-" + rack.daemon().instance()) / "dpdk_telemetry.v2";
  const std::string ports = telemetry(socket, "/gnomon/ports");
  EXPECT_NE(ports.find("\"port0\":{\"device\":\"net_af_packet"), std::string::npos) << ports;
  EXPECT_NE(ports.find("\"driver\":\"net_af_packet\""), std::string::npos) << ports;
  EXPECT_NE(ports.find("\"state\":\"up\""), std::string::npos) << ports;
  const std::string workers = telemetry(socket, "/gnomon/workers");
  EXPECT_NE(workers.find("\"worker0\""), std::string::npos) << workers;
  EXPECT_NE(workers.find("\"ids\":352"), std::string::npos) << workers;
  EXPECT_NE(telemetry(socket, "/gnomon/worker,0").find("\"dropped_udp_checksum\":0"), std::string::npos);
  EXPECT_EQ(telemetry(socket, "/gnomon/worker,7").find("\"ids\""), std::string::npos) << "there is no worker 7";
  EXPECT_EQ(rack.daemon().stop().code, 0) << rack.daemon().log();
  EXPECT_FALSE(std::filesystem::exists(socket.parent_path())) << "its run-time files went with it";
}

}  // namespace
}  // namespace gnomon::net
