// SPDX-License-Identifier: Apache-2.0
//
// Virtual devices that need no privilege, opened as gnomond opens them: they serve, describe themselves, and leave
// nothing behind.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <regex>
#include <set>
#include <string>

#include "platform/unique_fd.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/device_serving.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using support::ScratchFolder;

dataplane::PortOptions options_for(const ScratchFolder& folder, const std::string& device, unsigned workers = 1) {
  dataplane::PortOptions options = port_options(folder);
  options.devices = {device};
  options.workers = workers;
  return options;
}

std::string memif(const std::filesystem::path& socket) {
  return "net_memif0,role=server,socket-abstract=no,rsize=9,socket=" + socket.string();
}
std::string vhost(const std::filesystem::path& socket, unsigned queues) {
  return "net_vhost0,queues=" + std::to_string(queues) + ",iface=" + socket.string();
}

// What the operator reads: complete, and in the words that the documentation has.
void expect_described(const dataplane::PortReport& port, const std::string& name, const std::string& driver) {
  EXPECT_EQ(port.index, 0U);
  EXPECT_EQ(port.device, name);
  EXPECT_EQ(port.driver, driver);
  EXPECT_TRUE(std::regex_match(port.mac, std::regex("([0-9a-f]{2}:){5}[0-9a-f]{2}"))) << port.mac;
  EXPECT_GE(port.max_queues, port.queues);
  EXPECT_GT(port.mtu, 0U);
  std::map<std::string, std::string> states;
  for (const dataplane::PortCapability& capability : port.capabilities)
    EXPECT_TRUE(states.emplace(capability.name, capability.state).second) << capability.name << " is there twice";
  const std::set<std::string> known{"offload", "software", "absent", "on", "off"};
  for (const char* wanted : {"receive IPv4 checksum", "receive UDP checksum", "send IPv4 checksum", "send UDP checksum",
                             "fast free of buffers", "spreading by flow (RSS)", "removal events", "steering",
                             "promiscuous", "multicast filter"})
    EXPECT_TRUE(known.contains(states[wanted])) << wanted << ": '" << states[wanted] << "'";
  EXPECT_EQ(states["MTU"], std::to_string(port.mtu));
  EXPECT_TRUE(std::regex_match(states["descriptors"], std::regex("[0-9]+/[0-9]+"))) << states["descriptors"];
}

// A few hundred good answers out of each queue, by the worker of that queue. These are drivers of others, with threads
// of their own that may lose a frame while they connect: a request is sent again as a client would do.
void expect_served(FarEnd& far_end, unsigned queues) {
  constexpr unsigned kLosses = 3;
  unsigned lost = 0;
  for (unsigned queue = 0; queue < queues; ++queue)
    for (const bool v6 : {false, true}) {
      Asker asker(far_end, queue, endpoint(v6 ? kServer6 : kServer4), {.address = v6 ? "fd00:9::2" : "10.9.0.2"});
      for (std::uint64_t i = 0; i < 200; ++i) {
        asker.send(next_id(i));
        std::vector<wire::Message> replies = asker.receive(std::chrono::seconds(1));
        for (; replies.empty() && lost < kLosses; replies = asker.receive(std::chrono::seconds(1))) {
          ++lost;
          asker.send(next_id(i));
        }
        ASSERT_EQ(replies.size(), 1U) << lost << " were lost; this one is number " << i << " of queue " << queue;
        ASSERT_EQ(replies[0].status, 0);
        ASSERT_EQ(replies[0].request_id, i);
        ASSERT_EQ(replies[0].machine_id, 1 + queue);
      }
    }
  if (lost != 0) std::cout << lost << " requests were lost and sent again\n";
}

