// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/telemetry.hpp"

#include <rte_config.h>
#include <rte_telemetry.h>
#include <rte_version.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <string>

#include "dataplane/dpdk/port_pool.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

std::mutex g_mutex;  // of the one below
const PortPool* g_pool = nullptr;

// Named rte_tel_data_add_dict_u64 in 22.11 and rte_tel_data_add_dict_uint since 23.03.
void add_number(rte_tel_data* dict, const char* name, std::uint64_t value) {
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
  (void)rte_tel_data_add_dict_uint(dict, name, value);
#else
  (void)rte_tel_data_add_dict_u64(dict, name, value);
#endif
}

std::string name_of(page::Counter counter) {
  return std::string(page::kCounterTable[static_cast<std::size_t>(counter)].name);
}

// Letters, digits and '_' are all that a name may have: no PCI address.
void add_container(rte_tel_data* out, const std::string& name, rte_tel_data* one) {
  if (rte_tel_data_add_dict_container(out, name.c_str(), one, 0) != 0) rte_tel_data_free(one);
}

int say_ports(const char* /*command*/, const char* /*parameters*/, rte_tel_data* out) {
  const std::lock_guard lock(g_mutex);
  (void)rte_tel_data_start_dict(out);
  if (g_pool == nullptr) return 0;
  for (const PortReport& port : g_pool->ports()) {
    rte_tel_data* const one = rte_tel_data_alloc();
    if (one == nullptr) return -ENOMEM;
    (void)rte_tel_data_start_dict(one);
    (void)rte_tel_data_add_dict_string(one, "device", port.device.c_str());
    (void)rte_tel_data_add_dict_string(one, "driver", port.driver.c_str());
    (void)rte_tel_data_add_dict_string(one, "mac", port.mac.c_str());
    (void)rte_tel_data_add_dict_string(one, "state", port.state.c_str());
    add_number(one, "queues", port.queues);
    add_number(one, "mtu", port.mtu);
    add_number(one, "rx_frames", port.rx_frames);
    add_number(one, "tx_frames", port.tx_frames);
    add_number(one, "rx_missed", port.rx_missed);
    add_number(one, "rx_errors", port.rx_errors);
    add_number(one, "rx_no_buffer", port.rx_no_buffer);
    add_number(one, "tx_errors", port.tx_errors);
    add_container(out, "port" + std::to_string(port.index), one);
  }
  return 0;
}

// The buffer of an answer has room for a few figures of every worker, or for all of one.
int say_workers(const char* /*command*/, const char* /*parameters*/, rte_tel_data* out) {
  constexpr std::array kFew{page::Counter::kFrames, page::Counter::kMessages, page::Counter::kReplies,
                            page::Counter::kIds, page::Counter::kSendDropped};
  const std::lock_guard lock(g_mutex);
  (void)rte_tel_data_start_dict(out);
  if (g_pool == nullptr) return 0;
  for (unsigned i = 0; i < g_pool->workers(); ++i) {
    rte_tel_data* const one = rte_tel_data_alloc();
    if (one == nullptr) return -ENOMEM;
    (void)rte_tel_data_start_dict(one);
    const PortPool::Buffers buffers = g_pool->buffers(i);
    add_number(one, "buffers", buffers.all);
    add_number(one, "buffers_free", buffers.free);
    for (const page::Counter counter : kFew)
      add_number(one, name_of(counter).c_str(), g_pool->counters(i).get(counter));
    add_container(out, "worker" + std::to_string(i), one);
  }
  return 0;
}

int say_worker(const char* /*command*/, const char* parameters, rte_tel_data* out) {
  const std::lock_guard lock(g_mutex);
  char* end = nullptr;
  const unsigned long index = parameters == nullptr ? 0 : std::strtoul(parameters, &end, 10);
  if (g_pool == nullptr || end == parameters || (end != nullptr && *end != '\0') || index >= g_pool->workers())
    return -EINVAL;
  (void)rte_tel_data_start_dict(out);
  for (const page::CounterInfo& info : page::kCounterTable)
    add_number(out, std::string(info.name).c_str(), g_pool->counters(static_cast<unsigned>(index)).get(info.counter));
  return 0;
}

}  // namespace

void offer_telemetry(const PortPool& pool) {
  {
    const std::lock_guard lock(g_mutex);
    g_pool = &pool;
  }
  // Registered again by a second pool of the process: refused, and the first registration serves it too.
  (void)rte_telemetry_register_cmd("/gnomon/ports", say_ports, "Ports of gnomond: state and statistics. No parameters");
  (void)rte_telemetry_register_cmd("/gnomon/workers", say_workers,
                                   "Workers of gnomond: buffers, frames, messages. No parameters");
  (void)rte_telemetry_register_cmd("/gnomon/worker", say_worker,
                                   "All counters of a worker (docs/counters.md). Parameter: its number");
}

void withdraw_telemetry(const PortPool& pool) {
  const std::lock_guard lock(g_mutex);
  if (g_pool == &pool) g_pool = nullptr;
}

}  // namespace gnomon::dataplane::dpdk
