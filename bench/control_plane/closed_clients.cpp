// SPDX-License-Identifier: Apache-2.0
#include "bench/control_plane/closed_clients.hpp"

#include <algorithm>

#include "bench/control_plane/right_holder.hpp"
#include "bench/paired.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::bench {
namespace {

constexpr std::chrono::milliseconds kPatience{250};

}  // namespace

ClosedClients::ClosedClients(const platform::Endpoint& server, int clients, const support::Load& load)
    : clients_(static_cast<std::size_t>(clients)) {
  std::uint64_t seed = 0;
  for (Client& client : clients_)
    client.thread =
        std::thread([this, &client, server, load, own_seed = ++seed] { work(client, server, load, own_seed); });
}

ClosedClients::~ClosedClients() {
  stop_ = true;
  for (Client& client : clients_)
    client.thread.join();
}

void ClosedClients::work(Client& client, const platform::Endpoint& server, const support::Load& load,
                         std::uint64_t seed) {
  support::RawClient socket(server, seed);
  std::int64_t last_ns = now_ns();
  while (!stop_.load(std::memory_order_relaxed)) {
    support::Ledger forgotten;  // a ledger that goes on would fill the memory
    const support::Tally batch = socket.exchange(load, kPatience, forgotten);
    served_.fetch_add(batch.ok, std::memory_order_relaxed);
    unserved_.fetch_add(batch.sent - batch.ok, std::memory_order_relaxed);
    if (batch.ok == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // down or refusing: no flood
      continue;
    }
    const std::int64_t gap_ns = now_ns() - last_ns;
    last_ns += gap_ns;
    std::int64_t longest_ns = client.longest_ns.load(std::memory_order_relaxed);
    while (gap_ns > longest_ns &&
           !client.longest_ns.compare_exchange_weak(longest_ns, gap_ns, std::memory_order_relaxed)) {
    }
  }
}

time::Duration ClosedClients::take_longest_gap() {
  std::int64_t longest_ns = 0;
  for (Client& client : clients_)
    longest_ns = std::max(longest_ns, client.longest_ns.exchange(0, std::memory_order_relaxed));
  return {longest_ns};
}

double served_per_second(const ClosedClients& clients, std::chrono::milliseconds slice) {
  const std::uint64_t served = clients.served();
  const std::int64_t begun = now_ns();
  std::this_thread::sleep_for(slice);
  const auto took = static_cast<double>(now_ns() - begun);
  return static_cast<double>(clients.served() - served) * 1e9 / took;
}

}  // namespace gnomon::bench
