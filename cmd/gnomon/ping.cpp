// SPDX-License-Identifier: Apache-2.0
//
// gnomon ping: does each server answer, how fast, since which start of it, and does it hold a right?
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "cmd/gnomon/online.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

struct Tally {
  std::uint64_t sent = 0;
  std::vector<time::Duration> round_trips;
  ExitCode worst = ExitCode::kOk;
};

void add_json(JsonWriter& json, const client::PingReply& reply) {
  json.begin_object().key("server").text(reply.server);
  json.key("incarnation").text(fmt::format("{:016x}", reply.incarnation));
  json.key("round_trip_us").number(static_cast<double>(reply.round_trip.ns) / 1e3).key("leased").boolean(reply.leased);
  if (reply.leased)
    json.key("machine")
        .number(reply.machine.value + 0U)
        .key("right_remaining_ms")
        .number(reply.right_remaining.ns / 1'000'000);
  json.end_object();
}

std::string line(const client::PingReply& reply) {
  const std::string right =
      reply.leased ? fmt::format("machine {}, right for {}", reply.machine.value, human_duration(reply.right_remaining))
                   : "no right: it would answer not_leased";
  return fmt::format("{}: {}  incarnation {:016x}  {}\n", reply.server, human_duration(reply.round_trip),
                     reply.incarnation, right);
}

std::string summary(const Tally& tally) {
  if (tally.round_trips.empty()) return fmt::format("{} sent, no reply\n", tally.sent);
  std::vector<time::Duration> sorted = tally.round_trips;
  std::sort(sorted.begin(), sorted.end());
  return fmt::format("{} sent, {} answered; round trip min {}, median {}, max {}\n", tally.sent, sorted.size(),
                     human_duration(sorted.front()), human_duration(sorted[sorted.size() / 2]),
                     human_duration(sorted.back()));
}

}  // namespace

ExitCode run_ping(const PingOptions& options, const Output& output) {
  auto client = connect_to(options.server);
  if (!client) return output.fail(ExitCode::kUsage, client.error());
  Tally tally;
  JsonWriter json;
  json.begin_object().key("replies").begin_array();
  const std::size_t servers = client->servers().size();
  for (std::uint64_t round = 0; round < options.count; ++round) {
    if (round > 0) std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
    for (std::size_t server = 0; server < servers; ++server) {
      ++tally.sent;
      const auto reply = client->ping(server);
      if (!reply) {
        tally.worst = output.fail(exit_code_of(reply.error().kind), reply.error().text);
        continue;
      }
      tally.round_trips.push_back(reply->round_trip);
      if (output.json)
        add_json(json, *reply);
      else
        output.out << line(*reply) << std::flush;
    }
  }
  if (output.json)
    output.out << json.end_array().key("sent").number(tally.sent).end_object().str() << '\n';
  else
    output.out << summary(tally);
  return tally.worst;
}

}  // namespace gnomon::cmd
