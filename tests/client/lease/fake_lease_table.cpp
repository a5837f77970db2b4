// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "tests/client/lease/fake_lease_service.hpp"

namespace gnomon::client {
namespace {

constexpr auto kLook = std::chrono::milliseconds(5);

void refuse(v1::Refused* refused, v1::RefusalReason reason, const std::string& text) {
  refused->set_reason(reason);
  refused->set_text(text);
}

}  // namespace

void FakeLeaseTable::advance(time::Duration by) {
  const std::lock_guard lock(mutex_);
  ahead_ += std::chrono::nanoseconds(by.ns);
  changed_.notify_all();
}

void FakeLeaseTable::set_max_wait(time::Duration longest) {
  const std::lock_guard lock(mutex_);
  max_wait_ = std::chrono::nanoseconds(longest.ns);
}

void FakeLeaseTable::open(const v1::OpenSessionRequest& request, v1::SessionResponse* response) {
  const std::lock_guard lock(mutex_);
  if (request.session().size() != 16) return refuse(response->mutable_refused(), v1::NO_SESSION, "not 16 bytes");
  Session& session = sessions_[request.session()];
  session.label = request.label();
  session.ttl = std::chrono::nanoseconds(request.ttl_ns());
  session.expiry = std::max(session.expiry, now() + session.ttl);
  response->mutable_open()->set_ttl_ns(request.ttl_ns());
}

void FakeLeaseTable::renew(const v1::RenewSessionRequest& request, v1::SessionResponse* response) {
  const std::lock_guard lock(mutex_);
  if (!check(request.session(), response->mutable_refused())) return;
  Session& session = sessions_[request.session()];
  session.expiry = std::max(session.expiry, now() + std::chrono::nanoseconds(request.ttl_ns()));
  response->mutable_open()->set_ttl_ns(request.ttl_ns());
}

void FakeLeaseTable::close(const std::string& session) {
  const std::lock_guard lock(mutex_);
  if (const auto at = sessions_.find(session); at != sessions_.end()) at->second.state = Session::State::kClosed;
  for (const auto& [name, held] : leases_)
    if (held.session == session) touch(name);
  changed_.notify_all();
}

bool FakeLeaseTable::is_alive(const std::string& session) const {
  const auto at = sessions_.find(session);
  return at != sessions_.end() && at->second.state == Session::State::kOpen && now() < at->second.expiry;
}

bool FakeLeaseTable::check(const std::string& session, v1::Refused* refused) const {
  if (is_alive(session)) return true;
  if (sessions_.contains(session))
    refuse(refused, v1::SESSION_OVER, "the session is over; open another one");
  else
    refuse(refused, v1::NO_SESSION, "there is no such session; open one");
  return false;
}

bool FakeLeaseTable::is_free(const Held& held) const {
  const Session& session = sessions_.at(held.session);
  return session.state == Session::State::kClosed || now() >= session.expiry + held.lock_delay;
}

std::size_t FakeLeaseTable::in_front(const std::string& name, const std::string& session) const {
  const auto at = queues_.find(name);
  if (at == queues_.end()) return 0;
  std::size_t count = 0;
  for (const std::string& waiter : at->second) {
    if (waiter == session) break;
    if (is_alive(waiter)) ++count;
  }
  return count;
}

/// Whether there is an answer other than Waiting.
bool FakeLeaseTable::try_acquire(const v1::AcquireRequest& request, v1::AcquireResponse* response) {
  if (!check(request.session(), response->mutable_refused())) return true;
  response->clear_answer();
  const auto held = leases_.find(request.name());
  if (held != leases_.end() && held->second.session == request.session()) {
    response->mutable_held()->set_token(held->second.token);
    return true;
  }
  auto& queue = queues_[request.name()];
  const bool waits = std::find(queue.begin(), queue.end(), request.session()) != queue.end();
  const bool taken = held != leases_.end() && !is_free(held->second);
  const std::size_t others = in_front(request.name(), request.session());
  if (!taken && others == 0) {
    grant(request, response, waits);
    return true;
  }
  if (request.wait_ns() == 0) {
    refuse(response->mutable_refused(), taken ? v1::HELD : v1::QUEUED, request.name() + " is taken");
    if (taken) {
      response->mutable_refused()->set_holder(sessions_.at(held->second.session).label);
      response->mutable_refused()->set_token(held->second.token);
    }
    return true;
  }
  if (!waits) {
    queue.push_back(request.session());
    changed_.notify_all();
  }
  response->mutable_waiting()->set_in_front(static_cast<std::uint32_t>(others));
  return false;
}

void FakeLeaseTable::grant(const v1::AcquireRequest& request, v1::AcquireResponse* response, bool queued) {
  const auto before = leases_.find(request.name());
  if (before != leases_.end()) {
    Session& loser = sessions_.at(before->second.session);
    if (loser.state == Session::State::kOpen) {
      loser.state = Session::State::kKilled;
      response->mutable_held()->set_taken_over(true);
    }
  }
  leases_[request.name()] = {request.session(), ++last_token_, std::chrono::nanoseconds(request.lock_delay_ns()),
                             request.metadata()};
  std::erase(queues_[request.name()], request.session());
  response->mutable_held()->set_token(last_token_);
  response->mutable_held()->set_anew(true);
  response->mutable_held()->set_queued(queued);
  touch(request.name());
}

void FakeLeaseTable::acquire(const v1::AcquireRequest& request, v1::AcquireResponse* response,
                             const std::function<bool()>& gone) {
  std::unique_lock lock(mutex_);
  const auto until = Clock::now() + std::min(max_wait_, std::chrono::nanoseconds(request.wait_ns()));
  while (!try_acquire(request, response)) {
    if (Clock::now() >= until || gone()) return;
    changed_.wait_for(lock, kLook);
  }
}

void FakeLeaseTable::release(const v1::ReleaseRequest& request, v1::ReleaseResponse* response) {
  const std::lock_guard lock(mutex_);
  if (!check(request.session(), response->mutable_refused())) return;
  response->clear_answer();
  const auto held = leases_.find(request.name());
  if (held != leases_.end() && held->second.session == request.session() && request.token() == held->second.token) {
    leases_.erase(held);
    response->mutable_released();
    touch(request.name());
    return;
  }
  if (request.token() == 0 && std::erase(queues_[request.name()], request.session()) > 0) {
    response->mutable_released()->set_withdrawn(true);
    return;
  }
  refuse(response->mutable_refused(), v1::NOT_HELD, request.name() + " is not held by this session");
}

std::optional<std::uint64_t> FakeLeaseTable::break_lease(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto held = leases_.find(name);
  if (held == leases_.end()) return std::nullopt;
  sessions_.at(held->second.session).state = Session::State::kKilled;
  const std::uint64_t token = held->second.token;
  leases_.erase(held);
  touch(name);
  return token;
}

v1::Lease FakeLeaseTable::look(const std::string& name) const {
  v1::Lease lease;
  lease.set_name(name);
  lease.set_state(v1::LEASE_FREE);
  if (const auto queue = queues_.find(name); queue != queues_.end())
    lease.set_waiters(static_cast<std::uint32_t>(queue->second.size()));
  const auto held = leases_.find(name);
  if (held == leases_.end()) return lease;
  const Session& session = sessions_.at(held->second.session);
  if (session.state == Session::State::kClosed) return lease;
  const auto left = session.expiry - now();
  lease.set_state(left.count() > 0 ? v1::LEASE_HELD : v1::LEASE_EXPIRED);
  lease.set_token(held->second.token);
  lease.set_session(held->second.session);
  lease.set_principal("local");
  lease.set_label(session.label);
  lease.set_metadata(held->second.metadata);
  lease.set_remaining_ns(std::max<std::int64_t>(std::chrono::nanoseconds(left).count(), 0));
  lease.set_free_in_ns(std::max<std::int64_t>(std::chrono::nanoseconds(left + held->second.lock_delay).count(), 0));
  return lease;
}

v1::Lease FakeLeaseTable::view(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return look(name);
}

std::vector<v1::Lease> FakeLeaseTable::list(const std::string& prefix) {
  const std::lock_guard lock(mutex_);
  std::vector<v1::Lease> found;
  for (const auto& [name, held] : leases_)
    if (name.starts_with(prefix))
      if (v1::Lease lease = look(name); lease.state() != v1::LEASE_FREE) found.push_back(std::move(lease));
  return found;
}

v1::ValidateTokenResponse FakeLeaseTable::validate(const std::string& name, std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  v1::ValidateTokenResponse response;
  const v1::Lease lease = look(name);
  response.set_current(lease.token());
  if (token > last_token_)
    response.set_standing(v1::TOKEN_UNKNOWN);
  else if (token != lease.token() || token == 0)
    response.set_standing(v1::TOKEN_STALE);
  else
    response.set_standing(lease.state() == v1::LEASE_HELD ? v1::TOKEN_CURRENT : v1::TOKEN_DOUBTFUL);
  return response;
}

void FakeLeaseTable::touch(const std::string& name) {
  touched_[name] = ++version_;
  changed_.notify_all();
}

std::pair<std::vector<std::string>, std::uint64_t> FakeLeaseTable::changes(std::uint64_t version,
                                                                           std::chrono::milliseconds wait) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, wait, [&] { return version_ > version; });
  std::vector<std::string> names;
  for (const auto& [name, at] : touched_)
    if (at > version) names.push_back(name);
  return {names, version_};
}

std::uint64_t FakeLeaseTable::holder_token(const std::string& name) { return view(name).token(); }

std::size_t FakeLeaseTable::waiters(const std::string& name) {
  const std::lock_guard lock(mutex_);
  const auto at = queues_.find(name);
  return at == queues_.end() ? 0 : at->second.size();
}

std::size_t FakeLeaseTable::open_sessions() {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(sessions_.begin(), sessions_.end(), [this](const auto& each) { return is_alive(each.first); }));
}

void FakeLeaseTable::end_session(const std::string& hex_id) {
  std::string id;
  for (std::size_t i = 0; i + 1 < hex_id.size(); i += 2)
    id += static_cast<char>(std::stoi(hex_id.substr(i, 2), nullptr, 16));
  const std::lock_guard lock(mutex_);
  sessions_.at(id).state = Session::State::kKilled;
  changed_.notify_all();
}

}  // namespace gnomon::client
