// SPDX-License-Identifier: Apache-2.0
//
// gnomon now: the interval that contains the true time, and why it is that wide. There is no single number to print:
// the middle of an interval is not the time.
#include "cmd/gnomon/now.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cmd/gnomon/time_text.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/shared_page.hpp"

namespace gnomon::cmd {
namespace {

using time::Duration;
using time::Tai;

/// What the page says of the reasons.
struct Reasons {
  std::string source;
  time::Uncertainty terms;
  Duration sample_age;
  Duration support_age;
  std::uint32_t sources = 0;
  std::uint32_t roots = 0;
  bool holdover = false;
};

/// One look at one clock.
struct Look {
  std::string of;  // whose clock
  std::optional<time::Interval> interval;
  std::string fault;  // its name, if there is no interval
  std::string why;    // the same as a sentence
  ExitCode code = ExitCode::kOk;
  std::optional<Reasons> reasons;      // of a clock page
  std::optional<Duration> round_trip;  // to a server
};

Look failed(std::string of, ExitCode code, std::string fault, std::string why) {
  Look look;
  look.of = std::move(of);
  look.code = code;
  look.fault = std::move(fault);
  look.why = std::move(why);
  return look;
}

std::optional<Reasons> reasons_in(const page::ClockPage& page, time::Cycles now) {
  page::ClockDetails details;
  std::uint64_t version = 0;
  if (!page.details.try_read(details, version) || !details.plausible()) return std::nullopt;
  const auto since = [&](time::Cycles then) {
    return now > then ? details.nominal.span(now.count - then.count) : Duration{0};
  };
  return Reasons{std::string(details.name()), details.terms,   since(details.sampled_at),
                 since(details.supported_at), details.sources, details.roots,
                 details.holdover != 0};
}

// Mapped anew for each look, so that a daemon that was started again is seen.
Look look_at_page(const std::string& instance) {
  const std::string name = fmt::format("gnomon.{}.clock", instance);
  const auto page = platform::ForeignPage<page::ClockPage>::open(name);
  if (!page && page.error().code == ENOENT)
    return failed(
        name, ExitCode::kUnreachable, "no_page",
        fmt::format("there is no clock page /dev/shm/{}: is gnomond running on this host as instance '{}'? Or "
                    "ask a server: --server ADDRESS",
                    name, instance));
  if (!page) return failed(name, ExitCode::kRefused, "no_page", page.error().text);
  page::ClockReader reader(**page);
  time::Cycles cycles = platform::read_cycles();
  time::Now now = reader.at(cycles);
  if (!now) now = reader.at(cycles = platform::read_cycles());  // held up in between, it met a line that is younger
  if (!now)
    return failed(name, ExitCode::kUnsynchronised, std::string(name_of(now.error())),
                  std::string(text_of(now.error())));
  Look look;
  look.of = name;
  look.interval = *now;
  look.reasons = reasons_in(**page, cycles);
  return look;
}

Look look_at_server(client::Client& client, std::size_t index) {
  const auto reply = client.ask_time(index);
  if (!reply)
    return failed(client.servers()[index], exit_code_of(reply.error().kind),
                  std::string(client::text_of(reply.error().kind)), reply.error().text);
  Look look;
  look.of = reply->server;
  look.interval = reply->at_receipt;
  look.round_trip = reply->round_trip;
  return look;
}

std::string text(const time::Interval& now, const Look& look) {
  const time::LeapTable& leaps = host_leap_table();
  std::string out = fmt::format("earliest  {:<30}  {} ns TAI\n", utc_text(now.earliest, leaps), now.earliest.ns);
  out += fmt::format("latest    {:<30}  {} ns TAI\n", utc_text(now.latest, leaps), now.latest.ns);
  out += fmt::format("epsilon   {}\n", human_duration(now.epsilon()));
  if (look.round_trip)
    out += fmt::format("server    {}, at the receipt of its answer, after {}\n", look.of,
                       human_duration(*look.round_trip));
  if (!look.reasons) return out;
  const Reasons& why = *look.reasons;
  out += fmt::format("source    {}; sample {} old; {} configured, {} independent and healthy\n", why.source,
                     human_duration(why.sample_age), why.sources, why.roots);
  if (why.holdover)
    out += fmt::format("holdover  no source has been healthy for {}\n", human_duration(why.support_age));
  const char* head = "why";
  for (const time::TermInfo& info : time::kTerms) {
    out += fmt::format("{:<8}  {:<13}  {:>12}  {}\n", head, info.name, human_duration(why.terms.*info.term), info.help);
    head = "";
  }
  return out + fmt::format("{:<8}  {:<13}  {:>12}  {}\n", "", "others", human_duration(now.epsilon() - why.terms.sum()),
                           "other sources widen, earlier samples narrow; drift since");
}

std::string line(const Look& look) {
  if (!look.interval) return fmt::format("{}: {}: {}\n", look.of, look.fault, look.why);
  std::string out =
      fmt::format("{} to {}  epsilon {}", utc_text(look.interval->earliest, host_leap_table()),
                  utc_text(look.interval->latest, host_leap_table()), human_duration(look.interval->epsilon()));
  if (look.round_trip) return out + fmt::format("  {} {}\n", look.of, human_duration(*look.round_trip));
  if (!look.reasons) return out + "\n";
  out += fmt::format("  sample {} ", human_duration(look.reasons->sample_age));
  for (const time::TermInfo& info : time::kTerms)
    if (look.reasons->terms.*info.term != Duration{})
      out += fmt::format(" {} {}", info.name, human_duration(look.reasons->terms.*info.term));
  return out + fmt::format("  ({})\n", look.reasons->source);
}

std::string json(const Look& look) {
  JsonWriter json;
  json.begin_object().key("clock").text(look.of);
  json.key("state").text(look.interval ? "synchronised" : look.fault);
  if (look.interval) {
    json.key("earliest_tai_ns")
        .number(look.interval->earliest.ns)
        .key("latest_tai_ns")
        .number(look.interval->latest.ns);
    json.key("earliest").text(utc_text(look.interval->earliest, host_leap_table()));
    json.key("latest").text(utc_text(look.interval->latest, host_leap_table()));
    json.key("epsilon_ns").number(look.interval->epsilon().ns);
  } else {
    json.key("text").text(look.why);
  }
  if (look.round_trip) json.key("round_trip_ns").number(look.round_trip->ns);
  if (look.reasons) {
    const Reasons& why = *look.reasons;
    json.key("source").text(why.source).key("sample_age_ns").number(why.sample_age.ns);
    json.key("sources").number(why.sources).key("independent").number(why.roots).key("holdover").boolean(why.holdover);
    json.key("terms_ns").begin_object();
    for (const time::TermInfo& info : time::kTerms)
      json.key(info.name).number((why.terms.*info.term).ns);
    json.end_object();
  }
  return json.end_object().str() + "\n";
}

// A source's name is free text: in quotes, without any inside.
std::string csv(const Look& look, std::int64_t unix_ns) {
  std::string out = fmt::format("{},{}", unix_ns, look.interval ? "synchronised" : look.fault);
  out += look.interval ? fmt::format(",{}", look.interval->epsilon().ns) : ",";
  out += look.reasons ? fmt::format(",{}", look.reasons->sample_age.ns) : ",";
  for (const time::TermInfo& info : time::kTerms)
    out += look.reasons ? fmt::format(",{}", (look.reasons->terms.*info.term).ns) : ",";
  std::string source = look.reasons ? look.reasons->source : look.of;
  std::replace(source.begin(), source.end(), '"', '\'');
  return out + fmt::format(",\"{}\"\n", source);
}

std::int64_t unix_now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

ExitCode show(const NowOptions& options, const Look& look, const Output& output) {
  if (options.csv)
    output.out << csv(look, unix_now_ns());
  else if (output.json)
    output.out << json(look);
  else if (options.watch)
    output.out << line(look);
  else if (look.interval)
    output.out << text(*look.interval, look);
  else
    return output.fail(look.code, look.why);
  return look.code;
}

}  // namespace

std::string instance_of(const ClockChoice& choice) {
  if (choice.instance) return *choice.instance;
  const char* set = std::getenv("GNOMON_SERVER_INSTANCE");  // NOLINT(concurrency-mt-unsafe): one thread
  return set != nullptr && *set != '\0' ? set : "main";
}

std::string recording_header() {
  std::string out = "unix_ns,state,epsilon_ns,sample_age_ns";
  for (const time::TermInfo& info : time::kTerms)
    out += fmt::format(",{}_ns", info.name);
  return out + ",source";
}

ExitCode run_now(const NowOptions& options, const Output& output) {
  std::optional<client::Client> client;
  if (options.clock.asks_servers()) {
    auto connected = connect_to(options.clock.server);
    if (!connected) return output.fail(ExitCode::kUsage, connected.error());
    client.emplace(std::move(*connected));
  }
  if (options.csv) output.out << recording_header() << '\n';
  ExitCode code = ExitCode::kOk;
  const auto looks = options.watch ? options.count : 1;
  for (int shown = 0; looks == 0 || shown < looks; ++shown) {
    if (shown > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    code = ExitCode::kOk;
    if (!client) {
      code = show(options, look_at_page(instance_of(options.clock)), output);
    } else {
      for (std::size_t i = 0; i < client->servers().size(); ++i) {
        const ExitCode one = show(options, look_at_server(*client, i), output);
        if (one != ExitCode::kOk) code = one;
      }
    }
    output.out.flush();
  }
  return code;
}

}  // namespace gnomon::cmd
