// SPDX-License-Identifier: Apache-2.0
#include "client/lease/session_core.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "client/lease/quiet_thread.hpp"
#include "platform/random.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kInPassing = time::seconds(1);
constexpr time::Duration kLongestSleep = time::seconds(60);
constexpr time::Duration kGlance = time::milliseconds(100);  // while somebody waits for a change of the belief
constexpr std::size_t kMaxLabel = 128;

std::string random_nonce() {
  const auto bytes = platform::random_value<std::array<char, 16>>();
  return {bytes.data(), bytes.size()};
}

std::string hex_of(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[(static_cast<unsigned char>(c) >> 4U) & 0xfU];
    text += kDigits[static_cast<unsigned char>(c) & 0xfU];
  }
  return text;
}

std::string default_label() {
  std::array<char, 65> host{};
  static_cast<void>(gethostname(host.data(), host.size() - 1));
  std::string label = std::string(host.data()) + " " + std::to_string(getpid()) + " " + program_invocation_short_name;
  return label.substr(0, kMaxLabel);
}

std::chrono::nanoseconds chrono_of(time::Duration d) { return std::chrono::nanoseconds(d.ns); }

}  // namespace

LeaseResult<std::shared_ptr<SessionCore>> SessionCore::open(std::shared_ptr<LeaseTransport> transport,
                                                            SessionOptions options) {
  if (!transport->is_ours()) return tl::make_unexpected(closed_error());
  options.keeper.ttl = options.ttl;
  auto keeper = checked(options.keeper);
  if (!keeper) return tl::make_unexpected(lease_error(LeaseErrorKind::kBadArgument, std::move(keeper.error())));
  options.keeper = *keeper;
  if (options.label.empty()) options.label = default_label();
  std::shared_ptr<SessionCore> core(new SessionCore(std::move(transport), std::move(options)));
  auto opened = core->open_here();
  if (opened) opened = start_quiet_thread(core->thread_, [raw = core.get()] { raw->run(); });
  if (!opened) return tl::make_unexpected(std::move(opened.error()));
  return core;
}

SessionCore::SessionCore(std::shared_ptr<LeaseTransport> transport, SessionOptions options)
    : transport_(std::move(transport)),
      options_(std::move(options)),
      nonce_(random_nonce()),
      id_(hex_of(nonce_)),
      keeper_(options_.keeper) {}

LeaseResult<void> SessionCore::open_here() {
  v1::OpenSessionRequest request;
  request.set_session(nonce_);
  request.set_ttl_ns(options_.ttl.ns);
  request.set_label(options_.label);
  std::uint64_t attempt = 0;
  // Each sending is an attempt of its own, so that what is granted counts from the one that was answered.
  const auto prepare = [&](v1::OpenSessionRequest&) {
    const std::lock_guard lock(mutex_);
    if (const auto renew = keeper_.renew_now(read_host_clocks()).renew) attempt = renew->attempt;
  };
  const auto answer = call<v1::OpenSessionRequest, v1::SessionResponse>(
      *transport_, &LeaseStub::PrepareAsyncOpenSession, request,
      {.what = "opening a session", .deadline = transport_->deadline()}, nullptr, prepare);
  if (!answer) return tl::make_unexpected(answer.error());
  const std::lock_guard lock(mutex_);
  apply(keeper_.granted(read_host_clocks(), attempt, {answer->open().ttl_ns()}));
  if (keeper_.holds(read_host_clocks())) return {};
  return tl::make_unexpected(lease_error(LeaseErrorKind::kTimeout,
                                         "the answer to the opening of a session took longer than its TTL; ask for a "
                                         "longer one"));
}

Belief SessionCore::belief() {
  if (!is_ours()) return Belief::kLost;
  const std::lock_guard lock(mutex_);
  look();
  return closed_ ? Belief::kLost : keeper_.belief();
}

bool SessionCore::holds() {
  if (!is_ours()) return false;
  const std::lock_guard lock(mutex_);
  return keeper_.holds(look()) && !closed_;
}

time::Duration SessionCore::left() {
  if (!is_ours()) return {};
  const std::lock_guard lock(mutex_);
  const HostClocks now = look();
  return closed_ ? time::Duration{} : keeper_.left(now);
}

