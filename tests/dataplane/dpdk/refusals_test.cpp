// SPDX-License-Identifier: Apache-2.0
//
// What DPDK is refused for, and whether the refusal names the thing and the remedy; and what an ordinary user may do.
#include <grp.h>
#include <gtest/gtest.h>
#include <rte_log.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/device_serving.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using dataplane::PortMemory;
using dataplane::PortOptions;
using support::ScratchFolder;

// The refusal of options, as gnomond would print it; empty if they serve.
std::string refusal_of(const ScratchFolder& folder, const std::string& device,
                       const std::function<void(PortOptions&)>& change = {}) {
  PortOptions options = port_options(folder);
  options.devices = {device};
  if (change) change(options);
  try {
    const DeviceServing serving(options, port_pool_options());
  } catch (const std::runtime_error& refusal) {
    return refusal.what();
  }
  return {};
}

void expect_says(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    EXPECT_NE(text.find(word), std::string::npos) << "not said: " << word << "\nbut: " << text;
}

void expect_refused(const std::string& device, const std::vector<std::string>& words,
                    const std::function<void(PortOptions&)>& change = {}) {
  in_own_process([&] {
    const ScratchFolder folder;
    const std::string text = refusal_of(folder, device, change);
    expect_says(text, words);
    EXPECT_EQ(text.find('\n'), std::string::npos) << "a log line has one line: " << text;
  });
}

// Out of reach of the machine's own interfaces, as far as that takes root.
void leave_the_network() {
  if (geteuid() == 0 && unshare(CLONE_NEWNET) != 0) throw NotHere("no network namespace can be made here");
}

TEST(Refusals, UnknownDriver) {
  expect_refused("net_foo0", {"cannot open the device net_foo0", "no driver", "librte-net-"});
}

TEST(Refusals, AbsentInterface) {
  in_own_process([] {
    leave_the_network();
    if (geteuid() != 0) throw NotHere("takes root: without CAP_NET_RAW the interface is not even looked for");
    const ScratchFolder folder;
    expect_says(refusal_of(folder, "net_af_packet0,iface=nope"),
                {"cannot open the device net_af_packet0,iface=nope", "'nope' does not exist"});
  });
}

TEST(Refusals, AbsentCard) {
  expect_refused("0000:ff:1f.7", {"cannot open the device 0000:ff:1f.7", "dpdk-devbind.py --status", "vfio-pci"});
}

// With a PCI device DPDK says what it thinks of it when it starts, before anybody has asked for that device.
TEST(Refusals, AbsentCardWithWhatDpdkSaidOfIt) {
  in_own_process([] {
    const ScratchFolder folder;
    PortOptions options = port_options(folder);
    options.eal_arguments = {"--log-level=lib.eal:debug"};  // so that it says something
    auto eal = dataplane::dpdk::Eal::start(options);
    ASSERT_TRUE(eal.has_value()) << eal.error().text;
    const std::string said = (*eal)->said_at_start();
    ASSERT_NE(said.find("DPDK says"), std::string::npos);
    rte_log(RTE_LOG_ERR, RTE_LOGTYPE_EAL, "said later\n");
    const auto port = dataplane::dpdk::attach(dataplane::dpdk::parse_device("0000:ff:1f.7"), **eal);
    ASSERT_FALSE(port.has_value());
    EXPECT_EQ(port.error().code, ENODEV);
    EXPECT_EQ(port.error().text.find("said later"), std::string::npos) << port.error().text;
    EXPECT_NE(port.error().text.find(said), std::string::npos) << port.error().text;
  });
}

TEST(Refusals, BuffersThatAreNotTheWorkersOwn) {
  expect_refused("0000:ff:1f.7,mprq_en=1", {"0000:ff:1f.7,mprq_en=1", "not the worker's own", "leave mprq_en out"});
}

// Past the check of the configuration: EAL takes the lcores of workers for itself.
TEST(Refusals, FewerLcoresThanWorkers) {
  expect_refused("net_null0", {"0 lcores for 1 workers", "dpdk.eal_args"},
                 [](PortOptions& options) { options.eal_arguments = {"-S", "1"}; });
}

TEST(Refusals, NoHugePages) {
  expect_refused("net_null0", {"65536 MB of huge pages", "dpdk.memory_mb", "vm.nr_hugepages=32768", "dpdk.memory"},
                 [](PortOptions& options) {
                   options.memory = PortMemory::kHugePages;
                   options.memory_mb = 65536;
                 });
}

TEST(Refusals, TooLittleMemory) {
  expect_refused("net_null0", {"buffers for worker 0", "dpdk.memory_mb", "dpdk.rx_descriptors"},
                 [](PortOptions& options) {
                   options.memory_mb = 64;
                   options.rx_descriptors = 32768;
                   options.tx_descriptors = 32768;
                 });
}

TEST(Refusals, BadEalArguments) {
  expect_refused("net_null0", {"start DPDK", "--no-such-option", "dpdk.eal_args"},
                 [](PortOptions& options) { options.eal_arguments = {"--no-such-option"}; });
}

TEST(Refusals, SocketInAFolderThatIsNotThere) {
  const std::string memif = "net_memif0,role=server,socket-abstract=no,socket=/dev/null/memif";
  expect_refused(memif, {"cannot open the device " + memif, "the path of its socket", "folder must exist"});
  expect_refused("net_vhost0,iface=/dev/null/vhost", {"net_vhost0", "/dev/null/vhost", "the path of its socket"});
}