TEST(Devices, NullTakesAFlood) {
  in_own_process([] {
    const ScratchFolder folder;
    DeviceServing serving(options_for(folder, "net_null0"), port_pool_options());
    expect_described(serving.port(), "net_null0", "net_null");
    EXPECT_TRUE(serving.description().starts_with("dpdk ")) << serving.description();
    EXPECT_TRUE(serving.description().ends_with(", ordinary memory")) << serving.description();
    EXPECT_TRUE(serving.link_comes_up());
    // It brings frames as fast as anybody takes them.
    const Desk& desk = serving.desk();
    EXPECT_TRUE(eventually([&] { return desk.count(Counter::kFrames) > 1'000'000; })) << desk.count(Counter::kFrames);
    serving.pool().drain_and_stop(time::seconds(1));
    // It leaves in a buffer what was there: nothing, or what the worker wrote into it.
    EXPECT_EQ(unaccounted_frames(desk.page(0).counters), 0);
    EXPECT_EQ(desk.count(Counter::kDatagrams), 0U);
    EXPECT_EQ(serving.port().tx_frames, desk.count(Counter::kAnnouncements));
    EXPECT_EQ(serving.pool().buffers(0).free + 1, serving.pool().buffers(0).all);
    EXPECT_EQ(serving.port().rx_frames, desk.count(Counter::kFrames));
  });
}

// What goes out comes in again: its own announcements are nobody's conflict.
TEST(Devices, RingHearsItself) {
  in_own_process([] {
    const ScratchFolder folder;
    DeviceServing serving(options_for(folder, "net_ring0", 2), port_pool_options());
    expect_described(serving.port(), "net_ring0", "net_ring");
    EXPECT_EQ(serving.workers(), 2U);
    EXPECT_EQ(serving.port().queues, 2U);
    EXPECT_EQ(serving.remarks(), std::vector<std::string>{});
    ASSERT_TRUE(serving.link_comes_up());
    const Desk& desk = serving.desk();
    ASSERT_TRUE(eventually([&] { return desk.count(Counter::kFrames) == 2; }));
    EXPECT_EQ(desk.count(Counter::kAnnouncements), 2U);
    for (unsigned i = 0; i < 2; ++i)
      EXPECT_TRUE(eventually([&] { return unaccounted_frames(desk.page(i).counters) == 0; })) << i;
    EXPECT_EQ(desk.count(Counter::kAddressConflicts), 0U);
  });
}

TEST(Devices, MemifServesTwoQueues) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::filesystem::path socket = folder.path() / "memif";
    {
      DeviceServing serving(options_for(folder, memif(socket), 2), port_pool_options());
      expect_described(serving.port(), "net_memif0", "net_memif");
      EXPECT_EQ(serving.port().queues, 2U);
      EXPECT_EQ(serving.port().state, "down") << "nobody is there yet";
      {
        EthPeer peer("net_memif1", "role=client,socket-abstract=no,rsize=9,socket=" + socket.string(), 2,
                     serving.port().mac);
        ASSERT_TRUE(eventually([&] { return peer.start(); }));
        ASSERT_TRUE(eventually([&] { return peer.link_is_up(); }));
        ASSERT_TRUE(serving.link_comes_up());
        (void)peer.receive(0);  // the announcements
        (void)peer.receive(0);
        expect_served(peer, 2);
        EXPECT_EQ(unaccounted_frames(serving.desk().page(0).counters), 0);
        EXPECT_GE(serving.desk().count_at(1, Counter::kReplies), 400U);
        serving.pool().drain_and_stop(time::seconds(1));  // before the peer goes: this driver wants it so
        for (unsigned i = 0; i < 2; ++i)
          EXPECT_EQ(serving.pool().buffers(i).free + 1, serving.pool().buffers(i).all);
      }
      EXPECT_TRUE(std::filesystem::exists(socket));
    }
    EXPECT_FALSE(std::filesystem::exists(socket)) << "the socket is left behind";
  });
}

