// SPDX-License-Identifier: Apache-2.0
#include "client/lease/cache_lease.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

#include "client/fork_guard.hpp"
#include "client/lease/abandon.hpp"
#include "client/lease/host_clocks.hpp"
#include "client/lease/quiet_thread.hpp"

namespace gnomon::client {
namespace {

constexpr std::string_view kWriter = "/w";
constexpr std::string_view kReaders = "/r/";
constexpr std::size_t kSessionDigits = 32;
constexpr time::Duration kTurn = time::milliseconds(100);     // of the watch, so that the end is noticed
constexpr time::Duration kFirstLook = time::milliseconds(5);  // of a writer, at the readers
constexpr time::Duration kLongestLook = time::milliseconds(200);

/// There, or not certainly gone.
bool is_in_the_way(LeaseStatus status) { return status != LeaseStatus::kFree && status != LeaseStatus::kExpired; }

void sleep(time::Duration d) { std::this_thread::sleep_for(std::chrono::nanoseconds(d.ns)); }

}  // namespace

struct CacheReader::State {
  State(LeaseClient& with, Session& of, std::string names, std::unique_ptr<LeaseWatch> changes)
      : client(with), session(of), prefix(std::move(names)), watch(std::move(changes)) {}

  void run();
  void writer_came(const std::string& name);
  struct Copy;
  /// With the mutex held: not if another thread has put another one there.
  [[nodiscard]] bool is_there(const std::string& name, const std::shared_ptr<Copy>& copy) const;
  [[nodiscard]] LeaseResult<void> writer_of(const std::string& name) const;

  struct Copy {
    std::optional<Lease> lease;  // none: on its way
    bool wanted = false;         // by a writer, since `hold` began
    /// The token of its lease while it is valid.
    [[nodiscard]] std::optional<std::uint64_t> valid_token() const {
      if (wanted || !lease || !lease->holds()) return std::nullopt;
      return lease->token();
    }
  };

  const ForkGuard guard;
  LeaseClient& client;
  Session& session;
  const std::string prefix;
  const std::unique_ptr<LeaseWatch> watch;
  mutable std::mutex mutex;
  std::map<std::string, std::shared_ptr<Copy>> copies;
  std::atomic<bool> stopping{false};
  std::thread thread;
};

CacheReader::CacheReader(std::unique_ptr<State> state) : state_(std::move(state)) {}

LeaseResult<std::unique_ptr<CacheReader>> CacheReader::open(LeaseClient& client, Session& session, std::string prefix) {
  auto watch = client.watch(prefix);
  if (!watch) return tl::make_unexpected(std::move(watch.error()));
  auto state = std::make_unique<State>(client, session, std::move(prefix), std::move(*watch));
  if (auto started = start_quiet_thread(state->thread, [raw = state.get()] { raw->run(); }); !started)
    return tl::make_unexpected(std::move(started.error()));
  return std::unique_ptr<CacheReader>(new CacheReader(std::move(state)));
}

CacheReader::~CacheReader() {
  if (!state_->guard.is_ours()) {
    abandon(state_);
    return;
  }
  state_->stopping.store(true);
  state_->thread.join();
}

LeaseResult<std::uint64_t> CacheReader::hold(const std::string& name) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  if (!name.starts_with(state_->prefix))
    return tl::make_unexpected(
        lease_error(LeaseErrorKind::kBadArgument,
                    name + " does not begin with " + state_->prefix + ", so nobody would tell of its writers"));
  const auto copy = std::make_shared<State::Copy>();
  {
    std::shared_ptr<State::Copy> ended;  // goes, and releases, after the mutex
    const std::lock_guard lock(state_->mutex);
    std::shared_ptr<State::Copy>& at = state_->copies[name];
    if (at && !at->lease)
      return tl::make_unexpected(
          lease_error(LeaseErrorKind::kHeld, "another thread is just taking the cache lease of " + name));
    if (const auto token = at ? at->valid_token() : std::nullopt) return *token;
    ended = std::exchange(at, copy);
  }
  const auto fail = [&](LeaseError error) {
    const std::lock_guard lock(state_->mutex);
    if (state_->is_there(name, copy)) state_->copies.erase(name);
    return tl::make_unexpected(std::move(error));
  };
  // A first look for the writer's sake: readers that ask again and again would else always be in its way.
  if (auto writer = state_->writer_of(name); !writer) return fail(std::move(writer.error()));
  auto lease = state_->session.acquire(name + std::string(kReaders) + state_->session.id());
  if (!lease) return fail(std::move(lease.error()));
  // The look that counts: whoever takes the writer's lease after it will find ours.
  if (auto writer = state_->writer_of(name); !writer) return fail(std::move(writer.error()));
  const std::lock_guard lock(state_->mutex);
  if (!state_->is_there(name, copy))
    return tl::make_unexpected(
        lease_error(LeaseErrorKind::kHeld, "another thread dropped " + name + " while it was being taken; ask again"));
  if (copy->wanted) {
    state_->copies.erase(name);
    return tl::make_unexpected(lease_error(LeaseErrorKind::kHeld, name + " was about to be written; ask again"));
  }
  const std::uint64_t token = lease->token();
  copy->lease.emplace(std::move(*lease));
  return token;
}

