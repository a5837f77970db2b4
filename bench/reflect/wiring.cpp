// SPDX-License-Identifier: Apache-2.0
#include "bench/reflect/wiring.hpp"

#include <fmt/core.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "bench/paired.hpp"
#include "bench/reflect/generator.hpp"
#include "dataplane/dpdk/device.hpp"

namespace gnomon::bench {
namespace {

namespace dpdk = dataplane::dpdk;

constexpr unsigned kServerBuffers = 4095;  // as PortPool takes for one port with 1024 descriptors each way
constexpr unsigned kGeneratorBuffers = 16383;
constexpr unsigned kCache = 256;
constexpr std::chrono::milliseconds kNap{10};
constexpr int kNapsAtMost = 3000;

template <typename T>
T value_or_throw(tl::expected<T, platform::SystemError> got) {
  if (!got) throw std::runtime_error(got.error().text);
  return std::move(*got);
}

// One further lcore, on the generator's CPU: over rings the generator runs there, else nobody does.
dataplane::PortOptions port_options(const std::string& instance, const std::filesystem::path& folder) {
  dataplane::PortOptions options;
  options.cpus = {static_cast<int>(kGeneratorCpu)};
  options.instance = instance;
  options.runtime_dir = folder.string();
  options.memory_mb = 256;
  return options;
}

rte_mempool* make_pool(const char* name, unsigned buffers) {
  rte_mempool* const pool = rte_pktmbuf_pool_create(name, buffers, kCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool == nullptr) throw std::runtime_error("there is no memory for the buffers");
  return pool;
}

std::string server_device(Over over, const std::string& socket) {
  switch (over) {
    case Over::kRing: return "net_ring_server";
    case Over::kMemif: return "net_memif0,role=server,socket=" + socket + ",socket-abstract=no,rsize=11";
    case Over::kVhost: return "net_vhost0,iface=" + socket + ",queues=1";
  }
  return {};
}

std::string generator_device(const std::string& over, const std::string& socket) {
  return over == "memif"
             ? "net_memif0,role=client,socket=" + socket + ",socket-abstract=no,rsize=11"
             : "net_virtio_user0,path=" + socket + ",queues=1,queue_size=1024,packed_vq=1,mrg_rxbuf=0,in_order=1";
}

bool link_comes_up(std::uint16_t port) {
  for (int i = 0; i < kNapsAtMost; ++i) {
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP) return true;
    std::this_thread::sleep_for(kNap);
  }
  return false;
}

void require_both_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !CPU_ISSET(kServerCpu, &allowed) ||
      !CPU_ISSET(kGeneratorCpu, &allowed))
    throw std::runtime_error("the bench needs CPUs 0 and 1, one for the server and one for the generator");
}

}  // namespace

SharedMemory::SharedMemory() : fd_(memfd_create("gnomon-reflect", 0)) {
  if (fd_ < 0 || ftruncate(fd_, sizeof(Shared)) != 0) throw std::system_error(errno, std::generic_category(), "memfd");
  void* const at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  shared_ = new (at) Shared;
}

SharedMemory::SharedMemory(int fd) : fd_(fd) {
  void* const at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  shared_ = static_cast<Shared*>(at);
}

SharedMemory::~SharedMemory() {
  munmap(shared_, sizeof(Shared));
  close(fd_);
}

Wiring::Wiring(Over over) : over_(over) {
  require_both_cpus();
  const dataplane::PortOptions options = port_options("reflect", folder_.path());
  eal_ = value_or_throw(dpdk::Eal::start(options));
  pool_ = make_pool("server", kServerBuffers);
  if (over == Over::kRing) make_rings();
  const dpdk::Device device = dpdk::parse_device(server_device(over, (folder_.path() / "socket").string()));
  port_ = value_or_throw(dpdk::Port::open(device, *eal_));
  if (auto started = port_->start(options, {*platform::parse_endpoint("10.9.0.1:14666")}, {pool_}, *eal_); !started)
    throw std::runtime_error(started.error().text);
  std::copy(port_->mac().begin(), port_->mac().end(), memory_->server_mac.begin());
  pin_to(kServerCpu);
}

Wiring::~Wiring() {
  end_generator();
  port_.reset();
  if (over_ == Over::kRing) {
    (void)rte_eth_dev_stop(ring_generator_);
    (void)rte_eth_dev_close(ring_generator_);
  }
  rte_mempool_free(generator_pool_);
  rte_mempool_free(pool_);
  eal_.reset();
}

