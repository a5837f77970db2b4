// SPDX-License-Identifier: Apache-2.0
//
// gnomon wait and gnomon hlc: a commit-wait from a shell, and hybrid timestamps.
#include <fmt/core.h>

#include <limits>
#include <utility>
#include <variant>

#include "client/shared_clock.hpp"
#include "cmd/gnomon/now.hpp"
#include "cmd/gnomon/time_text.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

/// A clock to wait by: the daemon's page, or servers.
class Waited {
 public:
  static client::Result<Waited> open(const ClockChoice& choice) {
    if (choice.asks_servers()) {
      auto client = connect_to(choice.server);
      if (!client) return tl::make_unexpected(client::Error{client::ErrorKind::kBadArgument, client.error(), {}, {}});
      return Waited(std::move(*client));
    }
    auto clock = client::SharedClock::open({.instance = instance_of(choice)});
    if (!clock) return tl::make_unexpected(clock.error());
    return Waited(std::move(*clock));
  }
  client::Result<time::Interval> now() {
    return std::visit([](auto& clock) { return clock.now(); }, clock_);
  }
  client::Result<time::Interval> wait(time::Tai t, time::Duration limit) {
    return std::visit([&](auto& clock) { return clock.commit_wait(t, limit); }, clock_);
  }

 private:
  using Clock = std::variant<client::Client, client::SharedClock>;
  explicit Waited(Clock clock) : clock_(std::move(clock)) {}

  Clock clock_;
};

ExitCode fail(const client::Error& error, const Output& output) {
  return output.fail(exit_code_of(error.kind), error.text);
}

void print_hlc(clock::HlcTimestamp timestamp, const Output& output) {
  constexpr std::int64_t kNsPerMs = 1'000'000;
  const auto ms = static_cast<std::int64_t>(timestamp.ms());
  const std::string utc = ms < std::numeric_limits<std::int64_t>::max() / kNsPerMs
                              ? utc_text(time::Tai{ms * kNsPerMs}, host_leap_table())
                              : "no time";
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("hlc").number(timestamp.value).key("tai_ms").number(timestamp.ms());
    output.out << json.key("counter").number(timestamp.counter()).key("utc").text(utc).end_object().str() << '\n';
  } else {
    output.out << fmt::format("{}  {}  counter {}\n", timestamp.value, utc, timestamp.counter());
  }
}

}  // namespace

ExitCode run_wait(const WaitOptions& options, const Output& output) {
  const auto limit = parse_duration(options.limit);
  if (!limit) return output.fail(ExitCode::kUsage, limit.error());
  auto clock = Waited::open(options.clock);
  if (!clock) return fail(clock.error(), output);
  const auto begin = clock->now();
  if (!begin) return fail(begin.error(), output);
  // What is written as now+2s counts from the latest that it can be: so `wait now` waits until now is past for all.
  const auto t = parse_tai(options.t, begin->latest, host_leap_table());
  if (!t) return output.fail(ExitCode::kUsage, t.error());
  const auto passed = clock->wait(*t, *limit);
  if (!passed) return fail(passed.error(), output);
  const time::Duration waited = passed->earliest - begin->earliest;
  if (output.json) {
    JsonWriter json;
    json.begin_object().key("t_tai_ns").number(t->ns).key("earliest_tai_ns").number(passed->earliest.ns);
    json.key("latest_tai_ns").number(passed->latest.ns).key("waited_ns").number(waited.ns);
    output.out << json.end_object().str() << '\n';
  } else {
    output.out << fmt::format("{} ns TAI has passed: it is {} to {}, after {}\n", t->ns,
                              utc_text(passed->earliest, host_leap_table()),
                              utc_text(passed->latest, host_leap_table()), human_duration(waited));
  }
  return ExitCode::kOk;
}

ExitCode run_hlc(const HlcOptions& options, const Output& output) {
  const clock::HlcTimestamp value{options.value.value_or(0)};
  if (options.decode) {
    if (!options.value) return output.fail(ExitCode::kUsage, "--decode needs a value to take apart");
    print_hlc(value, output);
    return ExitCode::kOk;
  }
  auto client = connect_to(options.server);
  if (!client) return output.fail(ExitCode::kUsage, client.error());
  const auto next = client->hlc_update(value);
  if (!next) return fail(next.error(), output);
  print_hlc(*next, output);
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
