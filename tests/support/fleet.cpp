// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fleet.hpp"

#include <random>

namespace gnomon::support {
namespace {

// Longer than any pause that a loaded machine causes, short enough that a killed daemon does not stall the test.
constexpr std::chrono::milliseconds kPatience{250};

}  // namespace

Fleet::Fleet(const platform::Endpoint& server, const std::vector<Load>& loads, std::chrono::milliseconds at_most,
             std::uint64_t max_ids_each)
    : members_(loads.size()) {
  const auto until = std::chrono::steady_clock::now() + at_most;
  std::random_device seeds;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    Member& member = members_[i];
    member.load = loads[i];
    const std::uint64_t seed = (std::uint64_t{seeds()} << 32) | seeds();
    member.thread = std::thread(
        [this, &member, server, seed, until, max_ids_each] { work(member, server, seed, until, max_ids_each); });
  }
}

Fleet::~Fleet() {
  stop_ = true;
  for (Member& member : members_)
    if (member.thread.joinable()) member.thread.join();
}

void Fleet::work(Member& member, const platform::Endpoint& server, std::uint64_t seed,
                 std::chrono::steady_clock::time_point until, std::uint64_t max_ids) {
  RawClient client(server, seed);
  while (!stop_ && member.tally.ids < max_ids && std::chrono::steady_clock::now() < until) {
    const Tally batch = client.exchange(member.load, kPatience, member.ledger);
    member.tally += batch;
    ids_.fetch_add(batch.ids, std::memory_order_relaxed);
    if (batch.ok == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));  // down or refusing: no flood
  }
}

Tally Fleet::join(Ledger& ledger) {
  Tally total;
  for (Member& member : members_) {
    member.thread.join();
    total += member.tally;
    ledger.absorb(std::move(member.ledger));
  }
  members_.clear();
  return total;
}

Tally Fleet::finish(Ledger& ledger) {
  stop_ = true;
  return join(ledger);
}

}  // namespace gnomon::support
