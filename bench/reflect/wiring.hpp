// SPDX-License-Identifier: Apache-2.0
//
// The wire of the reflect bench: which devices stand at its ends, and where the generator lives. Over rings it is
// another lcore of this process; over memif and vhost it is this program once more, told by its arguments, and it goes
// with its parent.
//
// The order of an end: the generator is told to stop, and served until it is done; then nobody polls any more; then it
// is told to leave. A memif port whose peer leaves under a polling lcore crashes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "bench/reflect/shared.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {

enum class Over : std::uint8_t { kRing, kMemif, kVhost };

/// Memory that this process and its children see.
class SharedMemory {
 public:
  /// A new one, or that of a parent by its descriptor. Throws std::system_error.
  SharedMemory();
  explicit SharedMemory(int fd);
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;

  [[nodiscard]] Shared& operator*() const { return *shared_; }
  [[nodiscard]] Shared* operator->() const { return shared_; }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_ = -1;
  Shared* shared_ = nullptr;
};

class Wiring {
 public:
  /// Starts EAL and the server's port. Throws std::runtime_error with a sentence.
  explicit Wiring(Over over);
  /// The generator goes first; nobody may be polling any more.
  ~Wiring();
  Wiring(const Wiring&) = delete;
  Wiring& operator=(const Wiring&) = delete;

  [[nodiscard]] const dataplane::dpdk::Port& port() const { return *port_; }
  [[nodiscard]] rte_mempool* pool() const { return pool_; }
  [[nodiscard]] Shared& shared() { return *memory_; }
  [[nodiscard]] bool huge_pages() const { return eal_->huge_pages(); }

  /// Starts one, and waits until it asks. Throws std::runtime_error if it does not come up.
  void start_generator(std::uint32_t in_flight);
  /// The same without waiting, for whoever has to go on serving; throws if it has ended.
  void launch_generator(std::uint32_t in_flight);
  [[nodiscard]] bool generator_is_ready();
  /// Whether it is through; to be asked after shared().stop was set, with somebody polling.
  [[nodiscard]] bool generator_is_done();
  /// Tells it to leave, and waits for its end. Nobody polls.
  void end_generator();
  /// kill -9; it goes while the caller goes on serving. Not over rings.
  void kill_generator() const;
  [[nodiscard]] bool generator_is_gone();

 private:
  void make_rings();
  void look_after_child();
  static int run_on_lcore(void* self);

  Over over_;
  support::ScratchFolder folder_;
  SharedMemory memory_;
  std::unique_ptr<dataplane::dpdk::Eal> eal_;
  std::uint16_t ring_generator_ = 0;
  rte_mempool* pool_ = nullptr;
  rte_mempool* generator_pool_ = nullptr;
  std::unique_ptr<dataplane::dpdk::Port> port_;
  bool on_lcore_ = false;
  pid_t child_ = -1;
};

/// The life of a child: what stands behind --generator on its command line.
int run_generator(int argc, char** argv);

}  // namespace gnomon::bench