TEST(Devices, VhostServesTwoQueues) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::filesystem::path socket = folder.path() / "vhost";
    {
      DeviceServing serving(options_for(folder, vhost(socket, 2), 2), port_pool_options());
      expect_described(serving.port(), "net_vhost0", "net_vhost");
      EXPECT_EQ(serving.port().queues, 2U);
      EthPeer peer("net_virtio_user0", "queues=2,queue_size=256,path=" + socket.string(), 2, serving.port().mac);
      ASSERT_TRUE(eventually([&] { return peer.start(); }));
      ASSERT_TRUE(serving.link_comes_up());
      (void)peer.receive(0);
      (void)peer.receive(0);
      expect_served(peer, 2);
      EXPECT_EQ(unaccounted_frames(serving.desk().page(0).counters), 0);
      EXPECT_GE(serving.desk().count_at(1, Counter::kReplies), 400U);
      serving.pool().drain_and_stop(time::seconds(1));
    }
    EXPECT_FALSE(std::filesystem::exists(socket)) << "the socket is left behind";
  });
}

TEST(Devices, OneQueueFeedsOneWorker) {
  in_own_process([] {
    const ScratchFolder folder;
    DeviceServing serving(options_for(folder, vhost(folder.path() / "vhost", 1), 2), port_pool_options());
    EXPECT_EQ(serving.workers(), 1U);
    ASSERT_EQ(serving.remarks().size(), 1U);
    const std::string& remark = serving.remarks()[0];
    EXPECT_NE(remark.find("net_vhost0"), std::string::npos) << remark;
    EXPECT_NE(remark.find("1 worker is started"), std::string::npos) << remark;
    EXPECT_NE(remark.find("workers.count"), std::string::npos) << remark;
    EXPECT_EQ(serving.pool().workers(), 1U);
  });
}

TEST(Devices, WorkersThatAreNotStartedLeaveTheirCpusToTheOthers) {
  in_own_process([] {
    cpu_set_t all;
    ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE && cpus.size() < 2; ++cpu)
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &all)) cpus.push_back(cpu);
    if (cpus.size() < 2) throw NotHere("there is one CPU only");
    const auto is_ours = [](int cpu) {
      cpu_set_t now;
      EXPECT_EQ(sched_getaffinity(0, sizeof now, &now), 0);
      return CPU_ISSET(static_cast<std::size_t>(cpu), &now) != 0;
    };
    const ScratchFolder folder;
    dataplane::PortOptions options = options_for(folder, vhost(folder.path() / "vhost", 1), 2);
    options.cpus = cpus;
    if (CPU_COUNT(&all) == 2) options.cpus[0] = 4096;  // else no CPU would be left, and all would be taken
    const auto ports = dataplane::Ports::open(options);
    ASSERT_TRUE(ports.has_value()) << ports.error().text;
    EXPECT_TRUE(is_ours(cpus[1])) << "the second worker is not started";
    EXPECT_TRUE(CPU_COUNT(&all) == 2 || !is_ours(cpus[0])) << "the first one is";
  });
}

TEST(Devices, MoreWorkersThanQueuesAreRefused) {
  in_own_process([] {
    const ScratchFolder folder;
    auto ports = dataplane::Ports::open(options_for(folder, vhost(folder.path() / "vhost", 1), 2));
    ASSERT_TRUE(ports.has_value()) << ports.error().text;
    Desk desk(2);
    const auto pool = dataplane::Ports::make_pool(std::move(*ports), port_pool_options(2), desk.clock(), desk.rights(),
                                                  desk.pages(), std::make_shared<serve::AccessPolicy>());
    ASSERT_FALSE(pool.has_value());
    EXPECT_NE(pool.error().text.find("2 workers"), std::string::npos) << pool.error().text;
  });
}

// --- sockets that lie about

sockaddr_un address_of_socket(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

platform::UniqueFd listening_socket(const std::filesystem::path& path, int type) {
  platform::UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = address_of_socket(path);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd.get(), 4) != 0)
    throw std::runtime_error(platform::system_error("listen for a test").text);
  return fd;
}