Belief SessionCore::wait(Belief known, time::Duration timeout, const std::atomic<bool>& over) {
  if (!is_ours()) return Belief::kLost;
  const HostDeadline deadline(timeout);
  std::unique_lock lock(mutex_);
  for (;;) {
    look();
    const Belief found = closed_ || over.load(std::memory_order_acquire) ? Belief::kLost : keeper_.belief();
    const time::Duration left = deadline.left();
    if (found != known || left == time::Duration{0}) return found;
    // The session's thread tells of every change, but it may be in a callback just now.
    changed_.wait_for(lock, chrono_of(std::min(left, kGlance)));
  }
}

void SessionCore::wake() {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

bool SessionCore::admit(const std::shared_ptr<grpc::ClientContext>& context) {
  const std::lock_guard lock(mutex_);
  look();
  if (is_over()) return false;
  calls_.insert(context);
  return true;
}

void SessionCore::dismiss(const std::shared_ptr<grpc::ClientContext>& context) {
  const std::lock_guard lock(mutex_);
  calls_.erase(context);
}

LeaseError SessionCore::why_over() const {
  const std::lock_guard lock(mutex_);
  return reason();
}

LeaseError SessionCore::reason() const {
  if (closed_) return closed_error();
  return lease_error(LeaseErrorKind::kSessionLost,
                     "the session is over: " + why_lost_ + "; nothing is held any more, open another one");
}

// Whoever finds the belief ended makes it final, or the next one might find it again.
HostClocks SessionCore::look() {
  const HostClocks now = read_host_clocks();
  if (!closed_ && keeper_.belief() != Belief::kOpening && keeper_.belief() != Belief::kLost && !keeper_.holds(now))
    apply(keeper_.tick(now));
  return now;
}

void SessionCore::apply(const KeeperEffects& effects) {
  if (effects.renew && !is_over()) send_renewal(effects.renew->attempt, transport_->preferred(), 1);
  if (effects.tell) {
    untold_.push_back(effects.tell->belief);
    if (effects.tell->belief == Belief::kLost) {
      if (why_lost_.empty()) why_lost_ = "no renewal was answered in time";
      cancel_calls();
    }
  }
  changed_.notify_all();
}

void SessionCore::cancel_calls() {
  for (const auto& context : calls_)
    context->TryCancel();
}

void SessionCore::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (!is_over()) {
      const KeeperEffects effects = keeper_.tick(read_host_clocks());
      if (effects.renew && silent_) transport_->failed(*silent_);  // this one goes elsewhere
      apply(effects);
      do_chores();
    }
    if (!untold_.empty() && !closed_) {
      const Belief belief = untold_.front();
      untold_.pop_front();
      lock.unlock();
      tell(belief);
      lock.lock();
      continue;
    }
    time::Duration sleep = kLongestSleep;
    if (!is_over()) sleep = std::min({sleep, keeper_.next(read_host_clocks()), until_chore()});
    changed_.wait_for(lock, chrono_of(sleep));
  }
}

void SessionCore::tell(Belief belief) {
  if (belief == Belief::kDanger && options_.on_danger) options_.on_danger();
  if (belief != Belief::kLost || !options_.on_lost) return;
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    why = why_lost_;
  }
  options_.on_lost(why);
}

LeaseResult<void> SessionCore::close(bool in_passing) {
  if (!is_ours()) return tl::make_unexpected(closed_error());
  if (std::this_thread::get_id() == thread_.get_id())
    return tl::make_unexpected(
        lease_error(LeaseErrorKind::kBadArgument, "a session can't be closed by one of its own callbacks"));
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return tl::make_unexpected(closed_error());
    cancel_calls();
    changed_.notify_all();
    if (ended_there_) return {};
  }
  v1::CloseSessionRequest request;
  request.set_session(nonce_);
  const auto closed = call<v1::CloseSessionRequest, v1::CloseSessionResponse>(
      *transport_, &LeaseStub::PrepareAsyncCloseSession, request,
      {.what = "closing the session",
       .deadline = in_passing ? std::min(kInPassing, transport_->deadline()) : transport_->deadline(),
       .one_attempt = in_passing});
  if (!closed) return tl::make_unexpected(closed.error());
  return {};
}

void SessionCore::shut_down() {
  static_cast<void>(close(true));
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    cancel_calls();
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return under_way_ == 0; });
}

}  // namespace gnomon::client
