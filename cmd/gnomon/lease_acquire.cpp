// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease acquire, renew, release and close: leases of a session that outlives the command.
//
// Who waits in the queue has to keep its session alive meanwhile, so a wait goes in steps of a third of the TTL, with a
// renewal after each. A grant that was waited for counts only after one more renewal: the session may have ended
// between the grant and its answer.
#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "cmd/gnomon/lease.hpp"
#include "cmd/gnomon/lease_link.hpp"
#include "cmd/gnomon/lease_view.hpp"
#include "cmd/gnomon/lease_wish.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "platform/random.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kStepsPerTtl = 3;

struct Acquired {
  LinkGrant grant;
  time::Duration ttl;
};

/// Of a session that is open.
LinkResult<Acquired> wait_for_grant(LeaseLink& link, const lease::SessionId& session, const CheckedWish& wish) {
  const time::Uptime begin = platform::read_uptime();
  const time::Uptime until = time::saturating_add(begin, wish.wait_for);
  LinkWish asked{.name = wish.name, .lock_delay = wish.lock_delay, .metadata = wish.metadata, .wait = {}};
  while (true) {
    const time::Duration left = time::saturating_sub(until, platform::read_uptime());
    asked.wait = std::clamp(left, time::Duration{0}, wish.ttl / kStepsPerTtl);
    const auto grant = link.acquire(session, asked);
    if (!grant) return tl::make_unexpected(grant.error());
    if (!grant->waiting && !grant->queued) return Acquired{*grant, wish.ttl};
    const auto renewed = link.renew(session, wish.ttl);
    if (!renewed) return tl::make_unexpected(renewed.error());
    if (!grant->waiting) return Acquired{*grant, *renewed};
    if (platform::read_uptime() < until) continue;
    return tl::make_unexpected(
        LinkError{ExitCode::kRefused, fmt::format("{} was not to be had within {}; {} wait in front", wish.name,
                                                  human_duration(wish.wait_for), grant->in_front)});
  }
}

tl::expected<LeaseLink, LinkError> open_link(const LeaseServers& where) {
  const auto place = lease_place(where);
  if (!place) return tl::make_unexpected(LinkError{ExitCode::kUsage, place.error()});
  auto link = LeaseLink::open(*place);
  if (!link) return tl::make_unexpected(LinkError{ExitCode::kUsage, link.error()});
  return std::move(*link);
}

LinkResult<lease::SessionId> session_to_use(const std::optional<std::string>& given) {
  if (!given) return platform::random_value<lease::SessionId>();
  const auto session = parse_session(*given);
  if (!session) return tl::make_unexpected(LinkError{ExitCode::kUsage, session.error()});
  return *session;
}

LinkResult<GrantView> acquire(const LeaseAcquireOptions& options) {
  const auto wish = check_wish(options.wish);
  if (!wish) return tl::make_unexpected(LinkError{ExitCode::kUsage, wish.error()});
  const auto session = session_to_use(options.session);
  if (!session) return tl::make_unexpected(session.error());
  auto link = open_link(options.where);
  if (!link) return tl::make_unexpected(link.error());
  const auto open = options.session ? link->renew(*session, wish->ttl)
                                    : link->open_session(*session, wish->ttl, lease_label(options.wish.label));
  if (!open) return tl::make_unexpected(open.error());
  const auto acquired = wait_for_grant(*link, *session, *wish);
  if (!acquired) {
    // What came of it may not be known; nothing of it is to stay.
    if (options.session)
      (void)link->give_up(*session, wish->name);
    else
      (void)link->close(*session);
    return tl::make_unexpected(acquired.error());
  }
  return GrantView{.name = wish->name,
                   .token = acquired->grant.token,
                   .session = session_text(*session),
                   .ttl = acquired->ttl,
                   .anew = acquired->grant.anew,
                   .taken_over = acquired->grant.taken_over,
                   .queued = acquired->grant.queued,
                   .kept = false};
}

/// Does something with a session that was named.
template <typename Act>
ExitCode with_session(const LeaseServers& where, const std::string& text, const Output& output, Act act) {
  const auto session = session_to_use(text);
  if (!session) return output.fail(session.error().code, session.error().text);
  auto link = open_link(where);
  if (!link) return output.fail(link.error().code, link.error().text);
  return act(*link, *session);
}

}  // namespace

ExitCode run_lease_acquire(const LeaseAcquireOptions& options, const Output& output) {
  if (options.hold && options.session)
    return output.fail(ExitCode::kUsage, "--hold keeps a session of its own: leave --session out");
  if (options.hold) return hold_lease(options, output);
  const auto grant = acquire(options);
  if (!grant) return output.fail(grant.error().code, grant.error().text);
  output.out << (output.json ? grant_json(*grant) : grant_text(*grant));
  return ExitCode::kOk;
}

ExitCode run_lease_renew(const LeaseRenewOptions& options, const Output& output) {
  const auto ttl = parse_duration(options.ttl);
  if (!ttl) return output.fail(ExitCode::kUsage, ttl.error());
  return with_session(options.where, options.session, output, [&](LeaseLink& link, const lease::SessionId& session) {
    const auto renewed = link.renew(session, *ttl);
    if (!renewed) return output.fail(renewed.error().code, renewed.error().text);
    if (output.json) {
      JsonWriter json;
      json.begin_object().key("session").text(session_text(session)).key("ttl_ns").number(renewed->ns);
      output.out << json.end_object().str() << '\n';
    } else {
      output.out << fmt::format("renewed, with all that hangs on it: {} from now\n", human_duration(*renewed));
    }
    return ExitCode::kOk;
  });
}

ExitCode run_lease_release(const LeaseReleaseOptions& options, const Output& output) {
  return with_session(options.where, options.session, output, [&](LeaseLink& link, const lease::SessionId& session) {
    const auto withdrawn =
        options.token == 0 ? link.give_up(session, options.name) : link.release(session, options.name, options.token);
    if (!withdrawn) return output.fail(withdrawn.error().code, withdrawn.error().text);
    if (output.json) {
      JsonWriter json;
      json.begin_object().key("name").text(options.name).key("withdrawn").boolean(*withdrawn);
      output.out << json.end_object().str() << '\n';
    } else {
      output.out << (*withdrawn ? "withdrawn from the queue\n" : "released\n");
    }
    return ExitCode::kOk;
  });
}

ExitCode run_lease_close(const LeaseCloseOptions& options, const Output& output) {
  return with_session(options.where, options.session, output, [&](LeaseLink& link, const lease::SessionId& session) {
    const auto closed = link.close(session);
    if (!closed) return output.fail(closed.error().code, closed.error().text);
    if (output.json) {
      JsonWriter json;
      json.begin_object().key("session").text(session_text(session)).key("closed").boolean(true);
      output.out << json.end_object().str() << '\n';
    } else {
      output.out << "closed; all that it held is free\n";
    }
    return ExitCode::kOk;
  });
}

}  // namespace gnomon::cmd