bool CacheReader::valid(const std::string& name, std::uint64_t token) const {
  if (!state_->guard.is_ours()) return false;
  const std::lock_guard lock(state_->mutex);
  const auto at = state_->copies.find(name);
  return at != state_->copies.end() && at->second->valid_token() == token;
}

void CacheReader::drop(const std::string& name) {
  if (!state_->guard.is_ours()) return;
  std::shared_ptr<State::Copy> dropped;  // goes, and releases, after the mutex
  const std::lock_guard lock(state_->mutex);
  if (const auto at = state_->copies.find(name); at != state_->copies.end()) {
    dropped = std::move(at->second);
    state_->copies.erase(at);
  }
}

bool CacheReader::State::is_there(const std::string& name, const std::shared_ptr<Copy>& copy) const {
  const auto at = copies.find(name);
  return at != copies.end() && at->second == copy;
}

/// kHeld if there is one.
LeaseResult<void> CacheReader::State::writer_of(const std::string& name) const {
  auto writer = client.get(name + std::string(kWriter));
  if (!writer) return tl::make_unexpected(std::move(writer.error()));
  if (!is_in_the_way(writer->status)) return {};
  LeaseError error =
      lease_error(LeaseErrorKind::kHeld, name + " is being written; ask again when that is over", writer->free_in);
  error.holder = std::move(writer->label);
  error.token = writer->token;
  return tl::make_unexpected(std::move(error));
}

void CacheReader::State::run() {
  while (!stopping.load()) {
    const auto change = watch->next(kTurn);
    if (!change) {  // not told of writers any more: they wait, and nothing is stale
      sleep(kTurn);
      continue;
    }
    const auto& told = *change;
    if (!told || !told->lease.name.ends_with(kWriter) || !is_in_the_way(told->lease.status)) continue;
    const std::string& name = told->lease.name;
    writer_came(name.substr(0, name.size() - kWriter.size()));
  }
}

void CacheReader::State::writer_came(const std::string& name) {
  std::shared_ptr<Copy> dropped;
  const std::lock_guard lock(mutex);
  const auto at = copies.find(name);
  if (at == copies.end()) return;
  at->second->wanted = true;
  if (!at->second->lease) return;  // `hold` is at it and will see the mark
  dropped = std::move(at->second);
  copies.erase(at);
}

namespace {

/// How many of the readers of `name` may still believe.
LeaseResult<std::size_t> readers_of(LeaseClient& client, const std::string& name) {
  const std::string prefix = name + std::string(kReaders);
  const auto leases = client.list(prefix);
  if (!leases) return tl::make_unexpected(leases.error());
  return static_cast<std::size_t>(std::count_if(leases->begin(), leases->end(), [&](const LeaseInfo& lease) {
    return lease.name.size() == prefix.size() + kSessionDigits && is_in_the_way(lease.status);
  }));
}

}  // namespace

LeaseResult<void> update_cached(LeaseClient& client, Session& session, const std::string& name, time::Duration patience,
                                const std::function<void(const Lease&)>& write) {
  const HostDeadline deadline(patience);
  auto lease = session.acquire(name + std::string(kWriter), {.wait_for = patience});
  if (!lease) return tl::make_unexpected(std::move(lease.error()));
  time::Duration look = kFirstLook;
  for (;;) {
    // A failed look is one that found somebody: it is repeated while the patience lasts.
    const auto readers = readers_of(client, name);
    if (readers && *readers == 0) break;
    if (!lease->holds() || deadline.over()) {
      if (!readers) return tl::make_unexpected(readers.error());
      return tl::make_unexpected(lease_error(
          LeaseErrorKind::kHeld, std::to_string(*readers) + " readers of " + name +
                                     " still hold valid copies; try again, or with more patience than their TTL"));
    }
    sleep(std::min(look, deadline.left()));
    look = std::min(look * 2, kLongestLook);
  }
  if (!lease->holds())
    return tl::make_unexpected(lease_error(LeaseErrorKind::kSessionLost,
                                           "the writer's lease of " + name + " was lost before anything was written"));
  write(*lease);
  return {};
}

}  // namespace gnomon::client