void Wiring::make_rings() {
  constexpr unsigned kSize = 1024;
  rte_ring* there = rte_ring_create("there", kSize, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  rte_ring* back = rte_ring_create("back", kSize, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (there == nullptr || back == nullptr) throw std::runtime_error("there is no memory for the rings");
  const int generator = rte_eth_from_rings("generator", &back, 1, &there, 1, 0);
  const int server = rte_eth_from_rings("server", &there, 1, &back, 1, 0);
  if (generator < 0 || server < 0) throw std::runtime_error("DPDK makes no port of a ring");
  rte_ether_addr mac{{2, 0, 0, 0, 0, 0x11}};  // it would have none
  if (rte_eth_dev_mac_addr_add(static_cast<std::uint16_t>(server), &mac, 0) != 0)
    throw std::runtime_error("the port of the server takes no MAC address");
  ring_generator_ = static_cast<std::uint16_t>(generator);
  generator_pool_ = make_pool("generator", kGeneratorBuffers);
  start_generator_port(ring_generator_, generator_pool_);
}

void Wiring::start_generator(std::uint32_t in_flight) {
  launch_generator(in_flight);
  for (int i = 0; i < kNapsAtMost; ++i) {
    if (generator_is_ready()) return;
    std::this_thread::sleep_for(kNap);
  }
  throw std::runtime_error("the generator does not come up");
}

void Wiring::launch_generator(std::uint32_t in_flight) {
  Shared& shared = *memory_;
  for (auto* const flag : {&shared.stop, &shared.leave, &shared.ready, &shared.done})
    *flag = false;
  shared.in_flight = in_flight;
  if (over_ == Over::kRing) {
    if (const int code = rte_eal_remote_launch(&Wiring::run_on_lcore, this, eal_->lcores().front()); code != 0)
      throw std::system_error(-code, std::generic_category(), "rte_eal_remote_launch");
    on_lcore_ = true;
    return;
  }
  const std::string fd = std::to_string(memory_.fd());
  const std::string folder = folder_.path().string();
  const char* const over = over_ == Over::kMemif ? "memif" : "vhost";
  const pid_t parent = getpid();
  child_ = fork();
  if (child_ == 0) {
    pin_to(kGeneratorCpu);  // with all the threads that it will have
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(126);
    execl("/proc/self/exe", "reflect", "--generator", over, folder.c_str(), fd.c_str(), nullptr);
    _exit(127);
  }
  if (child_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
}

int Wiring::run_on_lcore(void* self) {
  auto& wiring = *static_cast<Wiring*>(self);
  generate(wiring.ring_generator_, wiring.generator_pool_, *wiring.memory_);
  return 0;
}

// A generator that has ended by itself would be waited for in vain.
void Wiring::look_after_child() {
  int status = 0;
  if (child_ <= 0 || waitpid(child_, &status, WNOHANG) != child_) return;
  child_ = -1;
  throw std::runtime_error("the generator has ended by itself, with status " + std::to_string(status));
}

bool Wiring::generator_is_ready() {
  look_after_child();
  return memory_->ready.load(std::memory_order_acquire);
}

bool Wiring::generator_is_done() {
  look_after_child();
  return memory_->done.load(std::memory_order_acquire);
}

void Wiring::end_generator() {
  memory_->stop = true;
  memory_->leave = true;
  if (on_lcore_) (void)rte_eal_wait_lcore(eal_->lcores().front());
  on_lcore_ = false;
  if (child_ > 0) {
    int status = 0;
    (void)waitpid(child_, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      fmt::print(stderr, "reflect: the generator ended with status {}\n", status);
  }
  child_ = -1;
}

void Wiring::kill_generator() const {
  if (child_ > 0) (void)kill(child_, SIGKILL);
}

bool Wiring::generator_is_gone() {
  if (child_ > 0 && waitpid(child_, nullptr, WNOHANG) == child_) child_ = -1;
  return child_ <= 0;
}

int run_generator(int argc, char** argv) {
  if (argc != 5) return 2;
  std::signal(SIGINT, SIG_IGN);  // of the terminal: the parent ends this one when nobody polls any more
  const std::filesystem::path folder(argv[3]);
  SharedMemory memory(static_cast<int>(std::strtol(argv[4], nullptr, 10)));
  // Ordinary memory: virtio_user has to hand all of it over, file by file.
  dataplane::PortOptions options = port_options("generator", folder);
  options.memory = dataplane::PortMemory::kOrdinary;
  options.cpus.clear();
  const auto eal = value_or_throw(dpdk::Eal::start(options));
  rte_mempool* const pool = make_pool("generator", kGeneratorBuffers);
  const auto port =
      value_or_throw(dpdk::attach(dpdk::parse_device(generator_device(argv[2], (folder / "socket").string())), *eal));
  start_generator_port(port, pool);
  if (!link_comes_up(port)) throw std::runtime_error("the generator's link does not come up");
  generate(port, pool, *memory);
  while (!memory->leave.load(std::memory_order_acquire))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  (void)rte_eth_dev_stop(port);
  (void)rte_eth_dev_close(port);
  return 0;
}

}  // namespace gnomon::bench
