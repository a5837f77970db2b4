// SPDX-License-Identifier: Apache-2.0
#include "client/lease/chunk_lease.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "client/fork_guard.hpp"
#include "client/lease/abandon.hpp"
#include "client/lease/host_clocks.hpp"
#include "client/lease/lease_fault.hpp"

namespace gnomon::client {

struct ChunkPrimary::State {
  const ForkGuard guard;
  std::string location;
  std::unique_ptr<Session> session;
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Lease>> held;

  [[nodiscard]] std::shared_ptr<Lease> find(const std::string& chunk) const {
    if (!guard.is_ours()) return nullptr;
    const std::lock_guard lock(mutex);
    const auto at = held.find(chunk);
    return at == held.end() ? nullptr : at->second;
  }
};

ChunkPrimary::ChunkPrimary(std::unique_ptr<State> state) : state_(std::move(state)) {}

LeaseResult<std::unique_ptr<ChunkPrimary>> ChunkPrimary::open(LeaseClient& client, PrimaryOptions options) {
  SessionOptions chosen;
  chosen.ttl = options.ttl;
  chosen.keeper.heartbeat = options.heartbeat;
  chosen.label = std::move(options.label);
  chosen.on_lost = std::move(options.on_lost);
  auto session = client.open_session(std::move(chosen));
  if (!session) return tl::make_unexpected(std::move(session.error()));
  auto state = std::make_unique<State>();
  state->location = std::move(options.location);
  state->session = std::move(*session);
  return std::unique_ptr<ChunkPrimary>(new ChunkPrimary(std::move(state)));
}

// The session first: closing it frees all chunks with one commit, instead of one each.
ChunkPrimary::~ChunkPrimary() {
  if (state_->guard.is_ours())
    state_->session.reset();
  else
    abandon(state_);
}

LeaseResult<std::uint64_t> ChunkPrimary::take(const std::string& chunk) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  if (const auto present = state_->find(chunk); present && present->holds()) return present->token();
  auto lease = state_->session->acquire(chunk, {.metadata = state_->location});
  if (!lease) return tl::make_unexpected(std::move(lease.error()));
  const auto taken = std::make_shared<Lease>(std::move(*lease));
  const std::lock_guard lock(state_->mutex);
  state_->held.insert_or_assign(chunk, taken);
  return taken->token();
}

LeaseResult<void> ChunkPrimary::give_up(const std::string& chunk) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  std::shared_ptr<Lease> lease;
  {
    const std::lock_guard lock(state_->mutex);
    const auto at = state_->held.find(chunk);
    if (at == state_->held.end())
      return tl::make_unexpected(lease_error(LeaseErrorKind::kNotHeld, "this primary does not have " + chunk));
    lease = std::move(at->second);
    state_->held.erase(at);
  }
  return lease->release();
}

bool ChunkPrimary::holds(const std::string& chunk) const {
  const auto lease = state_->find(chunk);
  return lease && lease->holds();
}

std::uint64_t ChunkPrimary::token(const std::string& chunk) const {
  const auto lease = state_->find(chunk);
  return lease && lease->holds() ? lease->token() : 0;
}

std::size_t ChunkPrimary::chunks() const {
  if (!state_->guard.is_ours()) return 0;
  const std::lock_guard lock(state_->mutex);
  return state_->held.size();
}

struct LocationCache::State {
  struct Entry {
    std::string location;
    std::uint64_t token = 0;
    HostClocks asked;      // before the question was sent
    time::Duration lasts;  // from then on, as this host's clocks show it
  };
  [[nodiscard]] LeaseResult<ChunkLocation> ask(const std::string& chunk);
  [[nodiscard]] std::optional<ChunkLocation> remembered(const std::string& chunk, time::Duration& of);
  void make_room();

  const ForkGuard guard;
  std::shared_ptr<LeaseClient> client;
  LocationCacheOptions options;
  std::mutex mutex;
  std::map<std::string, Entry> entries;
  Counters counters;
};

LocationCache::LocationCache(std::shared_ptr<LeaseClient> client, LocationCacheOptions options)
    : state_(std::make_unique<State>()) {
  state_->client = std::move(client);
  state_->options = options;
}

LocationCache::~LocationCache() {
  if (!state_->guard.is_ours()) abandon(state_);
}

LeaseResult<ChunkLocation> LocationCache::locate(const std::string& chunk) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  constexpr std::int64_t kFreshPart = 10;  // in the last tenth it is asked for anew
  time::Duration of;
  const auto known = state_->remembered(chunk, of);
  if (known && known->left > of / kFreshPart) return *known;
  auto asked = state_->ask(chunk);
  if (!asked && known && asked.error().kind != LeaseErrorKind::kNotHeld) return *known;  // still good for a while
  return asked;
}

void LocationCache::invalidate(const std::string& chunk) {
  if (!state_->guard.is_ours()) return;
  const std::lock_guard lock(state_->mutex);
  state_->entries.erase(chunk);
}

LocationCache::Counters LocationCache::counters() const {
  if (!state_->guard.is_ours()) return {};
  const std::lock_guard lock(state_->mutex);
  return state_->counters;
}

std::optional<ChunkLocation> LocationCache::State::remembered(const std::string& chunk, time::Duration& of) {
  const std::lock_guard lock(mutex);
  const auto at = entries.find(chunk);
  if (at == entries.end()) return std::nullopt;
  const auto age = elapsed(at->second.asked, read_host_clocks());
  if (!age || *age >= at->second.lasts) {
    entries.erase(at);
    return std::nullopt;
  }
  ++counters.hits;
  of = at->second.lasts;
  return ChunkLocation{at->second.location, at->second.token, at->second.lasts - *age, true};
}

LeaseResult<ChunkLocation> LocationCache::State::ask(const std::string& chunk) {
  const HostClocks before = read_host_clocks();
  const auto lease = client->get(chunk);
  const std::lock_guard lock(mutex);
  ++counters.questions;
  if (!lease) return tl::make_unexpected(lease.error());
  entries.erase(chunk);
  if (lease->status != LeaseStatus::kHeld)
    return tl::make_unexpected(lease_error(
        LeaseErrorKind::kNotHeld,
        chunk + " has no primary at the moment (" + std::string(text_of(lease->status)) + "); ask again later",
        lease->free_in));
  const time::Duration lasts = believable(lease->remaining, {}, options.oscillator_ppb);
  const auto age = elapsed(before, read_host_clocks());
  const time::Duration left = age ? std::max(lasts - *age, time::Duration{0}) : time::Duration{0};
  if (left > time::Duration{0}) {
    make_room();
    entries.insert_or_assign(chunk, Entry{lease->metadata, lease->token, before, lasts});
  }
  return ChunkLocation{lease->metadata, lease->token, left, false};
}

// Rare, and linear: a cache that is full of live entries is too small anyway.
void LocationCache::State::make_room() {
  if (entries.size() < std::max<std::size_t>(options.most, 1)) return;
  const HostClocks now = read_host_clocks();
  const auto left = [&now](const Entry& entry) {
    const auto age = elapsed(entry.asked, now);
    return age ? entry.lasts - *age : time::Duration{0};
  };
  std::erase_if(entries, [&](const auto& entry) { return left(entry.second) <= time::Duration{0}; });
  if (entries.size() < options.most) return;
  const auto first = std::min_element(entries.begin(), entries.end(),
                                      [&](const auto& a, const auto& b) { return left(a.second) < left(b.second); });
  if (first != entries.end()) entries.erase(first);
}

}  // namespace gnomon::client