TEST(Refusals, MemifClientWithoutServer) {
  expect_refused("net_memif0,role=client,socket-abstract=no,socket=/dev/null/memif",
                 {"port net_memif0", "a memif client needs its server"});
}

TEST(Refusals, BadArguments) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::string text = refusal_of(folder, "net_null0,colour=blue");
    expect_says(text, {"cannot open the device net_null0,colour=blue", "check its name and arguments"});
    EXPECT_EQ(text.find("permi"), std::string::npos) << "it is no matter of permissions: " << text;
  });
}

TEST(Refusals, OneBadDeviceClosesTheGoodOnes) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::filesystem::path socket = folder.path() / "memif";
    const std::string good = "net_memif0,role=server,socket-abstract=no,socket=" + socket.string();
    const std::string text =
        refusal_of(folder, good, [](PortOptions& options) { options.devices.emplace_back("net_foo0"); });
    expect_says(text, {"net_foo0"});
    EXPECT_FALSE(std::filesystem::exists(socket)) << "the socket is left behind";
  });
}

// Nothing but telemetry needs the folder of run-time files: DPDK says that there is none, and goes on.
TEST(Refusals, NotForTheLackOfARunTimeFolder) {
  in_own_process([] {
    const ScratchFolder folder;
    PortOptions options = port_options(folder);
    options.devices = {"net_null0,no-rx=1"};
    options.runtime_dir = "/dev/null/run";
    std::string log;
    options.on_log = [&log](const std::string& line) { log += line + "\n"; };
    const DeviceServing serving(options, port_pool_options());
    EXPECT_EQ(serving.workers(), 1U);
    expect_says(log, {"runtime directory"});
  });
}

TEST(Refusals, AutoTakesOrdinaryMemoryAndSaysSo) {
  in_own_process([] {
    const ScratchFolder folder;
    PortOptions options = port_options(folder);
    options.devices = {"net_null0,no-rx=1"};
    options.memory = PortMemory::kAuto;
    options.memory_mb = 4096;  // of the kernel's to lend: nothing is touched that is not used
    const DeviceServing serving(options, port_pool_options());
    if (serving.description().ends_with("huge pages")) throw NotHere("this machine has 4 GB of huge pages to spare");
    EXPECT_TRUE(serving.description().ends_with("ordinary memory")) << serving.description();
    ASSERT_EQ(serving.remarks().size(), 1U);
    expect_says(serving.remarks()[0], {"4096 MB of huge pages", "ordinary memory", "vm.nr_hugepages=2048"});
  });
}

// --- as an ordinary user

constexpr uid_t kNobody = 65534;

// For the rest of this process, which root's own folders are closed to.
void become_nobody() {
  setenv("TMPDIR", "/tmp", 1);
  if (geteuid() != 0) return;
  if (setgroups(0, nullptr) != 0 || setgid(kNobody) != 0 || setuid(kNobody) != 0)
    throw NotHere("this root can't become another user");
  prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);  // as if it had been started as that user
}

TEST(OrdinaryUser, ServesOverRings) {
  in_own_process([] {
    become_nobody();
    ASSERT_NE(geteuid(), 0U);
    RingServing serving({.pool = port_pool_options(2)});
    for (unsigned queue = 0; queue < 2; ++queue) {
      Asker asker(serving.wire(), queue, endpoint(kServer4));
      for (std::uint64_t i = 0; i < 100; ++i)
        ASSERT_EQ(asker.ask(next_id(i)).status, 0);
    }
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

TEST(OrdinaryUser, ServesOverMemif) {
  in_own_process([] {
    become_nobody();
    const ScratchFolder folder;
    const std::string socket = (folder.path() / "memif").string();
    PortOptions options = port_options(folder);
    options.devices = {"net_memif0,role=server,socket-abstract=no,rsize=9,socket=" + socket};
    DeviceServing serving(options, port_pool_options());
    EthPeer peer("net_memif1", "role=client,socket-abstract=no,rsize=9,socket=" + socket, 1, serving.port().mac);
    ASSERT_TRUE(eventually([&] { return peer.start(); }));
    ASSERT_TRUE(eventually([&] { return peer.link_is_up(); }));
    Asker asker(peer, 0, endpoint(kServer4));
    for (std::uint64_t i = 0; i < 100; ++i)
      ASSERT_EQ(asker.ask(next_id(i)).status, 0);
    serving.pool().drain_and_stop(time::seconds(1));
  });
}

void expect_forbidden(const std::string& device, const std::vector<std::string>& words) {
  in_own_process([&] {
    leave_the_network();
    become_nobody();
    const ScratchFolder folder;
    expect_says(refusal_of(folder, device), words);
  });
}

TEST(OrdinaryUser, IsToldWhatAfPacketNeeds) {
  const std::string device = "net_af_packet0,iface=lo";
  expect_forbidden(device, {"cannot open the device " + device, "CAP_NET_RAW"});
}

TEST(OrdinaryUser, IsToldWhatAfXdpNeeds) {
  const std::string device = "net_af_xdp0,iface=lo";
  expect_forbidden(device, {"net_af_xdp0", "CAP_NET_RAW", "LimitMEMLOCK"});
}

TEST(OrdinaryUser, IsToldWhatATapNeeds) {
  expect_forbidden("net_tap0,iface=gnomon0", {"net_tap0", "CAP_NET_ADMIN", "/dev/net/tun"});
}

}  // namespace
}  // namespace gnomon::test