// Read, not tried: whoever connects to a memif server and hangs up at once disturbs it.
bool is_listened_on(const std::filesystem::path& path) {
  constexpr const char* kListening = " 00010000 ";
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);)
    if (line.ends_with(" " + path.string()) && line.find(kListening) != std::string::npos)
      return std::filesystem::is_socket(path);
  return false;
}

struct SocketDevice {
  const char* name;
  std::string (*device)(const std::filesystem::path& socket);
  int type;
};
class Sockets : public testing::TestWithParam<SocketDevice> {};
INSTANTIATE_TEST_SUITE_P(Devices, Sockets,
                         testing::Values(SocketDevice{"Memif", memif, SOCK_SEQPACKET},
                                         SocketDevice{"Vhost", [](const auto& path) { return vhost(path, 1); },
                                                      SOCK_STREAM}),
                         [](const auto& of) { return std::string(of.param.name); });

// A daemon is killed, and the next one starts in its place.
TEST_P(Sockets, OfAKilledProcessAreRemoved) {
  const ScratchFolder folder;
  const std::filesystem::path socket = folder.path() / "socket";
  dataplane::PortOptions options = options_for(folder, GetParam().device(socket));
  options.instance = "again";  // its other files are left behind, too
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      const DeviceServing serving(options, port_pool_options());
      (void)kill(getpid(), SIGKILL);
    } catch (const std::exception& thrown) {
      (void)std::fprintf(stderr, "%s\n", thrown.what());
    }
    std::_Exit(1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << "it did not come as far as being killed";
  ASSERT_TRUE(std::filesystem::is_socket(socket)) << "nothing is left behind: this tests nothing";
  in_own_process([&] {
    {
      const DeviceServing serving(options, port_pool_options());
      EXPECT_TRUE(is_listened_on(socket));
    }
    EXPECT_FALSE(std::filesystem::exists(socket));
  });
}

TEST_P(Sockets, ThatSomebodyListensOnStay) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::filesystem::path socket = folder.path() / "socket";
    const platform::UniqueFd other = listening_socket(socket, GetParam().type);
    try {
      const DeviceServing serving(options_for(folder, GetParam().device(socket)), port_pool_options());
      ADD_FAILURE() << "two listen on one socket";
    } catch (const std::runtime_error& refusal) {
      const std::string text = refusal.what();
      EXPECT_NE(text.find(GetParam().device(socket)), std::string::npos) << text;
      EXPECT_NE(text.find("another program listens on " + socket.string()), std::string::npos) << text;
    }
    EXPECT_TRUE(is_listened_on(socket)) << "somebody else's socket was removed";
    const platform::UniqueFd caller(::accept4(other.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    EXPECT_FALSE(caller.valid()) << "a memif server does not survive being called and left";
  });
}

// Only sockets are ever removed.
TEST_P(Sockets, OtherFilesInTheirPlaceStay) {
  in_own_process([] {
    const ScratchFolder folder;
    const std::filesystem::path file = folder.path() / "socket";
    std::filesystem::create_directory(file);
    try {
      const DeviceServing serving(options_for(folder, GetParam().device(file)), port_pool_options());
      ADD_FAILURE() << "it listens on a folder";
    } catch (const std::runtime_error& refusal) {
      EXPECT_NE(std::string(refusal.what()).find(file.string()), std::string::npos) << refusal.what();
    }
    EXPECT_TRUE(std::filesystem::is_directory(file));
  });
}

// --- nothing is left behind

TEST(Devices, LeaveNoFilesBehind) {
  const ScratchFolder folder;
  in_own_process([&] {
    const DeviceServing serving(options_for(folder, "net_null0,no-rx=1"), port_pool_options());
    EXPECT_TRUE(std::filesystem::exists(folder.path() / "dpdk")) << "its files are somewhere else";
  });
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path()))
    if (!entry.is_directory()) left.push_back(entry.path().string());
  EXPECT_EQ(left, std::vector<std::string>{});
}

}  // namespace
}  // namespace gnomon::test
