// SPDX-License-Identifier: Apache-2.0
//
// The hosts that other tests stand on: they reach one another and nobody else, frames cross as they were sent, and of
// none of it is anything left, however it ends.
#include "tests/support/network_namespace.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <set>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tests/support/daemon.hpp"
#include "tests/support/fleet.hpp"
#include "tests/support/frames.hpp"
#include "tests/support/packet_socket.hpp"

namespace gnomon::support {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::set<std::string> interfaces_here() {
  std::set<std::string> names;
  struct if_nameindex* all = if_nameindex();
  for (const struct if_nameindex* i = all; i != nullptr && i->if_index != 0; ++i)
    names.insert(i->if_name);
  if_freenameindex(all);
  return names;
}

std::set<std::string> interfaces_in(const NetworkNamespace& where) {
  const InNamespace inside(where);
  return interfaces_here();
}

// A namespace is taken down by the kernel a moment after its last holder has gone.
bool comes_true(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    nap(5);
  }
  return true;
}

// In a child: says when it has it, and never comes back.
[[noreturn]] void hold_one_end(const NetworkNamespace& other, int ready) {
  try {
    const NetworkNamespace its;
    connect({.where = its, .name = "va", .addresses = {"10.9.0.1/24"}}, {.where = other, .name = "vb"});
    const ChildProcess inside({find_program("sleep"), "60"}, {}, "/dev/null", {.network_namespace = its.fd()});
    if (write(ready, "!", 1) == 1) pause();
  } catch (...) {
    _exit(1);
  }
  _exit(0);
}

class Namespaces : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
    before_ = interfaces_here();
  }
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_EQ(interfaces_here(), before_) << "the host's own interfaces are not ours to touch";
  }

  std::set<std::string> before_;
};

TEST_F(Namespaces, HostsReachOneAnother) {
  const NetworkNamespace a;
  const NetworkNamespace b;
  EXPECT_EQ(interfaces_in(a), std::set<std::string>{"lo"});
  connect({.where = a, .name = "va", .addresses = {"10.9.0.1/24", "fd00:9::1/64"}},
          {.where = b, .name = "vb", .mac = "02:00:00:00:09:02", .addresses = {"10.9.0.2/24", "fd00:9::2/64"}});
  EXPECT_EQ(interfaces_in(a), (std::set<std::string>{"lo", "va"}));
  EXPECT_EQ(interfaces_in(b), (std::set<std::string>{"lo", "vb"}));
  EXPECT_EQ(interfaces_here(), before_);
  EXPECT_NE(b.run({"ip", "link", "show", "vb"}).text.find("02:00:00:00:09:02"), std::string::npos);
  for (const char* address : {"10.9.0.2", "fd00:9::2"}) {
    const Output ping = a.run({"ping", "-c", "1", "-W", "5", address});
    EXPECT_EQ(ping.exit.code, 0) << ping.text;
  }
  EXPECT_NE(a.run({"ping", "-c", "1", "-W", "1", "10.9.0.3"}).exit.code, 0) << "nobody is there";
}

TEST_F(Namespaces, ThreadsAndProgramsAreWhereTheyWereStarted) {
  const NetworkNamespace a;
  const NetworkNamespace b;
  connect({.where = a, .name = "va"}, {.where = b, .name = "vb"});
  std::thread later;
  std::set<std::string> seen;
  {
    const InNamespace inside(a);
    EXPECT_TRUE(interfaces_here().contains("va"));
    later = std::thread([&seen] {
      nap(50);
      seen = interfaces_here();
    });
    const InNamespace further(b);
    EXPECT_TRUE(interfaces_here().contains("vb"));
  }
  later.join();
  EXPECT_TRUE(seen.contains("va"));
  EXPECT_EQ(interfaces_here(), before_);
  EXPECT_NE(a.run({"ip", "link", "show", "va"}).exit.code, 1);
  EXPECT_EQ(a.run({"ip", "link", "show", "vb"}).exit.code, 1);
  EXPECT_THROW(a.must_run({"ip", "link", "set", "vb", "up"}), std::runtime_error);
  EXPECT_THROW((void)a.run({"no-such-program-of-gnomon"}), std::runtime_error);
}

TEST_F(Namespaces, GoWithTheirObject) {
  const NetworkNamespace stays;
  {
    const NetworkNamespace goes;
    connect({.where = goes, .name = "va", .addresses = {"10.9.0.1/24"}}, {.where = stays, .name = "vb"});
    EXPECT_TRUE(interfaces_in(stays).contains("vb"));
  }
  EXPECT_TRUE(comes_true([&] { return !interfaces_in(stays).contains("vb"); }));
}

// The child's namespace is one end of a cable; when the child is shot, the cable goes, and with it our end.
TEST_F(Namespaces, GoWithAProcessThatIsKilled) {
  const NetworkNamespace ours;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) hold_one_end(ours, ends[1]);
  close(ends[1]);
  char said = 0;
  EXPECT_EQ(read(ends[0], &said, 1), 1) << "the child failed";
  close(ends[0]);
  EXPECT_TRUE(interfaces_in(ours).contains("vb"));
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(comes_true([&] { return !interfaces_in(ours).contains("vb"); }));
}

