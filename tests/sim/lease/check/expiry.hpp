// SPDX-License-Identifier: Apache-2.0
//
// Promise: what was granted lasts as long as was said, and what is over stays over.
//
//   a session's expiry only grows, whatever TTL is asked for later
//   a session is not renewed once it is closed, killed, or certainly past its expiry at the moment of the decision
//   a session is killed, and its lease given to another one, only when earliest > expiry (+ lock-delay, for the lease)
//   an answered renewal covers its client: the stored expiry is not before its sending + the granted TTL
//
// Judged at every commit that takes effect, by the moment on which it was decided: it need not come to two holders.
#pragma once

#include <fmt/format.h>

#include <map>

#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"

namespace gnomon::sim::leases {

class ExpiryKept {
 public:
  explicit ExpiryKept(Report& report) : report_(report) {}

  void landing(const Landing& landing) {
    for (const control::Put& put : landing.transaction.puts) {
      if (const auto id = lease::session_of_key(put.key))
        session_written(landing, *id, put.value);
      else if (const auto name = lease::name_of_lease_key(put.key))
        granted(landing, *name, put.value);
    }
  }

  /// A client was told that its session is open for `ttl`, in answer to a request that it sent at `sent` on the clock
  /// by which sessions expire.
  void renewal_answered(const lease::SessionId& id, const lease::Expiry& sent, time::Duration ttl) {
    ++promises_;
    const auto at = furthest_.find(id);
    if (at == furthest_.end())
      return fail(fmt::format("session {} is said to be open, and was never stored", short_of(id)));
    if (at->second.boot == sent.boot && at->second.at < sent.at + ttl)
      fail(fmt::format("session {} is granted {} ms, and its expiry comes {} us before that counted from the sending",
                       short_of(id), ttl.ns / 1'000'000, (sent.at + ttl - at->second.at).ns / 1000));
  }

  /// The furthest expiry that was ever stored.
  [[nodiscard]] std::optional<lease::Expiry> furthest(const lease::SessionId& id) const {
    const auto at = furthest_.find(id);
    return at == furthest_.end() ? std::nullopt : std::optional(at->second);
  }
  [[nodiscard]] std::uint64_t promises() const { return promises_; }

 private:
  void fail(std::string text) { report_.fail("expiry", std::move(text)); }

  // Written out here once more, and not by the rules' own functions: what judges them must not share their mistakes.
  [[nodiscard]] static bool is_past(const lease::ClientSession& session, time::Duration delay,
                                    const lease::Moment& moment) {
    if (session.expiry.boot == moment.boot) return moment.now.earliest > session.expiry.at + delay;
    return moment.now.earliest > moment.since + session.ttl + delay;  // of another boot: renewed before this life
  }

  void session_written(const Landing& landing, const lease::SessionId& id, const std::string& text) {
    const auto written = lease::parse_client_session(text);
    if (!written) return fail(fmt::format("session {} can't be read: {}", short_of(id), text));
    const auto before = session_in(landing.before, id);
    using State = lease::SessionState;
    if (written->state == State::kOpen) {
      if (before && before->value.state != State::kOpen)
        fail(fmt::format("session {} was over and is opened again", short_of(id)));
      else if (before && is_past(before->value, {}, landing.moment))
        fail(fmt::format("session {} is renewed after its expiry", short_of(id)));
      else if (before && before->value.expiry.boot == written->expiry.boot &&
               written->expiry.at < before->value.expiry.at)
        fail(fmt::format("the expiry of session {} is brought forward by {} us", short_of(id),
                         (before->value.expiry.at - written->expiry.at).ns / 1000));
      furthest_[id] = written->expiry;
    } else if (!before) {
      fail(fmt::format("session {} was not there, and is ended", short_of(id)));
    } else if (written->state == State::kKilled && before->value.state == State::kOpen &&
               !is_past(before->value, {}, landing.moment)) {
      fail(fmt::format("session {} is killed before its expiry", short_of(id)));
    } else if (before->value.state != State::kOpen && before->value.state != written->state) {
      fail(fmt::format("session {} had ended, and ends otherwise", short_of(id)));
    }
  }

  void granted(const Landing& landing, std::string_view name, const std::string& text) {
    const auto written = lease::parse_named_lease(text);
    if (!written) return fail(fmt::format("the grant of {} can't be read: {}", name, text));
    const auto taker = session_in(landing.before, written->session);
    if (!taker || taker->value.state != lease::SessionState::kOpen)
      fail(fmt::format("{} is granted to session {}, which is not open", name, short_of(written->session)));
    const auto before = lease_in(landing.before, name);
    if (!before) return;
    if (before->value.session == written->session)
      return fail(fmt::format("{} is granted anew to session {}, which holds it", name, short_of(written->session)));
    const auto holder = session_in(landing.before, before->value.session);
    if (!holder) return fail(fmt::format("{} is taken from a session of which nothing is left", name));
    if (holder->value.state == lease::SessionState::kClosed) return;
    const time::Duration delay = before->value.lock_delay;
    if (!is_past(holder->value, delay, landing.moment))
      return fail(fmt::format("{} is taken from session {} before its expiry and a lock-delay of {} ms", name,
                              short_of(before->value.session), delay.ns / 1'000'000));
    bool killed = holder->value.state == lease::SessionState::kKilled;
    for (const control::Put& put : landing.transaction.puts)
      if (put.key == lease::client_key(before->value.session)) killed = true;  // how: see above
    if (!killed)
      fail(fmt::format("{} is taken from session {}, which stays open", name, short_of(before->value.session)));
  }

  Report& report_;
  std::map<lease::SessionId, lease::Expiry> furthest_;
  std::uint64_t promises_ = 0;
};

}  // namespace gnomon::sim::leases
