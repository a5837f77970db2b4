// SPDX-License-Identifier: Apache-2.0
//
// The DPDK twin inside the test process: EAL in ordinary memory, ports that end in the test (wire.hpp), real worker
// threads, a real clock thread, and the test in the agent's place. Once per process: see own_process.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/dpdk/port_pool.hpp"
#include "dataplane/ports.hpp"
#include "oracle/serve/gate.hpp"
#include "tests/dataplane/dpdk/desk.hpp"
#include "tests/dataplane/dpdk/wire.hpp"
#include "tests/dataplane/serving.hpp"
#include "tests/support/frames.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::test {

constexpr support::Mac kServerMac{0x02, 0, 0, 0, 0, 0x01};
constexpr const char* kServer4 = "10.9.0.1:14666";
constexpr const char* kServer6 = "[fd00:9::1]:14666";

/// Everybody may ask without a key.
[[nodiscard]] inline serve::AccessPolicy open_policy() {
  serve::AccessPolicy policy;
  policy.auth = serve::AuthRule::kNever;
  return policy;
}

/// Ordinary memory, files in `folder`, and small queues.
[[nodiscard]] inline dataplane::PortOptions port_options(const support::ScratchFolder& folder) {
  dataplane::PortOptions options;
  options.instance = "test-" + std::to_string(getpid());
  options.runtime_dir = folder.path().string();
  options.memory = dataplane::PortMemory::kOrdinary;
  options.memory_mb = 128;
  options.rx_descriptors = 256;
  options.tx_descriptors = 256;
  return options;
}

[[nodiscard]] inline dataplane::WorkerPoolOptions port_pool_options(unsigned workers = 1) {
  dataplane::WorkerPoolOptions options = pool_options(kServer4, workers);
  options.listen.push_back(endpoint(kServer6));
  return options;
}

struct RingOptions {
  dataplane::WorkerPoolOptions pool = port_pool_options();
  serve::AccessPolicy policy = open_policy();
  unsigned wires = 1;
  unsigned ring_size = 1024;
  unsigned send_ring_size = 1024;
  std::vector<std::uint16_t> vlans{};
};

class RingServing {
 public:
  /// Serves once this returns. Throws std::runtime_error.
  explicit RingServing(const RingOptions& options = {});
  /// What still lies in the rings is freed while there are pools to free it to.
  ~RingServing();
  RingServing(const RingServing&) = delete;
  RingServing& operator=(const RingServing&) = delete;

  [[nodiscard]] Wire& wire(std::size_t i = 0) { return wires_[i]; }
  [[nodiscard]] Desk& desk() { return desk_; }
  [[nodiscard]] dataplane::dpdk::PortPool& pool() { return *pool_; }
  [[nodiscard]] unsigned workers() const { return workers_; }

  /// Whether all buffers of all workers are back in their pools after at most kPatience, but for the one that each
  /// worker holds ready for the next parked reply.
  [[nodiscard]] bool all_buffers_back() const;
  [[nodiscard]] std::string buffers_text() const;
  /// frames - (what became of them); 0 if every frame was counted once.
  [[nodiscard]] std::int64_t unaccounted(unsigned worker) const;

 private:
  support::ScratchFolder folder_;
  unsigned workers_;
  Desk desk_;
  std::deque<Wire> wires_;
  std::unique_ptr<dataplane::dpdk::PortPool> pool_;
};

/// The accounting identity of frames, of one page.
[[nodiscard]] std::int64_t unaccounted_frames(const page::Counters& counters);

}  // namespace gnomon::test