TEST_F(Namespaces, FramesCrossAsTheyWereSent) {
  const NetworkNamespace a;
  const NetworkNamespace b;
  connect({.where = a, .name = "va"}, {.where = b, .name = "vb"});
  std::optional<PacketSocket> left;
  std::optional<PacketSocket> right;
  {
    const InNamespace inside(a);
    left.emplace("va");
  }
  {
    const InNamespace inside(b);
    right.emplace("vb");
  }
  EXPECT_EQ(right->receive(milliseconds(300)), std::nullopt) << "an end without addresses says nothing by itself";
  const Envelope envelope{.from_mac = {2, 0, 0, 0, 0, 1},
                          .to_mac = {2, 0, 0, 0, 0, 2},
                          .from = address_of("10.9.0.1"),
                          .to = address_of("10.9.0.2")};
  Envelope tagged = envelope;
  tagged.tags = {0x6005};
  for (const Bytes& frame :
       {udp_frame(envelope, {.from = 1, .to = 2}, text_bytes("plain")),
        udp_frame(tagged, {.from = 1, .to = 2}, text_bytes("tagged")), arp_request_frame(tagged),
        udp_frame(envelope, {.from = 1, .to = 2, .checksum = Checksum::kWrong}, text_bytes("wrong")),
        udp_frame(envelope, {.from = 1, .to = 2}, Bytes(1472)), ethernet({.padded = false}, 0x88b5, {})}) {
    EXPECT_TRUE(left->send(frame));
    const auto received = right->receive(seconds(5));
    ASSERT_TRUE(received.has_value());
    EXPECT_EQ(to_hex(*received), to_hex(frame));
  }
  EXPECT_EQ(right->undone_checksums(), 0U);
  EXPECT_EQ(left->receive(milliseconds(50)), std::nullopt) << "one's own frames don't come back";
  EXPECT_THROW(left->send(Bytes(2000)), std::system_error);
  EXPECT_THROW(PacketSocket("no-such-if"), std::system_error);
}

// What a kernel sends from an end with addresses has whole checksums: else no data plane could answer it.
TEST_F(Namespaces, AKernelsDatagramsAreWhole) {
  const NetworkNamespace wire;
  const NetworkNamespace host;
  connect({.where = wire, .name = "vw"}, {.where = host, .name = "vh", .addresses = {"10.9.0.2/24", "fd00:9::2/64"}});
  std::optional<PacketSocket> socket;
  {
    const InNamespace inside(wire);
    socket.emplace("vw");
  }
  host.must_run({"ip", "neigh", "add", "10.9.0.1", "lladdr", "02:00:00:00:09:01", "dev", "vh"});
  host.must_run({"ip", "neigh", "add", "fd00:9::1", "lladdr", "02:00:00:00:09:01", "dev", "vh"});
  std::size_t datagrams = 0;
  for (const char* address : {"10.9.0.1", "fd00:9::1"}) {
    const InNamespace inside(host);
    RawClient client(platform::Endpoint{address_of(address), 14666});
    Ledger ledger;
    // Two at once: the kernel cuts them up, where it can.
    (void)client.exchange({.messages_per_datagram = 22, .datagrams = 2}, milliseconds(1), ledger);
    while (const auto frame = socket->receive(milliseconds(300))) {
      if (const std::string fault = check_reply_frame(*frame); !fault.empty()) {
        EXPECT_EQ(fault.find("checksum"), std::string::npos) << fault;  // multicast reports and the like
        continue;
      }
      const Dissection d = dissect(*frame);
      if (d.protocol != kProtocolUdp) continue;
      ++datagrams;
      EXPECT_EQ(d.payload.size(), std::size_t{22} * 64);
      EXPECT_EQ(d.destination_port, 14666);
    }
  }
  EXPECT_EQ(datagrams, 4U);
  EXPECT_EQ(socket->undone_checksums(), 0U);
}

// A daemon that is born inside, and clients that come to it from outside of their own host.
TEST_F(Namespaces, ADaemonServesInside) {
  const NetworkNamespace server;
  const NetworkNamespace client;
  connect({.where = server, .name = "vs", .addresses = {"10.9.0.1/24", "fd00:9::1/64"}},
          {.where = client, .name = "vc", .addresses = {"10.9.0.2/24", "fd00:9::2/64"}});
  const ScratchFolder folder;
  Daemon daemon(folder.path(), {{"server.listen", "10.9.0.1:0,[fd00:9::1]:0"}, {"access.auth", "never"}});
  daemon.start({.network_namespace = server.fd()});
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  ASSERT_EQ(daemon.endpoints().size(), 2U);
  EXPECT_EQ(daemon.endpoints()[0].address, address_of("10.9.0.1"));
  EXPECT_EQ(daemon.endpoints()[1].address, address_of("fd00:9::1"));
  EXPECT_EQ(daemon.port(), daemon.endpoints()[0].port);
  Ledger ledger;
  for (const platform::Endpoint& endpoint : daemon.endpoints()) {
    const InNamespace inside(client);
    Fleet fleet(endpoint, {{.messages_per_datagram = 22, .datagrams = 8}, {.layout = 2, .count = 10}}, seconds(20),
                500);
    EXPECT_GE(fleet.join(ledger).ids, 1000U) << platform::to_string(endpoint) << "\n" << daemon.log();
  }
  EXPECT_EQ(ledger.duplicates().count, 0U);
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
}

}  // namespace
}  // namespace gnomon::support
