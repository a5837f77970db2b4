// SPDX-License-Identifier: Apache-2.0
#include "bench/control_plane/right_holder.hpp"

#include "bench/control_plane/etcd_access.hpp"
#include "platform/random.hpp"

namespace gnomon::bench {
namespace {

constexpr time::SmearedUtc kStart{1'800'000'000'000'000'000};
constexpr time::Duration kStep = time::milliseconds(1);  // so that each extension writes another ceiling

}  // namespace

RightHolder::RightHolder(control::Store& store, const std::string& folder, std::uint16_t first, std::uint16_t count)
    : store_(store),
      state_(must(
          control::open_shared(store, control::SharedPaths::of(folder, "holder" + std::to_string(first)), "bench"))),
      now_(kStart) {
  policy_.store = state_.meta.facts;
  policy_.exclusive_store = false;
  std::vector<mint::MachineId> machines;
  machines.reserve(count);
  for (std::uint16_t i = 0; i < count; ++i)
    machines.push_back({static_cast<std::uint16_t>(first + i)});
  const control::Listing listing = must(store.list(lease::kRightPrefix));
  const lease::Claim claim{"bench", platform::random_value<control::Nonce>(), platform::random_value<control::Nonce>()};
  transaction_ = lease::acquire(lease::read_rights(listing.entries), policy_, now_, machines, claim);
  const control::Revision revision = must(store.commit(transaction_));
  held_.reserve(count);
  for (const mint::MachineId machine : machines)
    held_.push_back(lease::held_after(transaction_, machine, revision, nullptr, policy_.store.epoch));
  if (auto synced = state_.journal.merge(revision, for_journal()); !synced) die(synced.error().text);
}

std::vector<control::JournalRight> RightHolder::for_journal() const {
  std::vector<control::JournalRight> noted;
  noted.reserve(held_.size());
  for (const lease::HeldRight& right : held_)
    noted.push_back({right.machine, right.window, right.window_nonce, right.ceiling});
  return noted;
}

RightHolder::Cost RightHolder::extend() {
  now_ = now_ + kStep;
  const auto nonce = platform::random_value<control::Nonce>();
  const std::int64_t begun = now_ns();
  transaction_ = lease::extend(held_, policy_, now_, nonce);
  const control::Revision revision = must(store_.commit(transaction_));
  for (lease::HeldRight& right : held_)
    right = lease::held_after(transaction_, right.machine, revision, &right, policy_.store.epoch);
  const std::int64_t committed = now_ns();
  if (auto synced = state_.journal.merge(revision, for_journal()); !synced) die(synced.error().text);
  return {committed - begun, now_ns() - committed};
}

}  // namespace gnomon::bench
