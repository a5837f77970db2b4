// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease get, list, watch, validate and break.
#include <fmt/core.h>

#include <memory>
#include <utility>

#include "cmd/gnomon/lease.hpp"
#include "cmd/gnomon/lease_view.hpp"
#include "cmd/text/json.hpp"

namespace gnomon::cmd {
namespace {

constexpr auto kLookEvery = time::seconds(1);  // a watch waits without end, in steps of this

/// Connects, and hands the client on. Whatever fails ends the command.
template <typename Then>
ExitCode with_client(const LeaseServers& where, const Output& output, Then then) {
  const auto place = lease_place(where);
  if (!place) return output.fail(ExitCode::kUsage, place.error());
  const auto client = connect_to(*place);
  if (!client) return fail(client.error(), output);
  return then(**client);
}

}  // namespace

ExitCode run_lease_get(const LeaseLookOptions& options, const Output& output) {
  return with_client(options.where, output, [&](client::LeaseClient& client) {
    const auto lease = client.get(options.name);
    if (!lease) return fail(lease.error(), output);
    output.out << (output.json ? lease_json(*lease) : lease_text(*lease));
    return ExitCode::kOk;
  });
}

ExitCode run_lease_list(const LeaseLookOptions& options, const Output& output) {
  return with_client(options.where, output, [&](client::LeaseClient& client) {
    const auto leases = client.list(options.name);
    if (!leases) return fail(leases.error(), output);
    output.out << (output.json ? leases_json(*leases) : leases_text(*leases));
    return ExitCode::kOk;
  });
}

ExitCode run_lease_watch(const LeaseWatchOptions& options, const Output& output) {
  return with_client(options.where, output, [&](client::LeaseClient& client) {
    const auto watch = client.watch(options.prefix);
    if (!watch) return fail(watch.error(), output);
    for (int shown = 0; options.count == 0 || shown < options.count;) {
      const auto change = (*watch)->next(kLookEvery);
      if (!change) return fail(change.error(), output);
      if (!*change) continue;
      const client::LeaseChange& news = **change;
      if (options.only_changes && (news.initial || news.caught_up)) continue;
      output.out << (output.json ? change_json(news) : change_text(news)) << '\n';
      output.out.flush();
      if (output.out.fail()) return ExitCode::kOk;  // who read it has gone
      ++shown;
    }
    return ExitCode::kOk;
  });
}

ExitCode run_lease_validate(const LeaseValidateOptions& options, const Output& output) {
  return with_client(options.where, output, [&](client::LeaseClient& client) {
    const auto verdict = client.validate(options.name, options.token);
    if (!verdict) return fail(verdict.error(), output);
    if (output.json) {
      JsonWriter json;
      json.begin_object().key("name").text(options.name).key("token").text(fmt::format("{}", options.token));
      output.out << json.key("standing").text(client::text_of(*verdict)).end_object().str() << '\n';
    } else {
      output.out << client::text_of(*verdict) << '\n';
    }
    return *verdict == client::TokenVerdict::kCurrent ? ExitCode::kOk : ExitCode::kRefused;
  });
}

ExitCode run_lease_break(const LeaseBreakOptions& options, const Output& output) {
  if (!options.holder_is_stopped)
    return output.fail(
        ExitCode::kUsage,
        fmt::format("this takes {} away from whoever holds it, although that one may go on believing in "
                    "it: stop the holder (gnomon lease get {} names it), see that it is stopped, and say "
                    "so with --holder-is-stopped",
                    options.name, options.name));
  return with_client(options.where, output, [&](client::LeaseClient& client) {
    const auto token = client.break_lease(options.name);
    if (!token) return fail(token.error(), output);
    if (output.json) {
      JsonWriter json;
      json.begin_object().key("name").text(options.name);
      output.out << json.key("broken_token").text(fmt::format("{}", *token)).end_object().str() << '\n';
    } else {
      output.out << fmt::format("{} is free; the grant under token {} was taken away, and its session with it\n",
                                options.name, *token);
    }
    return ExitCode::kOk;
  });
}

}  // namespace gnomon::cmd
